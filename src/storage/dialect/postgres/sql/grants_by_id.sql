SELECT
  id::text,
  transaction_no,
  COALESCE(credits, 0),
  COALESCE(remaining_credits, 0),
  expires_at,
  COALESCE(status = 'active', false)
FROM credit
WHERE transaction_type = 'grant' AND user_id = $1 AND id = ANY ($2)
ORDER BY expires_at NULLS LAST, created_at, credit.id
FOR UPDATE
