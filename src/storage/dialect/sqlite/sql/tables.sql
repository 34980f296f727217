-- The tables with their columns and indexes, as a JSON array. Partial indexes are left out:
-- no statement of this package can use them.
SELECT json_group_array(json_object(
  'name', tables.name,
  'columns', json((SELECT json_group_array(name) FROM pragma_table_info(tables.name))),
  'indexes', json((
    SELECT json_group_array(json_object(
      'name', indexes.name,
      'columns', json((SELECT json_group_array(name) FROM pragma_index_info(indexes.name))),
      'unique', json(iif(indexes."unique", 'true', 'false'))
    ))
    FROM pragma_index_list(tables.name) AS indexes
    WHERE NOT indexes.partial
  ))
))
FROM sqlite_master AS tables
WHERE tables.type = 'table' AND tables.name IN ('user', 'credit', 'media_tasks', 'ai_task')
