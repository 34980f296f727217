'use strict'

/**
 * The app's stack, Drizzle on @libsql/client, with the ledger's rules corrected: everything in one transaction.
 */

const { createClient } = require('@libsql/client')
const { drizzle } = require('drizzle-orm/libsql')
const { COST } = require('../work')
const { queue, schema, sqliteModels } = require('./drizzle-sqlite')

const { createTask } = sqliteModels(schema)

/** Transactions of the app's client, one after another. */
async function openLibsql({ file, durability }) {
  const client = createClient({ url: `file:${file}` })
  const database = drizzle(client)
  const prepare = await preparation(client, durability)
  const inTurn = queue()
  const transact = (work) => database.transaction(work, { behavior: 'immediate' })
  return {
    run: (work) => inTurn(() => prepare().then(() => transact(work))),
    settings: async () => ({
      journalMode: await first(client, 'PRAGMA journal_mode'),
      sqliteVersion: await first(client, 'SELECT sqlite_version()'),
    }),
    close: async () => client.close(),
  }
}

async function open(where) {
  const { run, ...rest } = await openLibsql(where)
  return { ...rest, createTask: (task) => run((transaction) => createTask(transaction, task, COST)) }
}

/**
 * The statements before each transaction. A pragma applies to one connection of the client, which may have
 * several. FULL, foreign keys off and WAL (which the file stores) need no statement.
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

module.exports = { open, openLibsql, schema }
