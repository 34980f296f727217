SELECT
  current_setting('server_version'),
  current_database()::text,
  (SELECT n.nspname::text
   FROM pg_class c
   JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = to_regclass('credit')),
  current_setting('default_transaction_isolation'),
  COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
  json_build_object(
    'fsync', current_setting('fsync')::boolean,
    'fullPageWrites', current_setting('full_page_writes')::boolean,
    'synchronousCommit', current_setting('synchronous_commit')
  )::text,
  -- The tables with their columns and indexes. Partial and invalid indexes are left out:
  -- no statement of this package can use them.
  COALESCE((
    SELECT json_agg(json_build_object(
      'name', c.relname,
      'columns', ARRAY(
        SELECT a.attname FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
      ),
      'indexes', ARRAY(
        SELECT json_build_object(
          'name', i.indexrelid::regclass,
          'columns', ARRAY(
            SELECT a.attname
            FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS key (attnum, at)
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.attnum
            WHERE key.at <= i.indnkeyatts
            ORDER BY key.at
          ),
          'unique', i.indisunique
        )
        FROM pg_index i
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
        ORDER BY i.indexrelid
      )
    ))
    FROM pg_class c
    WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
  ), '[]')::text
