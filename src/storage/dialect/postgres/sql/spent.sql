-- What users have spent. What was written off, or withdrawn with its payment, was not: the ledger says so where it does that.
SELECT user_id::text, {columns}
FROM credit
WHERE user_id = ANY ($1)
  AND transaction_type = 'consume'
  AND status = 'active'
  AND created_at >= $2
  AND NOT (
    COALESCE(transaction_scene::text, '') IN ('chargeback', 'expiry')
    AND CASE
      -- Text may be anything. The ledger begins it so, and no caller can.
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
