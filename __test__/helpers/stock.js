'use strict'

/** The stock app's rows, by user: `fixtures/README.md` describes them. */

const { TestDatabase } = require('./database')

/** A copy of the stock app's database, with the ids of its users and the functions of a connection. */
async function stock(options) {
  const database = await TestDatabase.stock(options)
  const users = await database.sql('SELECT id, name FROM "user"')
  const ids = Object.fromEntries(users.map(({ id, name }) => [name.toLowerCase(), id]))
  return { database, ...ids, ...database.credits }
}

/** The row of a user's only task in a status, with the `id` of its charge, from the column of its generation. */
async function taskOf(database, userId, status) {
  const rows = await database.sql('SELECT * FROM ai_task WHERE user_id = ? AND status = ?', userId, status)
  expect(rows).toHaveLength(1)
  const { credit_id: creditId, task_info: info } = rows[0]
  return { ...rows[0], charge: creditId ?? JSON.parse(info).creditId }
}

module.exports = { stock, taskOf }
