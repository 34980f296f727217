'within', now() <> statement_timestamp(),
'isolation', current_setting('transaction_isolation'),
'mark', concat_ws('|', current_database(), current_user, pg_postmaster_start_time(),
  to_regclass('"user"')::oid, to_regclass('credit')::oid, to_regclass('media_tasks')::oid, to_regclass('ai_task')::oid)
