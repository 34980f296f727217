-- The role's access to the tables: the privileges that it lacks, by column, and the commands for which row
-- level security has no policy for the role.
SELECT
  c.relname::text,
  current_user::text,
  c.relkind IN ('r', 'p') AND NOT row_security_active(c.oid) AND has_any_column_privilege(c.oid, 'UPDATE'),
  to_json(ARRAY(
    SELECT a.attname
    FROM pg_attribute a
    WHERE a.attrelid = c.oid
      AND a.attnum > 0
      AND NOT a.attisdropped
      AND NOT has_column_privilege(c.oid, a.attnum, command.name)
    ORDER BY a.attnum
  ))::text,
  row_security_active(c.oid) AND NOT EXISTS (
    SELECT
    FROM pg_policy p
    WHERE p.polrelid = c.oid
      AND p.polpermissive
      AND p.polcmd IN ('*', command.letter)
      AND EXISTS (
        SELECT
        FROM unnest(p.polroles) AS role (id)
        WHERE CASE role.id WHEN 0 THEN true ELSE pg_has_role(role.id, 'USAGE') END
      )
  ),
  command.name,
  (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  current_setting('synchronous_commit') = 'off'
FROM pg_class c
CROSS JOIN (VALUES ('SELECT', 'r'::"char"), ('INSERT', 'a'), ('UPDATE', 'w')) AS command (name, letter)
WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
ORDER BY c.relname, command.name
