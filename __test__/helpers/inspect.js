'use strict'

/** A database of SQLite, as the app's own client sees it. */

const rowsOf = ({ rows }) => rows.map((row) => ({ ...row }))

/** The rows of those of the tables that exist, all of one moment. */
async function snapshot(client, columns) {
  const { rows } = await client.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
  const names = rows.map(({ name }) => name).filter((name) => name in columns)
  if (names.length === 0) return {}
  const asked = names.map((name) => `SELECT ${columns[name]} FROM "${name}" ORDER BY id`)
  const found = await client.batch(asked, 'deferred')
  return Object.fromEntries(names.map((name, at) => [name, rowsOf(found[at])]))
}

/** The rows of each statement. */
async function run(client, statements) {
  const all = await resultsOf(
    client,
    statements.map(([sql, args]) => ({ sql, args })),
  )
  return all.map(rowsOf)
}

async function resultsOf(client, statements) {
  // A single BEGIN does not last: the client uses any of its connections for the next statement.
  if (statements[0].sql.startsWith('BEGIN')) {
    return client.batch(statements.slice(1, -1), 'write')
  }
  const all = []
  for (const statement of statements) all.push(await client.execute(statement))
  return all
}

const SCHEMA = `
  SELECT tbl_name AS owner, name, 'index' AS definition FROM sqlite_master WHERE type = 'index'
  UNION ALL
  SELECT tables.name, columns.name, concat_ws(' ', cid, columns.type, "notnull", dflt_value, pk)
    FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table'
  ORDER BY 1, 2`

/** Functions of a store with SQLite's SQL that use its own `query`. */
class Inspected {
  /** Deletes all rows. */
  empty() {
    return this.query(
      ['ai_task', 'media_tasks', 'credit', 'user'].map((table) => [`DELETE FROM ${table}`, []]),
    )
  }

  /** Each column and index. */
  schema() {
    return this.query([[SCHEMA, []]])
  }
}

module.exports = { Inspected, run, snapshot }
