'use strict'

/**
 * The app's stack on MySQL, Drizzle on mysql2, with the ledger's rules corrected: everything in one transaction,
 * which locks the user's row. A duplicate task id violates its primary key. MySQL can't return written rows.
 */

const { drizzle } = require('drizzle-orm/mysql2')
const { boolean, int, mysqlTable, text, timestamp } = require('drizzle-orm/mysql-core')
const mysql = require('mysql2/promise')
const { COST, ofTask } = require('../work')
const { models } = require('./drizzle-models')
const { tables } = require('./drizzle-schema')

const schema = tables({ table: mysqlTable, text, integer: int, boolean, time: timestamp })
const { charge } = models(schema)
const lockOwner = (query) => query.for('update')

async function open({ url, poolSize }) {
  const pool = mysql.createPool({ uri: url, connectionLimit: poolSize })
  const database = drizzle({ client: pool })
  return {
    createTask: (task) => database.transaction((transaction) => createTask(transaction, task)),
    settings: async () => ({ pool: poolSize }),
    close: () => pool.end(),
  }
}

async function createTask(transaction, task) {
  const now = new Date()
  const creditId = await charge(transaction, task.userId, {
    described: ofTask(task),
    cost: COST,
    now,
    lockOwner,
  })
  const row = { ...task, creditId, createdAt: now, updatedAt: now }
  await transaction.insert(schema.mediaTasks).values(row)
  return row
}

module.exports = { open }
