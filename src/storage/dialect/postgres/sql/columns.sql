-- The tables are found by the search path, as in the app's own statements. A domain counts as its base type.
SELECT
  c.relname::text,
  a.attname::text,
  format_type(base.type, base.typmod),
  a.attnotnull OR base.not_null,
  a.atthasdef OR a.attidentity <> '' OR base.has_default,
  to_json(ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = base.type ORDER BY e.enumsortorder))::text,
  base.type::bigint,
  a.atttypid::bigint,
  a.attidentity = 'a' OR a.attgenerated <> '',
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey))
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
CROSS JOIN LATERAL (
  WITH RECURSIVE level (type, typmod, not_null, has_default, kind, made_of) AS (
    SELECT a.atttypid, a.atttypmod, false, false, t.typtype, t.typbasetype
    FROM pg_type t
    WHERE t.oid = a.atttypid
    UNION ALL
    SELECT base.oid, t.typtypmod, level.not_null OR t.typnotnull, level.has_default OR t.typdefault IS NOT NULL,
      base.typtype, base.typbasetype
    FROM level
    JOIN pg_type t ON t.oid = level.type
    JOIN pg_type base ON base.oid = level.made_of
    WHERE level.kind = 'd'
  )
  SELECT level.*
  FROM level
  WHERE level.kind <> 'd'
) AS base
WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
