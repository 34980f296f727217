-- The session's own search path, unless it finds other tables of these names than the current search path.
SELECT current_setting('media_credits.path', true)
WHERE NOT EXISTS (
  SELECT 1
  FROM unnest(string_to_array(current_setting('media_credits.tables', true), ',')::oid[]) AS own (oid)
  WHERE own.oid <> ALL (array_remove(ARRAY[
    to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task')
  ]::oid[], NULL))
)
