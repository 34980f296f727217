'use strict'

/**
 * The app's stack on Turso, Drizzle on @libsql/client, with the ledger's rules corrected: everything in one
 * transaction, which holds the database's lock from its beginning.
 */

const { createClient } = require('@libsql/client')
const { drizzle } = require('drizzle-orm/libsql')
const { COST } = require('../work')
const { schema, sqliteModels } = require('./drizzle-sqlite')

const { createTask } = sqliteModels(schema)

async function open({ url }) {
  const client = createClient({ url })
  const database = drizzle(client)
  return {
    createTask: (task) =>
      database.transaction((transaction) => createTask(transaction, task, COST), { behavior: 'immediate' }),
    settings: async () => ({}),
    close: async () => client.close(),
  }
}

module.exports = { open }
