SELECT
  current_setting('server_version'),
  current_database()::text,
  (SELECT n.nspname::text
   FROM pg_class c
   JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = to_regclass('credit')),
  current_setting('default_transaction_isolation'),
  COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
