'use strict'

/**
 * The app's stack, Drizzle on @libsql/client, with the ledger's rules put right: everything in one
 * transaction.
 */

const { createClient } = require('@libsql/client')
const { drizzle } = require('drizzle-orm/libsql')
const { integer, sqliteTable, text } = require('drizzle-orm/sqlite-core')
const { COST } = require('../work')
const { tables } = require('./drizzle-schema')
const { queue, sqliteModels } = require('./drizzle-sqlite')

const schema = tables({
  table: sqliteTable,
  text,
  integer,
  boolean: (name) => integer(name, { mode: 'boolean' }),
  time: (name) => integer(name, { mode: 'timestamp_ms' }),
})
const { createTask } = sqliteModels(schema)

async function open({ file, durability }) {
  const client = createClient({ url: `file:${file}` })
  const database = drizzle(client)
  const prepare = await preparation(client, durability)
  const inTurn = queue()
  const create = (task) =>
    database.transaction((transaction) => createTask(transaction, task, COST), { behavior: 'immediate' })
  return {
    createTask: (task) => inTurn(() => prepare().then(() => create(task))),
    settings: async () => ({
      journalMode: await first(client, 'PRAGMA journal_mode'),
      sqliteVersion: await first(client, 'SELECT sqlite_version()'),
    }),
    close: async () => client.close(),
  }
}

/**
 * What to run before each transaction. A pragma holds for one connection of the client, which may have several. FULL,
 * foreign keys off and WAL (the file remembers it) need nothing.
 */
async function preparation(client, durability) {
  const FULL = 2
  if ((await first(client, 'PRAGMA journal_mode = WAL')) !== 'wal') throw new Error('no WAL')
  if (durability === 'normal') return () => client.execute('PRAGMA synchronous = NORMAL')
  if ((await first(client, 'PRAGMA synchronous')) !== FULL) throw new Error('not FULL by default')
  return async () => {}
}

async function first(client, statement) {
  const { rows } = await client.execute(statement)
  return rows[0][0]
}

module.exports = { open }
