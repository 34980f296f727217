'use strict'

const { nothing } = require('./describe')

/**
 * The storage of a run. The same tests run on each; a test for one storage is registered
 * with `sqlite.test(…)`, `postgres.describe(…)` or `mysql.test(…)`, and a value that differs is a `byStorage({ … })`.
 */

/** `sqlite`, `postgres`, `libsql` or `mysql`, from the project in jest.config.js. */
const STORAGE = globalThis.STORAGE ?? 'sqlite'

const registered = (isHere) => (isHere ? { describe, test } : { describe: nothing, test: nothing })
const on = (...storages) => registered(storages.includes(STORAGE))
/** Registers tests for all other storages. */
const except = (storage) => registered(STORAGE !== storage)

/** The storage whose value is used if a storage has none. */
const LIKE = { libsql: 'sqlite', mysql: 'postgres' }

/** The value for the storage of this run. */
const byStorage = (values) => values[STORAGE in values ? STORAGE : LIKE[STORAGE]]

module.exports = {
  STORAGE,
  byStorage,
  except,
  mysql: on('mysql'),
  /** Those whose transactions hold a connection of a pool. */
  pooled: on('postgres', 'mysql'),
  postgres: on('postgres'),
  sqlite: on('sqlite'),
}
