-- In draw order. SQLite sorts NULL first, and a grant that never expires must come last. A column may hold
-- values of any type: text and blobs, which compare greater than all numbers, are not spendable.
SELECT id, transaction_no, credits, remaining_credits, expires_at, status{more}
FROM {users}credit
WHERE user_id = {user}
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND remaining_credits < ''
  AND remaining_credits = CAST(remaining_credits AS integer)
  AND (expires_at IS NULL OR (expires_at > ?2 AND expires_at < ''))
  AND is_text(id)
ORDER BY expires_at IS NULL, expires_at, created_at, id
