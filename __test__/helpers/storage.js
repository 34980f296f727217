'use strict'

/**
 * Which storage a run is about. The same tests run on each; what only one of them can do is registered
 * with `sqlite.test(…)` or `postgres.describe(…)`, and what it says in other words is a `byStorage({ … })`.
 */

/** `sqlite`, `postgres` or `libsql`, as the project in jest.config.js says. */
const STORAGE = globalThis.STORAGE ?? 'sqlite'

const nothing = Object.assign(() => {}, { each: () => nothing, skip: () => {} })

const on = (storage) => (STORAGE === storage ? { describe, test } : { describe: nothing, test: nothing })

/** The value for the storage of this run. A server of libSQL says what SQLite says, unless it has a value of its own. */
const byStorage = (values) => values[STORAGE === 'libsql' && !('libsql' in values) ? 'sqlite' : STORAGE]

module.exports = { STORAGE, byStorage, postgres: on('postgres'), sqlite: on('sqlite') }
