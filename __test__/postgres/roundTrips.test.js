'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { Callers, addUsers } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { throughProxy } = require('../helpers/network')
const { measured, warm } = require('../helpers/round-trips')

// A hosted database is milliseconds away: the cost of a call there is its round trips.

test.each([
  ['one large grant', [1000]],
  ['fifty small grants', Array(50).fill(1)],
])('a write takes two round trips and a read one: a user with %s', async (_, grants) => {
  const { database, taken, expected, connections } = await measured(...grants)
  expect(taken).toEqual(expected)
  expect(connections).toBe(1)
  expect(await violations(database)).toEqual([])
})

test('a refund to eleven grants takes two round trips', async () => {
  const { database, proxy, credits } = await warm(...Array(50).fill(1))
  await credits.createMediaTask(task('wide', 'u'), 11)
  proxy.resetRoundTrips()
  const failed = await credits.updateMediaTaskById('wide', { status: 'failed' })
  expect(proxy.roundTrips().total).toBe(2)
  expect(failed.refund).toEqual({ credits: 11, spendable: 11, skipped: [] })
  expect(await violations(database)).toEqual([])
})

test('a refund that makes a new grant takes one more round trip', async () => {
  const { database, proxy, credits } = await warm(1000)
  await database.sql('UPDATE credit SET expires_at = ?', new Date(Date.now() - 60_000))
  proxy.resetRoundTrips()
  const policy = { refundPolicy: { regrantDays: 30 } }
  const { refund } = await credits.updateMediaTaskById('t', { status: 'failed' }, policy)
  expect(proxy.roundTrips().total).toBe(3)
  expect(refund).toMatchObject({ credits: 10, spendable: 10, regranted: { credits: 10 } })
  expect(await violations(database)).toEqual([])
})

// Up to 64 grants are selected by number, more by their sum.
test.each([64, 65])('a charge of %i credits draws on as many grants of one credit', async (credits) => {
  const { database, proxy, credits: own } = await warm(...Array(80).fill(1))
  proxy.resetRoundTrips()
  const charge = await own.consumeCredits({ userId: 'u', credits })
  expect(proxy.roundTrips().total).toBe(2)
  expect(JSON.parse(charge.consumedDetail)).toHaveLength(credits)
  expect(await own.getRemainingCredits('u')).toBe(70 - credits)
  expect(await violations(database)).toEqual([])
})

test('a refused guard takes one round trip, and no caller waits for the end of the transaction', async () => {
  const { proxy, credits } = await warm(1000)
  proxy.resetRoundTrips()
  const update = credits.updateMediaTaskById('t', {}, { ifStatus: 'failed' })
  await expect(update).rejects.toMatchObject({ code: 'TASK_STATE_CONFLICT', status: 'pending' })
  expect(proxy.roundTrips().total).toBeLessThanOrEqual(2)
})

test('a refusal leaves the connection usable', async () => {
  const { database, proxy, credits } = await warm(20)
  for (let at = 0; at < 5; at++) {
    const refused = credits.consumeCredits({ userId: 'u', credits: 11 })
    await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 10 })
  }
  expect(await credits.getRemainingCredits('u')).toBe(10)
  expect(proxy.roundTrips().perConnection).toHaveLength(1)
  expect(await violations(database)).toEqual([])
})

test.each([2, 5])('a call waits for its round trips on a network with %i ms each way', async (delayMs) => {
  const database = await TestDatabase.fresh()
  const users = await addUsers(database, 20)
  const { proxy, credits } = await throughProxy(database)
  proxy.delayMs = 2 * delayMs
  const callers = await new Callers(credits, users).run(20, 4)
  expect(callers.codes).toEqual({})
  expect(await callers.untrue(database)).toEqual([])
  expect(await violations(database)).toEqual([])
})
