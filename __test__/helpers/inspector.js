'use strict'

/**
 * Another process that looks into a database and writes to it, with the app's own client.
 *
 * A process of its own, because two copies of SQLite in one process don't see each other's locks. The
 * parent sends `{ id, file, statements: [[sql, args], …] }` and gets the rows of each, or `{ id, file, columns }`
 * with the columns of tables, and gets the rows of those that are there, in one answer.
 */

const { createClient } = require('@libsql/client')

process.on('message', async ({ id, file, statements, columns }) => {
  const client = createClient({ url: `file:${file}`, intMode: 'number' })
  try {
    await client.execute('PRAGMA busy_timeout = 5000')
    process.send({ id, all: await (columns ? snapshot(client, columns) : run(client, statements)) })
  } catch (error) {
    process.send({ id, error: error.message })
  } finally {
    client.close()
  }
})

const rowsOf = ({ rows }) => rows.map((row) => ({ ...row }))

/** The rows of each of these tables that is there. */
async function snapshot(client, columns) {
  const { rows } = await client.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
  const found = {}
  for (const { name } of rows) {
    if (!(name in columns)) continue
    found[name] = rowsOf(await client.execute(`SELECT ${columns[name]} FROM "${name}" ORDER BY id`))
  }
  return found
}

/** The rows that each statement gives. */
async function run(client, statements) {
  const all = await resultsOf(
    client,
    statements.map(([sql, args]) => ({ sql, args })),
  )
  return all.map(rowsOf)
}

async function resultsOf(client, statements) {
  // A BEGIN by itself does not last: the client takes any of its connections for the next statement.
  if (statements[0].sql.startsWith('BEGIN')) {
    return client.batch(statements.slice(1, -1), 'write')
  }
  const all = []
  for (const statement of statements) all.push(await client.execute(statement))
  return all
}
