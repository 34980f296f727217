-- Whoever changes this row refunds; everybody after that changes nothing.
UPDATE credit
SET status = 'deleted', updated_at = ?2
WHERE id = ?1 AND transaction_type = 'consume' AND status = 'active'
