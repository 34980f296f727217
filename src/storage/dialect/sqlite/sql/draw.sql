-- Guarded: a grant is never drawn below zero, whatever the plan says.
UPDATE credit
SET remaining_credits = remaining_credits - ?2, updated_at = ?3
WHERE id = ?1 AND remaining_credits >= ?2
