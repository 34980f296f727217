'use strict'

/**
 * The app's stack, Drizzle on @libsql/client, with the ledger's rules put right: everything in one
 * transaction.
 */

const { createClient } = require('@libsql/client')
const { eq } = require('drizzle-orm')
const { drizzle } = require('drizzle-orm/libsql')
const { integer, sqliteTable, text } = require('drizzle-orm/sqlite-core')
const { COST, planDraws } = require('../work')
const { models } = require('./drizzle-models')
const { tables } = require('./drizzle-schema')

const { credit, mediaTasks, user } = tables({
  table: sqliteTable,
  text,
  integer,
  boolean: (name) => integer(name, { mode: 'boolean' }),
  time: (name) => integer(name, { mode: 'timestamp_ms' }),
})
const { spendableGrants, writeCharge } = models(credit)

async function open({ file, durability }) {
  const client = createClient({ url: `file:${file}` })
  const database = drizzle(client)
  const prepare = await preparation(client, durability)
  const inTurn = queue()
  const create = (task) =>
    database.transaction((transaction) => createTask(transaction, task), { behavior: 'immediate' })
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
 * One transaction at a time. The client opens a connection for each one, and its busy timeout is 0: of
 * transactions that overlap, all but one fail with SQLITE_BUSY at once.
 */
function queue() {
  let last = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
}

/**
 * What to run before each transaction. A pragma holds for one connection, and the client gives each
 * transaction the one it has and opens another for the next. FULL, foreign keys off and WAL (the file
 * remembers it) need nothing; a larger cache would be thrown away with its connection.
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

async function createTask(transaction, task) {
  const now = new Date()
  const owners = await transaction.select({ id: user.id }).from(user).where(eq(user.id, task.userId))
  if (owners.length === 0) throw new Error(`no user ${task.userId}`)
  const taken = await transaction
    .select({ id: mediaTasks.id })
    .from(mediaTasks)
    .where(eq(mediaTasks.id, task.id))
  if (taken.length > 0) throw new Error(`there is a task ${task.id}`)
  const draws = planDraws(await spendableGrants(transaction, task.userId, now), COST)

  const creditId = await writeCharge(transaction, task, draws, now)
  await transaction.insert(mediaTasks).values({ ...task, creditId, createdAt: now, updatedAt: now })
  const [row] = await transaction.select().from(mediaTasks).where(eq(mediaTasks.id, task.id))
  return row
}

module.exports = { open }
