-- Of the same grants as spendable_grants.sql.
SELECT COALESCE(SUM(CAST(remaining_credits AS integer)), 0)
FROM credit
WHERE user_id = ?1
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND remaining_credits < ''
  AND remaining_credits = CAST(remaining_credits AS integer)
  AND (expires_at IS NULL OR (expires_at > ?2 AND expires_at < ''))
  AND is_text(id)
