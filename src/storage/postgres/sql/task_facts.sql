SELECT user_id, status::text, credit_id
FROM media_tasks
WHERE id = $1
FOR NO KEY UPDATE
