-- The task's user first, as everybody locks: see lock_user.sql.
SELECT 1
FROM "user"
WHERE id = (SELECT user_id FROM media_tasks WHERE id = $1)
FOR NO KEY UPDATE
