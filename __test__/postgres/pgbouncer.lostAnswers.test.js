'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { Callers, addUsers, until } = require('../helpers/callers')
const { INSERTS, UNAVAILABLE, testInsert, testRefund } = require('../helpers/commits')
const { violations } = require('../helpers/invariants')
const { afterwards, appClient, connection } = require('../helpers/network')
const { describeWithPgBouncer, startPgBouncer } = require('../helpers/pgbouncer')
const { startProxy } = require('../helpers/proxy')

// The pooler stays, and the connection behind it breaks. The client is told so by an error of severity FATAL, as if
// the server had refused something, whatever became of the COMMIT.

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
  // A charge of no task yet, which leaves the balance as it was.
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

  test('again and again, wherever it is: what callers are told is true', async () => {
    const { database, proxy, credits } = await open({}, { server_login_retry: 1 })
    const users = await addUsers(database, 10, { prefix: 'v' })
    let messages = 0
    // Primes, so that they meet each of a transaction's messages. A pooler that can't log in waits for seconds.
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

  test('a charge that meets it twice can be tried again, and has written nothing', async () => {
    const { database, url, credits } = await open({}, settings)
    const other = await takeConnection(url)
    expect(await refusal(database, () => charge(credits))).toMatchObject(UNAVAILABLE)
    await other.giveBack()
    expect(await charge(credits)).toMatchObject({ credits: -5 })
    expect(await credits.getRemainingCredits('u0')).toBe(185)
  })

  test('a charge that meets it once is tried again', async () => {
    const { url, credits } = await open({}, settings)
    const other = await takeConnection(url)
    const charged = charge(credits)
    await until(async () => (await credits.stats()).retries.lostConnections === 1)
    await other.giveBack()
    expect(await charged).toMatchObject({ credits: -5 })
    expect(await credits.getRemainingCredits('u0')).toBe(185)
  })
})
