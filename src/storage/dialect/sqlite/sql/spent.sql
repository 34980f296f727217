-- What a user has spent. Credits that were written off, or withdrawn with their payment, were not spent: the ledger
-- marks these rows in their metadata.
SELECT {columns}
FROM credit
WHERE user_id = ?1
  AND transaction_type = 'consume'
  AND status = 'active'
  AND created_at >= ?2
  AND created_at < ''
  AND credits BETWEEN -2147483648 AND 2147483647
  AND credits = CAST(credits AS integer)
  AND (?3 IS NULL OR transaction_scene = ?3)
  AND NOT (
    COALESCE(transaction_scene, '') IN ('chargeback', 'expiry')
    AND CASE
      WHEN json_valid(metadata) THEN
        COALESCE('object' IN (json_type(metadata, '$.revocation'), json_type(metadata, '$.expiry')), FALSE)
      ELSE FALSE
    END
  )
