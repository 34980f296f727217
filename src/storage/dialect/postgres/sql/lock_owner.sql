-- Locks the user who owns a row, before the row itself: the order of all transactions. See lock_users.sql.
SELECT id::text
FROM "user"
WHERE id = (SELECT user_id FROM {table} WHERE id = $1)
FOR NO KEY UPDATE
