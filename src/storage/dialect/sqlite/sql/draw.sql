-- The condition ensures that a grant is never drawn below zero, whatever the plan contains.
UPDATE credit
SET remaining_credits = remaining_credits - {credits}, updated_at = {updated_at}
{amounts}WHERE id = {id} AND remaining_credits >= {credits}
