SELECT id, user_id, status = 'active', consumed_detail::text
FROM credit
WHERE id = $1 AND transaction_type = 'consume'
FOR UPDATE
