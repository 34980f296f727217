'use strict'

/**
 * Which storage a run is about. The same tests run on each; what only one of them can do is registered
 * with `sqlite.test(…)`, `postgres.describe(…)` or `mysql.test(…)`, and what it says in other words is a `byStorage({ … })`.
 */

/** `sqlite`, `postgres`, `libsql` or `mysql`, as the project in jest.config.js says. */
const STORAGE = globalThis.STORAGE ?? 'sqlite'

const nothing = Object.assign(() => {}, { each: () => nothing, skip: () => {} })

const registered = (isHere) => (isHere ? { describe, test } : { describe: nothing, test: nothing })
const on = (...storages) => registered(storages.includes(STORAGE))
/** What all others can do. */
const except = (storage) => registered(STORAGE !== storage)

/** What says the same as another, unless it has a value of its own. */
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
