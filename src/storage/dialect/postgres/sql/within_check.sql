, 'within', now() <> statement_timestamp(),
  'mark', concat_ws('|', current_database(), current_user, pg_postmaster_start_time(), (
    SELECT string_agg(concat_ws(':', c.oid, c.xmin, c.relnatts), ',' ORDER BY c.oid)
    FROM pg_class c
    WHERE c.oid IN (to_regclass('"user"'), to_regclass('credit'), to_regclass('media_tasks'), to_regclass('ai_task'))
  ))
