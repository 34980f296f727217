-- Of each user in $1, in draw order, all of them.
SELECT id, transaction_no, credits::bigint, remaining_credits::bigint, expires_at, status = 'active', user_id
FROM credit
WHERE user_id = ANY ($1)
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND (expires_at IS NULL OR expires_at > $2)
ORDER BY user_id, expires_at NULLS LAST, created_at, id
FOR UPDATE
