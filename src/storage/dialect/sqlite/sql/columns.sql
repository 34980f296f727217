-- The columns of a table, each with whether it is part of a unique index.
SELECT
  name,
  type,
  "notnull",
  dflt_value,
  pk > 0 OR EXISTS (
    SELECT 1
    FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS part
    WHERE list."unique" AND part.name = declared.name
  )
FROM pragma_table_info(?1) AS declared
