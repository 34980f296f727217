-- The charge that a patch names, or else the task's own.
SELECT id, user_id, status = 'active', consumed_detail::text
FROM credit
WHERE id = COALESCE($2, (SELECT credit_id FROM media_tasks WHERE id = $1))
  AND transaction_type = 'consume'
FOR UPDATE
