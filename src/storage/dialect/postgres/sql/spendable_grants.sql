-- The spendable grants of each user in $1, in draw order. A limit, which is for one user, keeps the first of them.
SELECT
  id::text,
  transaction_no,
  COALESCE(credits, 0),
  COALESCE(remaining_credits, 0),
  expires_at,
  COALESCE(status = 'active', false),
  user_id::text{provenance}
FROM credit
WHERE user_id = ANY ($1)
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND (expires_at IS NULL OR expires_at > $2)
ORDER BY credit.user_id, expires_at NULLS LAST, created_at, credit.id
{limit}
FOR UPDATE
