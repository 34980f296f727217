'use strict'

/**
 * The contestants. Each module has `open({ file, durability })`, or on a server `open({ url, poolSize })`, which
 * resolves to `{ createTask(task), settings(), close() }`, or to an object with `placeOrder(order)`.
 *
 * Modules are loaded by path and only in the contestant's own process: two copies of SQLite in one process on one
 * file are unsafe.
 */

const CONTESTANTS = {
  'media-credits': { title: 'media-credits', module: './media-credits.js' },
  'better-sqlite3': { title: 'better-sqlite3, hand-written', module: './better-sqlite3.js' },
  'drizzle-libsql': { title: 'Drizzle with libSQL, corrected', module: './drizzle-libsql.js' },
}

/** This package with one additional feature each, to measure its cost. */
const VARIANTS = {
  'media-credits': CONTESTANTS['media-credits'],
  events: { title: 'a listener of each event', module: './media-credits.js' },
  'balance-low': { title: 'a listener of low balances', module: './media-credits.js' },
  statistics: { title: '`stats()` each second', module: './media-credits.js' },
  opentelemetry: { title: 'spans and metrics, an SDK that discards them', module: './media-credits.js' },
  scenes: { title: '`scenes` with each charge', module: './media-credits.js' },
  limit: { title: 'a daily limit with each charge', module: './media-credits.js' },
}

const POSTGRES_CONTESTANTS = {
  'media-credits': CONTESTANTS['media-credits'],
  'drizzle-postgres': { title: 'Drizzle with postgres.js, corrected', module: './drizzle-postgres.js' },
}

/** An order in a transaction of the app. */
const ORDER_CONTESTANTS = {
  'order-within': { title: 'within(tx).consumeCredits', module: './orders.js' },
  'order-drizzle': { title: 'by hand in Drizzle', module: './orders.js' },
  'order-alone': { title: 'the order alone, without a charge', module: './orders.js' },
}

const LIBSQL_CONTESTANTS = {
  'media-credits': CONTESTANTS['media-credits'],
  'drizzle-remote-libsql': { title: 'Drizzle with libSQL, corrected', module: './drizzle-remote-libsql.js' },
}

const MYSQL_CONTESTANTS = {
  'media-credits': CONTESTANTS['media-credits'],
  mysql2: { title: 'mysql2, hand-written', module: './mysql2.js' },
  'drizzle-mysql': { title: 'Drizzle with mysql2, corrected', module: './drizzle-mysql.js' },
}

/** Loads a contestant into this process. */
function load(name) {
  const servers = { ...POSTGRES_CONTESTANTS, ...LIBSQL_CONTESTANTS, ...MYSQL_CONTESTANTS }
  const all = { ...CONTESTANTS, ...VARIANTS, ...servers, ...ORDER_CONTESTANTS }
  return require(all[name].module)
}

module.exports = {
  CONTESTANTS,
  LIBSQL_CONTESTANTS,
  MYSQL_CONTESTANTS,
  ORDER_CONTESTANTS,
  POSTGRES_CONTESTANTS,
  VARIANTS,
  load,
}
