SELECT id, transaction_no, credits::bigint, remaining_credits::bigint, expires_at, status = 'active'
FROM credit
WHERE transaction_type = 'grant' AND user_id = $1 AND id = ANY ($2)
ORDER BY expires_at NULLS LAST, created_at, id
FOR UPDATE
