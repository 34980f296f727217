'use strict'

/**
 * The app's stack on PostgreSQL, Drizzle on postgres.js with the app's settings, with the ledger's rules
 * corrected: everything in one transaction, which locks the grants. A duplicate task id violates its primary key,
 * so it is not checked first.
 */

const { boolean, integer, pgTable, text, timestamp } = require('drizzle-orm/pg-core')
const { drizzle } = require('drizzle-orm/postgres-js')
const postgres = require('postgres')
const { COST, ofTask } = require('../work')
const { models } = require('./drizzle-models')
const { tables } = require('./drizzle-schema')

const schema = tables({ table: pgTable, text, integer, boolean, time: timestamp })
const { charge } = models(schema)
const lock = (query) => query.for('update')

/** Transactions of the app's client. */
function openPostgres({ url, poolSize }) {
  // Without prepared statements, because poolers are common.
  const client = postgres(url, { max: poolSize, prepare: false })
  const database = drizzle(client)
  return {
    run: (work) => database.transaction(work),
    settings: async () => ({ pool: poolSize }),
    close: () => client.end(),
  }
}

async function open(where) {
  const { run, ...rest } = openPostgres(where)
  return { ...rest, createTask: (task) => run((transaction) => createTask(transaction, task)) }
}

async function createTask(transaction, task) {
  const now = new Date()
  const described = ofTask(task)
  const creditId = await charge(transaction, task.userId, { described, cost: COST, now, lock })
  const values = { ...task, creditId, createdAt: now, updatedAt: now }
  const [row] = await transaction.insert(schema.mediaTasks).values(values).returning()
  return row
}

module.exports = { lock, open, openPostgres, schema }
