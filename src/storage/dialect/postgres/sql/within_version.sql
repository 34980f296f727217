'version', ARRAY(
  SELECT concat(oid, ':', xmin)
  FROM pg_class
  WHERE oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
  ORDER BY oid
)::text,
'schemas', ARRAY(
  SELECT DISTINCT n.nspname::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
)
