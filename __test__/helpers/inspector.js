'use strict'

/**
 * Another process that looks into a database and writes to it, with the app's own client.
 *
 * A process of its own, because two copies of SQLite in one process don't see each other's locks. The
 * parent sends `{ id, file, statements: [[sql, args], …] }` and gets the rows of the last one.
 */

const { createClient } = require('@libsql/client')

process.on('message', async ({ id, file, statements }) => {
  const client = createClient({ url: `file:${file}`, intMode: 'number' })
  try {
    await client.execute('PRAGMA busy_timeout = 5000')
    let rows = []
    for (const [sql, args] of statements) rows = (await client.execute({ sql, args })).rows
    process.send({ id, rows: rows.map((row) => ({ ...row })) })
  } catch (error) {
    process.send({ id, error: error.message })
  } finally {
    client.close()
  }
})
