SELECT
  id::text,
  COALESCE(user_id::text, ''),
  COALESCE(status = 'active', false),
  COALESCE(credits, 0),
  consumed_detail::text,
  metadata::text
FROM credit
WHERE id = ANY ({charges}) AND transaction_type = 'consume'
ORDER BY credit.id
FOR UPDATE
