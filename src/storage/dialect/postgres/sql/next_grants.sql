-- The next grants of each user, in draw order, as many as cover the credits in $2. The app's own models lock a
-- user's grants in the same order.
SELECT
  id::text,
  transaction_no,
  COALESCE(credits, 0),
  COALESCE(remaining_credits, 0),
  expires_at,
  COALESCE(status = 'active', false),
  user_id::text
FROM credit
WHERE user_id = ANY ({users})
  AND id IN (
    SELECT id
    FROM (
      SELECT credit.id,
             sum(remaining_credits) OVER draw_order - remaining_credits AS covered,
             need.credits AS needed
      FROM unnest({users}, $2) AS need (user_id, credits)
      JOIN credit ON credit.user_id = need.user_id
      WHERE status = 'active'
        AND transaction_type = 'grant'
        AND remaining_credits > 0
        AND (expires_at IS NULL OR expires_at > $3)
      WINDOW draw_order AS (
        PARTITION BY credit.user_id ORDER BY expires_at NULLS LAST, created_at, credit.id
      )
    ) AS spendable
    WHERE covered < needed
  )
ORDER BY credit.user_id, expires_at NULLS LAST, created_at, credit.id
FOR UPDATE
