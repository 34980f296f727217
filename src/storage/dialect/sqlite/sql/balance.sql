-- The sum of the same grants as in spendable_grants.sql. Two lookups in the index of ids show whether any id may be
-- something else than text. Only then are rows read for their ids: the index of the balance has all other columns.
SELECT COALESCE(SUM(CAST(remaining_credits AS integer)), 0)
FROM credit
WHERE user_id = ?1
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND remaining_credits < ''
  AND remaining_credits = CAST(remaining_credits AS integer)
  AND (expires_at IS NULL OR (expires_at > ?2 AND expires_at < ''))
  AND (
    (NOT EXISTS (SELECT 1 FROM credit WHERE id < '') AND NOT EXISTS (SELECT 1 FROM credit WHERE id >= CAST(x'80' AS text)))
    OR is_text(id)
  )
