'use strict'

/** libSQL servers for the tests, each with a database. The test's own process reads them. */

const path = require('node:path')
const { createClient } = require('@libsql/client')
const { start } = require('../../scripts/sqld')
const { describeIf, skipAll } = require('./describe')
const { Inspected, run, snapshot } = require('./inspect')
const { FIXTURES } = require('./sqlite')

const { binary, reason } = JSON.parse(process.env.MEDIA_CREDITS_TEST_SQLD)

// Tests that are the same on each storage need no server.
if (globalThis.STORAGE === 'libsql' && !binary) skipAll(reason)

class SqldStore extends Inspected {
  provider = 'sqlite'
  needsTables = false

  /** A store with the app's `tables`, with an app's rows (`fixture`, `stock`), or with `nothing` in it. */
  static async open(content, { publicKey, authToken } = {}) {
    const store = new SqldStore(await start(binary, { publicKey }), authToken)
    const statements = await contentOf(content)
    if (statements.length > 0) await store.client.batch(statements, 'write')
    return store
  }

  constructor(server, authToken) {
    super()
    this.server = server
    this.url = server.url
    const { host } = new URL(server.url)
    this.otherUrls = [`ws://${host}`, `libsql://${host}?tls=0`, `${server.url}/`]
    this.client = createClient({ url: server.url, authToken })
  }

  /** Runs statements `[sql, args]` one after the other, and returns the rows of the last one. */
  async query(statements) {
    const stored = (value) => (value instanceof Date ? value.getTime() : value)
    const all = await run(
      this.client,
      statements.map(([sql, args]) => [sql, args.map(stored)]),
    )
    return all.at(-1)
  }

  /** The rows of those of the tables that exist, by their `{ table: columns }`, all of one moment. */
  snapshot(columns) {
    return snapshot(this.client, columns)
  }

  /** The server's files stay where they are. */
  static useDisk() {}

  async remove() {
    this.client.close()
    await this.server.stop()
  }
}

/** Statements that make the tables of a file, and its rows unless only the tables are requested. */
async function contentOf(content) {
  if (content === 'nothing') return []
  const file = path.join(__dirname, '../fixtures', FIXTURES[content] ?? FIXTURES.fixture)
  const client = createClient({ url: `file:${file}` })
  const { rows } = await client.execute('SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL')
  const statements = rows.map(({ sql }) => sql)
  if (content !== 'tables') {
    const names = rows.filter(({ type }) => type === 'table').map(({ name }) => name)
    // The server checks foreign keys, and each other row belongs to a user.
    for (const name of ['user', ...names.filter((name) => name !== 'user')]) {
      const { columns, rows: filled } = await client.execute(`SELECT * FROM "${name}"`)
      const sql = `INSERT INTO "${name}" VALUES (${columns.map(() => '?').join()})`
      statements.push(...filled.map((row) => ({ sql, args: columns.map((column) => row[column]) })))
    }
  }
  client.close()
  return statements
}

/** `describe` for tests that need a server. */
const describeWithSqld = describeIf(binary, reason)

module.exports = { Store: SqldStore, describeWithSqld, end: async () => {} }
