SELECT id, user_id, status = 'active', consumed_detail::text
FROM credit
WHERE id = ANY ($1) AND transaction_type = 'consume'
ORDER BY id
FOR UPDATE
