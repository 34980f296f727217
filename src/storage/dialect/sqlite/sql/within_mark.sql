SELECT json_object(
  'file', (SELECT NULLIF(file, '') FROM pragma_database_list WHERE name = 'main'),
  'tables', (
    SELECT group_concat(sql, char(10))
    FROM sqlite_master
    WHERE name IN ('user', 'credit', 'media_tasks', 'ai_task') OR type = 'trigger'
  )
)
