-- In draw order, as many as cover $3 credits. The app's own models lock grants in this order too.
SELECT id, transaction_no, credits::bigint, remaining_credits::bigint, expires_at, status = 'active'
FROM credit
WHERE user_id = $1
  AND id IN (
    SELECT id
    FROM (
      SELECT id, sum(remaining_credits) OVER draw_order - remaining_credits AS covered
      FROM credit
      WHERE user_id = $1
        AND status = 'active'
        AND transaction_type = 'grant'
        AND remaining_credits > 0
        AND (expires_at IS NULL OR expires_at > $2)
      WINDOW draw_order AS (ORDER BY expires_at NULLS LAST, created_at, id)
    ) AS spendable
    WHERE covered < $3
  )
ORDER BY expires_at NULLS LAST, created_at, id
FOR UPDATE
