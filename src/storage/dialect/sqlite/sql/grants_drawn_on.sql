-- The grants of the charge's user that the charge drew on. A detail that can't be read has no draws here; reading the
-- charge reports it. The plus keeps SQLite from using the index of `user_id`, in which it would read all of the user's charges.
SELECT id, transaction_no, credits, remaining_credits, expires_at, status
FROM credit
WHERE transaction_type = 'grant'
  AND +user_id = (SELECT user_id FROM credit WHERE id = {charge})
  AND id IN (
    SELECT json_extract(charge.consumed_detail, draw.fullkey || '.creditId')
    FROM credit AS charge, json_each(iif(json_valid(charge.consumed_detail), charge.consumed_detail, '[]')) AS draw
    WHERE charge.id = {charge}
  )
