'use strict'

/** For tests about the server and its network: everything that they start ends after each test. */

const { connect } = require('../..')
const { start } = require('../../scripts/test-postgres')
const { TestDatabase } = require('./database')
const { Store, clientOf, urlOf } = require('./postgres')
const { startProxy } = require('./proxy')
const { byStorage } = require('./storage')

const ends = []

/** Registers an end after the test; the last registered runs first. */
function afterwards(end) {
  ends.push(end)
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Another connection of this package to a URL. */
function connection(url, options) {
  const credits = connect({ url, ...options })
  afterwards(() => credits.close())
  return credits
}

/** A proxy in front of a database's server, and a connection through it. */
async function throughProxy(database, options) {
  const proxy = await startProxy(database.url)
  afterwards(() => proxy.stop())
  return { proxy, credits: connection(proxy.url, options) }
}

/** A client like the app's: one connection, with times as the app's driver sends them. */
function appClient(database) {
  const client = clientOf(database.url)
  afterwards(() => client.end({ timeout: 1 }))
  return client
}

/** A transaction of another client, with statements run in it and open until `commit()`. */
async function foreignTransaction({ store }, ...statements) {
  const other = new store.constructor(store.name, store.url)
  afterwards(() => other.disconnect())
  const run = (...all) => other.query(all.map((statement) => [statement, []]))
  await run('BEGIN', ...statements)
  return { sql: run, commit: () => run('COMMIT') }
}

/** A separate server for this file, which can be stopped and started, and databases on it. */
function ownServer(settings) {
  const own = {}
  let last = 0
  beforeAll(async () => {
    Object.assign(own, await start({ settings }))
    own.admin = clientOf(own.url)
  }, 60_000)
  afterAll(async () => {
    await own.admin?.end({ timeout: 1 })
    await own.stop?.()
  })

  /** A database with the app's tables. */
  own.database = async (options, { where = '' } = {}) => {
    const name = `own_${++last}`
    await own.admin.unsafe(`CREATE DATABASE ${name} ${where}`)
    const store = new Store(name, urlOf(own.url, name))
    store.remove = async () => {
      await store.client?.end({ timeout: 1 })
      await own.admin.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    }
    const database = new TestDatabase(store, options)
    await database.credits.createTables()
    return database
  }
  return own
}

/** Whether a client's message ends a transaction: "READ COMMITTED" begins one. */
const isCommit = byStorage({
  sqlite: undefined,
  postgres: (bytes) => bytes.includes('COMMIT\0'),
  mysql: (bytes) => bytes.includes('\nCOMMIT'),
})

module.exports = {
  isCommit,
  afterwards,
  appClient,
  connection,
  foreignTransaction,
  ownServer,
  throughProxy,
}
