'use strict'

/**
 * What the app's models do on SQLite, corrected: for the contestants on libSQL, and for bench/next.js in the app.
 */

const { eq } = require('drizzle-orm')
const { integer, sqliteTable, text } = require('drizzle-orm/sqlite-core')
const { ofTask } = require('../work')
const { models } = require('./drizzle-models')
const { tables } = require('./drizzle-schema')

const schema = tables({
  table: sqliteTable,
  text,
  integer,
  boolean: (name) => integer(name, { mode: 'boolean' }),
  time: (name) => integer(name, { mode: 'timestamp_ms' }),
})

function sqliteModels({ mediaTasks, ...schema }) {
  const { charge, spendableGrants } = models(schema)

  /** With `replay`, a repeated request gets the task of the first one. */
  async function createTask(transaction, task, cost, { replay = false } = {}) {
    const now = new Date()
    const [taken] = await transaction.select().from(mediaTasks).where(eq(mediaTasks.id, task.id))
    if (taken && replay && taken.userId === task.userId) return { ...taken, replayed: true }
    if (taken) throw new Error(`there is a task ${task.id}`)
    const creditId = await charge(transaction, task.userId, { described: ofTask(task), cost, now })
    await transaction.insert(mediaTasks).values({ ...task, creditId, createdAt: now, updatedAt: now })
    const [row] = await transaction.select().from(mediaTasks).where(eq(mediaTasks.id, task.id))
    return row
  }

  return { createTask, spendableGrants }
}

/**
 * One transaction at a time. The client opens a connection for each one, with a busy timeout of 0: of overlapping
 * transactions, all but one fail at once with SQLITE_BUSY.
 *
 * @returns {<Result>(work: () => Promise<Result>) => Promise<Result>}
 */
function queue() {
  let last = Promise.resolve()
  return (work) => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
}

module.exports = { queue, schema, sqliteModels }
