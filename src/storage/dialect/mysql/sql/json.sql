-- MariaDB stores JSON as text with a check constraint.
SELECT TABLE_NAME, CONSTRAINT_NAME
FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = DATABASE()
  AND TABLE_NAME IN ('user', 'credit', 'media_tasks', 'ai_task')
  AND CHECK_CLAUSE = CONCAT('json_valid(`', CONSTRAINT_NAME, '`)')
