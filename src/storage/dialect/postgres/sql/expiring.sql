-- Users' credits that expire after $1, and at $2 at the latest.
SELECT user_id::text, sum(remaining_credits)::bigint, count(*), min(expires_at)
FROM credit
WHERE {behind}
  AND status = 'active'
  AND transaction_type = 'grant'
  AND remaining_credits > 0
  AND expires_at > $1
  AND expires_at <= $2
GROUP BY user_id
HAVING sum(remaining_credits) >= $3
ORDER BY credit.user_id
LIMIT $4
