'use strict'

/**
 * Who takes part. Each module has `open({ file, durability })`, or on PostgreSQL `open({ url, poolSize })`,
 * which resolves to `{ createTask(task), settings(), close() }`.
 *
 * Modules are loaded by path and only in the contestant's own process: two copies of SQLite in one
 * process on one file are unsafe.
 */

const CONTESTANTS = {
  'media-credits': { title: 'media-credits', module: './media-credits.js' },
  'better-sqlite3': { title: 'better-sqlite3, hand-written', module: './better-sqlite3.js' },
  'drizzle-libsql': { title: 'Drizzle with libSQL, corrected', module: './drizzle-libsql.js' },
}

const POSTGRES_CONTESTANTS = {
  'media-credits': CONTESTANTS['media-credits'],
  'drizzle-postgres': { title: 'Drizzle with postgres.js, corrected', module: './drizzle-postgres.js' },
}

/** Loads a contestant into this process. */
function load(name) {
  return require({ ...CONTESTANTS, ...POSTGRES_CONTESTANTS }[name].module)
}

module.exports = { CONTESTANTS, POSTGRES_CONTESTANTS, load }
