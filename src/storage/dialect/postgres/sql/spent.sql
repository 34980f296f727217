-- What users have spent. What was written off, or withdrawn with its payment, was not: the ledger says so where it does that.
SELECT user_id::text, {columns}
FROM credit
WHERE user_id = ANY ($1)
  AND transaction_type = 'consume'
  AND status = 'active'
  AND created_at >= $2
  AND NOT (
    COALESCE(transaction_scene::text, '') IN ('chargeback', 'expiry')
    AND COALESCE(metadata::text, '') ~ '"(revocation|expiry)":'
  )
  {of_scene}
{group}
