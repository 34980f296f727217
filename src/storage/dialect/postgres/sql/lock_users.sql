-- Charges and refunds of one user take turns here, before they read anything. The lock is weaker than FOR
-- UPDATE: a transaction that inserts a row which refers to the user does not wait for it. Users are locked in the
-- order of their ids, which prevents deadlocks. SQLite needs no such lock, because it has one writer.
SELECT id::text
FROM "user"
WHERE id = ANY ($1)
ORDER BY "user".id
FOR NO KEY UPDATE
