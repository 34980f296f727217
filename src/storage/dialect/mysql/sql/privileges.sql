-- What the session's account may do with each column. Those that it may do nothing with are not there.
SELECT
  TABLE_NAME,
  COLUMN_NAME,
  CAST(PRIVILEGES AS CHAR),
  DATABASE(),
  CURRENT_USER()
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('user', 'credit', 'media_tasks', 'ai_task')
ORDER BY TABLE_NAME, ORDINAL_POSITION
