'use strict'

/**
 * Who takes part. Each module has `open({ file, durability })`, which resolves to
 * `{ createTask(task), settings(), close() }`.
 *
 * Modules are loaded by path and only in the contestant's own process: two copies of SQLite in one
 * process on one file are unsafe.
 */

const CONTESTANTS = {
  'media-credits': { title: 'media-credits', module: './media-credits.js' },
  'better-sqlite3': { title: 'better-sqlite3, hand-written', module: './better-sqlite3.js' },
  'drizzle-libsql': { title: 'Drizzle with libSQL, corrected', module: './drizzle-libsql.js' },
}

/** Loads a contestant into this process. */
function load(name) {
  return require(CONTESTANTS[name].module)
}

module.exports = { CONTESTANTS, load }
