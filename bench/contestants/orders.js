'use strict'

/**
 * A transaction of the app, with Drizzle: an order, and the charge for it. The contestant's name selects how it is
 * charged. On PostgreSQL with `url` and `poolSize`, on SQLite with `file` and `durability`.
 */

const { within } = require('../..')
const { COST, ofOrder } = require('../work')
const { models } = require('./drizzle-models')

const CHARGES = {
  'order-within': () => (transaction, order) =>
    within(transaction).consumeCredits({
      userId: order.userId,
      credits: COST,
      scene: 'payment',
      ...ofOrder(order),
    }),
  'order-drizzle': (schema, lock) => {
    const { charge } = models(schema)
    return (transaction, order, now) =>
      charge(transaction, order.userId, { described: ofOrder(order), cost: COST, now, lock })
  },
  'order-alone': () => () => {},
}

async function open({ name, ...where }) {
  const { run, schema, lock, ...rest } = await openClient(where)
  const charge = CHARGES[name](schema, lock)
  return {
    ...rest,
    placeOrder: ({ id, userId }) =>
      run(async (transaction) => {
        const now = new Date()
        const order = { id, userId, amount: 990, status: 'paid', createdAt: now }
        await transaction.insert(schema.order).values(order)
        await charge(transaction, order, now)
      }),
  }
}

async function openClient(where) {
  if (where.url) {
    const { lock, openPostgres, schema } = require('./drizzle-postgres')
    return { ...openPostgres(where), schema, lock }
  }
  const { openLibsql, schema } = require('./drizzle-libsql')
  return { ...(await openLibsql(where)), schema }
}

/** The app's table; `time` is the type of its times. */
const createOrders = (time) => `CREATE TABLE "order" (
  id text PRIMARY KEY, user_id text NOT NULL, amount integer NOT NULL, status text NOT NULL, created_at ${time} NOT NULL)`

module.exports = { createOrders, open }
