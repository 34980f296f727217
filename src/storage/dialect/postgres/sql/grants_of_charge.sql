-- The grants that a charge drew on, in draw order. Their ids are found by a pattern, because the detail may be
-- invalid JSON. IS TRUE makes the server read the draws once into a hash table; without it the server may read
-- them again for each of the user's rows.
SELECT
  id::text,
  transaction_no,
  COALESCE(credits, 0),
  COALESCE(remaining_credits, 0),
  expires_at,
  COALESCE(status = 'active', false)
FROM credit
WHERE transaction_type = 'grant'
  AND user_id = (SELECT user_id FROM credit WHERE id = {charge})
  AND (id::text IN (
    SELECT (regexp_matches(consumed_detail::text, '"creditId"\s*:\s*"([^"\\]*)"', 'g'))[1]
    FROM credit
    WHERE id = {charge} AND transaction_type = 'consume'
  )) IS TRUE
ORDER BY expires_at NULLS LAST, created_at, credit.id
FOR UPDATE
