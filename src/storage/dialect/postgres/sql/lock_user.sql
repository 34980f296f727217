-- Locks one user, and reads whether the id and the transaction number of a new grant are taken. See lock_users.sql.
SELECT EXISTS (SELECT 1 FROM credit WHERE id = $2),
       EXISTS (SELECT 1 FROM credit WHERE transaction_no = $3),
       id::text
FROM "user"
WHERE id = $1
FOR NO KEY UPDATE
