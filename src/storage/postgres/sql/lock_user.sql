-- Charges and refunds of one user take turns here, before they look at anything. Weaker than FOR
-- UPDATE: whoever inserts a row that refers to the user need not wait. SQLite has one writer anyway.
SELECT EXISTS (SELECT 1 FROM media_tasks WHERE id = $2),
       EXISTS (SELECT 1 FROM credit WHERE id = $3),
       EXISTS (SELECT 1 FROM credit WHERE transaction_no = $4)
FROM "user"
WHERE id = $1
FOR NO KEY UPDATE
