'use strict'

/**
 * Another process that reads and writes a database with the app's own client.
 *
 * A separate process, because two copies of SQLite in one process don't see each other's locks. The
 * parent sends `{ id, file, statements: [[sql, args], …] }` and gets the rows of each, or `{ id, file, columns }`
 * with the columns of tables, and gets the rows of those that exist, in one answer.
 */

const { createClient } = require('@libsql/client')
const { run, snapshot } = require('./inspect')

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
