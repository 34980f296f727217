-- Which names are taken: of tasks (true) and of transactions (false).
SELECT true, id::text FROM media_tasks WHERE id = ANY ($1)
UNION ALL
SELECT false, transaction_no::text FROM credit WHERE transaction_no = ANY ($2)
