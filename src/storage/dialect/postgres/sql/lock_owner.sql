-- The user first whose row this is, as all transactions lock: see lock_users.sql.
SELECT id::text
FROM "user"
WHERE id = (SELECT user_id FROM {table} WHERE id = $1)
FOR NO KEY UPDATE
