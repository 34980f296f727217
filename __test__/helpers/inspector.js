'use strict'

/**
 * Another process that looks into a database and writes to it, with the app's own client.
 *
 * A process of its own, because two copies of SQLite in one process don't see each other's locks. The
 * parent sends `{ id, file, statements: [[sql, args], …] }` and gets the rows of each.
 */

const { createClient } = require('@libsql/client')

process.on('message', async ({ id, file, statements }) => {
  const client = createClient({ url: `file:${file}`, intMode: 'number' })
  try {
    await client.execute('PRAGMA busy_timeout = 5000')
    const all = await run(
      client,
      statements.map(([sql, args]) => ({ sql, args })),
    )
    process.send({ id, all: all.map(({ rows }) => rows.map((row) => ({ ...row }))) })
  } catch (error) {
    process.send({ id, error: error.message })
  } finally {
    client.close()
  }
})

/** What each statement gives. */
async function run(client, statements) {
  // A BEGIN by itself does not last: the client takes any of its connections for the next statement.
  if (statements[0].sql.startsWith('BEGIN')) {
    return client.batch(statements.slice(1, -1), 'write')
  }
  const all = []
  for (const statement of statements) all.push(await client.execute(statement))
  return all
}
