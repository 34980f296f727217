SHOW GLOBAL VARIABLES WHERE Variable_name IN (
  'binlog_format',
  'character_set_database',
  'innodb_flush_log_at_trx_commit',
  'log_bin',
  'max_allowed_packet',
  'read_only',
  'sql_mode',
  'sync_binlog',
  'system_time_zone',
  'time_zone',
  'transaction_isolation',
  'tx_isolation',
  'wsrep_on'
)
