'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { Callers, addUsers, until } = require('../helpers/callers')
const { INSERTS, UNAVAILABLE, testInsert, testRefund } = require('../helpers/commits')
const { violations } = require('../helpers/invariants')
const { afterwards, appClient, connection } = require('../helpers/network')
const { describeWithPgBouncer, startPgBouncer } = require('../helpers/pgbouncer')
const { startProxy } = require('../helpers/proxy')

// The pooler stays, and its connection to the server breaks. The client gets an error of severity FATAL, as if
// the server had refused the statement, whether or not the COMMIT was written.

/** A user with two grants of 100, a task that cost 10, and a charge; a connection through PgBouncer, a proxy behind it. */
async function open(options, settings) {
  const database = await TestDatabase.fresh()
  await addUsers(database, 1)
  const proxy = await startProxy(database.url)
  afterwards(() => proxy.stop())
  const pooler = await startPgBouncer(proxy.url, { poolSize: 1, settings })
  afterwards(() => pooler.stop())
  const credits = connection(pooler.url, options)
  await credits.createMediaTask(task('t', 'u0'), 10)
  // A charge without a task, and a grant of the same amount.
  await credits.createCredit({ userId: 'u0', credits: 10 })
  const { id: creditId } = await credits.consumeCredits({ userId: 'u0', credits: 10 })
  return { database, proxy, url: pooler.url, credits, creditId }
}

/** The pooler's only connection, taken by another client until it commits. */
async function takeConnection(url) {
  const client = appClient({ url })
  await client.unsafe('BEGIN; SELECT 1')
  return { giveBack: () => client.unsafe('COMMIT') }
}

describeWithPgBouncer('behind PgBouncer the connection breaks', () => {
  describe.each(INSERTS)('during %s', (_, call, find) => {
    testInsert(open, call, find)
  })

  testRefund(open)

  test('callers get correct answers while the connection breaks again and again', async () => {
    const { database, proxy, credits } = await open({}, { server_login_retry: 1 })
    const users = await addUsers(database, 10, { prefix: 'v' })
    let messages = 0
    // Primes, so that they hit each message of a transaction. A pooler that can't log in waits for seconds.
    const ROUND_TRIPS_OF_A_LOGIN = 3
    proxy.onClientData = (_, connection) => {
      if (connection.roundTrips < ROUND_TRIPS_OF_A_LOGIN) return true
      if (++messages % 23 === 0) connection.kill()
      else if (messages % 29 === 0) connection.loseAnswer()
      return true
    }
    const callers = await new Callers(credits, users).run(8, 12)
    const codes = Object.keys(callers.codes)
    expect(['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']).toEqual(expect.arrayContaining(codes))
    expect(callers.count('created')).toBeGreaterThan(15)
    expect(await callers.untrue(database)).toEqual([])
    expect(await violations(database)).toEqual([])
  })
})

describeWithPgBouncer('PgBouncer has no connection in time (query_wait_timeout)', () => {
  const settings = { query_wait_timeout: 1 }
  const charge = ({ consumeCredits }) => consumeCredits({ userId: 'u0', credits: 5 })

  test('a charge whose connection breaks twice is retryable, and has written nothing', async () => {
    const { database, url, credits } = await open({}, settings)
    const other = await takeConnection(url)
    expect(await refusal(database, () => charge(credits))).toMatchObject(UNAVAILABLE)
    await other.giveBack()
    expect(await charge(credits)).toMatchObject({ credits: -5 })
    expect(await credits.getRemainingCredits('u0')).toBe(185)
  })

  test('a charge whose connection breaks once is repeated', async () => {
    const { url, credits } = await open({}, settings)
    const other = await takeConnection(url)
    const charged = charge(credits)
    await until(async () => (await credits.stats()).retries.lostConnections === 1)
    await other.giveBack()
    expect(await charged).toMatchObject({ credits: -5 })
    expect(await credits.getRemainingCredits('u0')).toBe(185)
  })
})
