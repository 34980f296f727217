-- Which of these transaction numbers are taken.
SELECT transaction_no::text FROM credit WHERE transaction_no = ANY ($1)
