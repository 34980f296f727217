-- Looked up by the search path, as the app's own statements are.
SELECT
  c.relname::text,
  a.attname::text,
  format_type(a.atttypid, a.atttypmod),
  a.attnotnull,
  a.atthasdef OR a.attidentity <> '',
  ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
