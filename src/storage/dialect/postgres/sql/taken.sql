-- Those of these transaction numbers that are taken.
SELECT transaction_no::text FROM credit WHERE transaction_no = ANY ($1)
