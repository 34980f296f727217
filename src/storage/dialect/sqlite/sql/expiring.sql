-- Sums of the same grants as in spendable_grants.sql that expire in a period.
SELECT user_id, SUM(CAST(remaining_credits AS integer)), COUNT(*), MIN(expires_at)
FROM credit
WHERE (?1 IS NULL OR user_id > ?1)
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND remaining_credits < ''
  AND remaining_credits = CAST(remaining_credits AS integer)
  AND expires_at > ?2
  AND expires_at <= ?3
  AND expires_at < ''
  AND is_text(id)
GROUP BY user_id
HAVING SUM(CAST(remaining_credits AS integer)) >= ?4
ORDER BY user_id
LIMIT ?5
