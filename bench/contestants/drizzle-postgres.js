'use strict'

/**
 * The app's stack on PostgreSQL, Drizzle on postgres.js as the app sets it up, with the ledger's rules put
 * right: everything in one transaction, which locks the grants. A task's id that is taken breaks its primary
 * key, so nobody asks for it first.
 */

const { eq } = require('drizzle-orm')
const { boolean, integer, pgTable, text, timestamp } = require('drizzle-orm/pg-core')
const { drizzle } = require('drizzle-orm/postgres-js')
const postgres = require('postgres')
const { COST, planDraws } = require('../work')
const { models } = require('./drizzle-models')
const { tables } = require('./drizzle-schema')

const { credit, mediaTasks, user } = tables({ table: pgTable, text, integer, boolean, time: timestamp })
const { spendableGrants, writeCharge } = models(credit)

async function open({ url, poolSize }) {
  // Without prepared statements, because poolers are common.
  const client = postgres(url, { max: poolSize, prepare: false })
  const database = drizzle(client)
  return {
    createTask: (task) => database.transaction((transaction) => createTask(transaction, task)),
    settings: async () => ({ pool: poolSize }),
    close: () => client.end(),
  }
}

async function createTask(transaction, task) {
  const now = new Date()
  const owners = await transaction.select({ id: user.id }).from(user).where(eq(user.id, task.userId))
  if (owners.length === 0) throw new Error(`no user ${task.userId}`)
  const draws = planDraws(await spendableGrants(transaction, task.userId, now).for('update'), COST)

  const creditId = await writeCharge(transaction, task, draws, now)
  const values = { ...task, creditId, createdAt: now, updatedAt: now }
  const [row] = await transaction.insert(mediaTasks).values(values).returning()
  return row
}

module.exports = { open }
