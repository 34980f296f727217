-- The privileges of the session's account on each column. Columns without any privilege are not listed.
SELECT
  TABLE_NAME,
  COLUMN_NAME,
  CAST(PRIVILEGES AS CHAR),
  DATABASE(),
  CURRENT_USER()
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('user', 'credit', 'media_tasks', 'ai_task')
ORDER BY TABLE_NAME, ORDINAL_POSITION
