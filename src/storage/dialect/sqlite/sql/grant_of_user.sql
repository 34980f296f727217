SELECT id, transaction_no, credits, remaining_credits, expires_at, status
FROM credit
WHERE id = ?1
  AND user_id = ?2
  AND transaction_type = 'grant'
