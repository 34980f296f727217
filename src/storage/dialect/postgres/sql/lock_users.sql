-- Charges and refunds of one user take turns here, before they look at anything. Weaker than FOR
-- UPDATE: a transaction that inserts a row which refers to the user need not wait. In one order, so that none
-- waits in a circle. SQLite has one writer anyway.
SELECT id::text
FROM "user"
WHERE id = ANY ($1)
ORDER BY "user".id
FOR NO KEY UPDATE
