-- The second value has the column's own type, which the sum does not have.
SELECT COALESCE(SUM(remaining_credits), 0)::bigint, MAX(remaining_credits)
FROM credit
WHERE user_id = $1
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND (expires_at IS NULL OR expires_at > $2)
