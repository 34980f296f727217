'use strict'

/** How sessions begin, wait and end. */

const { connect } = require('../..')
const { TestDatabase } = require('../helpers/database')
const { describeWithOwnServer, describeWithMysql, ownServer } = require('../helpers/mariadb')
const { afterwards, connection, foreignTransaction } = require('../helpers/network')
const { startProxy } = require('../helpers/proxy')

const errorOf = (call) => call.catch((error) => error)

describeWithOwnServer('a session', () => {
  const server = ownServer()

  const aborted = async () => {
    const [row] = await server.admin("SHOW GLOBAL STATUS LIKE 'Aborted_clients'")
    return Object.values(row)[1]
  }

  test('is closed properly, and the server counts no aborted connection', async () => {
    const database = await server.database()
    await database.user('u', 100)
    const before = await aborted()
    for (let at = 0; at < 5; at++) {
      const credits = connect({ url: database.url })
      await credits.consumeCredits({ userId: 'u', credits: 1 })
      await credits.close()
    }
    for (let left = await server.sessions(database); left.length > 1;) left = await server.sessions(database)
    expect(await aborted()).toBe(before)
  })

  test('waits for a table that a migration locks as long as for a row lock', async () => {
    const database = await server.database({ busyTimeoutMs: 1000, maxConnections: 1 })
    await database.user('u', 100)
    const migration = await foreignTransaction(database, 'LOCK TABLES credit WRITE')
    const before = Date.now()
    const error = await errorOf(database.credits.consumeCredits({ userId: 'u', credits: 1 }))
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    expect(Date.now() - before).toBeLessThan(15_000)
    await migration.sql('UNLOCK TABLES')
    await database.credits.consumeCredits({ userId: 'u', credits: 1 })
  })
})

describeWithMysql('of two servers', () => {
  test('the second one is used if the first accepts the connection and then stops answering', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const proxy = await startProxy(database.url)
    afterwards(() => proxy.stop())
    proxy.onClientData = (bytes) => !bytes.includes('SET NAMES')
    const { host } = new URL(database.url)
    const credits = connection(proxy.url.replace(/@([^/]+)/, `@$1,${host}`), { connectTimeoutMs: 4000 })
    expect(await credits.getRemainingCredits('u')).toBe(100)
  })
})
