'use strict'

/** For tests of MySQL only: their own servers. */

const { start } = require('../../scripts/mariadb')
const { TestDatabase } = require('./database')
const {
  Store,
  describeWithMariadb,
  describeWithMysql,
  describeWithMysqlItself,
  describeWithOwnServer,
  endClients,
} = require('./mysql')

/**
 * For a file or a `describe`: a server with more settings, which can be stopped and started, and databases on it. `prepare` is
 * called when it runs.
 */
function ownServer(settings, prepare = () => {}) {
  const own = {}
  beforeAll(async () => {
    const server = await start({ settings })
    Object.defineProperties(own, Object.getOwnPropertyDescriptors(server))
    await prepare(own)
  }, 60_000)
  afterAll(async () => {
    await endClients(own.url, own.adminUrl)
    await own.stop?.()
  })

  /** A database with the app's tables. */
  own.database = async (options, made) => new TestDatabase(await Store.on(own, 'app', made), options)

  /** Runs statements as a user with all privileges. */
  own.admin = (sql) => new Store('', own.url, own.adminUrl).admin(sql)

  /** Forgets its clients, which have ended with it. */
  own.forget = () => endClients(own.url, own.adminUrl)

  /** The ids of the sessions on a database, except that of the test. */
  own.sessions = async ({ store }) => {
    const { threadId } = await store.connected()
    const rows = await own.admin(
      `SELECT id AS id FROM information_schema.processlist WHERE db = '${store.name}'`,
    )
    return rows.map(({ id }) => id).filter((id) => id !== threadId)
  }
  return own
}

module.exports = {
  describeWithMariadb,
  describeWithMysql,
  describeWithMysqlItself,
  describeWithOwnServer,
  ownServer,
}
