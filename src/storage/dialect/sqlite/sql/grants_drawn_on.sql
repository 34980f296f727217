-- Of the charge's user. What can't be read as draws names none: reading the charge says so.
-- The plus keeps SQLite from the index of `user_id`, where it would look at all that the user has ever spent.
SELECT id, transaction_no, credits, remaining_credits, expires_at, status
FROM credit
WHERE transaction_type = 'grant'
  AND +user_id = (SELECT user_id FROM credit WHERE id = {charge})
  AND id IN (
    SELECT json_extract(charge.consumed_detail, draw.fullkey || '.creditId')
    FROM credit AS charge, json_each(iif(json_valid(charge.consumed_detail), charge.consumed_detail, '[]')) AS draw
    WHERE charge.id = {charge}
  )
