SELECT id, user_id, status = 'active', credits::bigint, consumed_detail::text, metadata::text
FROM credit
WHERE id = ANY ({charges}) AND transaction_type = 'consume'
ORDER BY id
FOR UPDATE
