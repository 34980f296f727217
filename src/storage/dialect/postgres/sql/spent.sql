-- What users have spent. Credits that were written off, or withdrawn with their payment, were not spent: the ledger
-- marks these rows in their metadata.
SELECT user_id::text, {columns}
FROM credit
WHERE user_id = ANY ($1)
  AND transaction_type = 'consume'
  AND status = 'active'
  AND created_at >= $2
  AND NOT (
    COALESCE(transaction_scene::text, '') IN ('chargeback', 'expiry')
    AND CASE
      -- A text column may hold invalid JSON. Only the ledger writes metadata that begins with these keys.
      WHEN pg_typeof(metadata) NOT IN ('json'::regtype, 'jsonb'::regtype)
        THEN COALESCE(metadata::text ~ '^ *[{] *"type" *: *"[a-z]+" *, *"(revocation|expiry)" *: *[{]', FALSE)
      ELSE COALESCE(
        'object' IN (
          json_typeof(metadata::text::json -> 'revocation'),
          json_typeof(metadata::text::json -> 'expiry')
        ),
        FALSE
      )
    END
  )
  {of_scene}
{group}
