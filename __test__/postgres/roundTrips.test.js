'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { Callers, addUsers } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { throughProxy } = require('../helpers/network')

// A hosted database is milliseconds away: what a call costs there is its round trips.

/** With a delay the proxy also sees whether a client waits for the answer to one of several statements. */
const DELAY_MS = 4

/** A user with grants, and a connection through a proxy that is open and knows the tables. */
async function warm(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants)
  const { proxy, credits } = await throughProxy(database, { maxConnections: 1 })
  await credits.createMediaTask(task('t', 'u'), 10)
  proxy.delayMs = DELAY_MS
  return { database, proxy, credits }
}

const BATCH = [
  { task: task('one', 'u'), costCredits: 2 },
  { task: task('two', 'u'), costCredits: 1 },
]

const OVER = { over: 'available' }

/** What each call takes. Each is made once, in this order. */
const CALLS = [
  ['createMediaTask', 2, ({ createMediaTask }) => createMediaTask(task('new', 'u'), 11)],
  ['createMediaTask without a cost', 2, ({ createMediaTask }) => createMediaTask(task('free', 'u'), 0)],
  ['consumeCredits', 2, ({ consumeCredits }) => consumeCredits({ userId: 'u', credits: 11 })],
  ['createCredit', 2, ({ createCredit }) => createCredit({ userId: 'u', credits: 5 })],
  ['updateMediaTaskById', 2, ({ updateMediaTaskById }) => updateMediaTaskById('t', { progress: 5 })],
  ['a refund', 2, ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' })],
  ['a second refund', 2, ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' })],
  ['a step', 2, ({ chargeMediaTask }) => chargeMediaTask('new', { credits: 3 })],
  ['a settlement', 2, ({ settleMediaTask }) => settleMediaTask('new', 1)],
  ['the same again', 2, ({ settleMediaTask }) => settleMediaTask('new', 1)],
  ['a settlement to more', 3, ({ settleCredits }, { more }) => settleCredits(more, 2, OVER)],
  ['refundCredits', 2, async ({ refundCredits }, charges) => refundCredits(charges.consumed)],
  ['a batch', 2, ({ createMediaTasks }) => createMediaTasks(BATCH, { atomic: true })],
  ['quoteCredits', 1, ({ quoteCredits }) => quoteCredits('u', 5)],
  ['getMediaTaskCharges', 2, ({ getMediaTaskCharges }) => getMediaTaskCharges('new')],
  ['findStuckMediaTasks', 1, ({ findStuckMediaTasks }) => findStuckMediaTasks({ olderThanMs: 1000 })],
  ['getRemainingCredits', 1, ({ getRemainingCredits }) => getRemainingCredits('u')],
  ['getBalance', 1, ({ getBalance }) => getBalance('u')],
  ['getStatement', 2, ({ getStatement }) => getStatement('u')],
  ['an audit of a user', 2, ({ auditLedger }) => auditLedger({ userId: 'u' }).next()],
  ['an audit of all', 3, ({ auditLedger }) => auditLedger().next()],
  ['getCredits', 1, ({ getCredits }) => getCredits({ userId: 'u' })],
  ['getCreditsCount', 1, ({ getCreditsCount }) => getCreditsCount({ userId: 'u' })],
  ['findMediaTaskById', 1, ({ findMediaTaskById }) => findMediaTaskById('t')],
  ['hasActiveMediaTask', 1, ({ hasActiveMediaTask }) => hasActiveMediaTask('u')],
  ['getActiveMediaTasks', 1, ({ getActiveMediaTasks }) => getActiveMediaTasks('u')],
  ['getMediaTaskHistory', 1, ({ getMediaTaskHistory }) => getMediaTaskHistory('u')],
  ['getDiagnostics', 1, ({ getDiagnostics }) => getDiagnostics()],
]

test.each([
  ['one large grant', [1000]],
  ['fifty small grants', Array(50).fill(1)],
])('a write takes two round trips and a read one: a user with %s', async (_, grants) => {
  const { database, proxy, credits } = await warm(...grants)
  const taken = []
  const { id: consumed } = await credits.consumeCredits({ userId: 'u', credits: 1 })
  const { id: more } = await credits.consumeCredits({ userId: 'u', credits: 1 })
  for (const [name, , call] of CALLS) {
    proxy.resetRoundTrips()
    await call(credits, { consumed, more })
    taken.push([name, proxy.roundTrips().total])
  }
  expect(taken).toEqual(CALLS.map(([name, most]) => [name, most]))
  expect(proxy.roundTrips().perConnection).toHaveLength(1)
  expect(await violations(database)).toEqual([])
})

test('a refund gives back to the eleven grants that the charge drew on', async () => {
  const { database, proxy, credits } = await warm(...Array(50).fill(1))
  await credits.createMediaTask(task('wide', 'u'), 11)
  proxy.resetRoundTrips()
  const failed = await credits.updateMediaTaskById('wide', { status: 'failed' })
  expect(proxy.roundTrips().total).toBe(2)
  expect(failed.refund).toEqual({ credits: 11, spendable: 11, skipped: [] })
  expect(await violations(database)).toEqual([])
})

test('a refund that makes a new grant takes one round trip more', async () => {
  const { database, proxy, credits } = await warm(1000)
  await database.sql('UPDATE credit SET expires_at = ?', new Date(Date.now() - 60_000))
  proxy.resetRoundTrips()
  const policy = { refundPolicy: { regrantDays: 30 } }
  const { refund } = await credits.updateMediaTaskById('t', { status: 'failed' }, policy)
  expect(proxy.roundTrips().total).toBe(3)
  expect(refund).toMatchObject({ credits: 10, spendable: 10, regranted: { credits: 10 } })
  expect(await violations(database)).toEqual([])
})

// Up to 64 grants are asked for as such, more by what they cover together.
test.each([64, 65])('a charge of %i credits draws on so many grants of one credit', async (credits) => {
  const { database, proxy, credits: own } = await warm(...Array(80).fill(1))
  proxy.resetRoundTrips()
  const charge = await own.consumeCredits({ userId: 'u', credits })
  expect(proxy.roundTrips().total).toBe(2)
  expect(JSON.parse(charge.consumedDetail)).toHaveLength(credits)
  expect(await own.getRemainingCredits('u')).toBe(70 - credits)
  expect(await violations(database)).toEqual([])
})

test('a guard that does not hold takes one round trip, and no caller waits for the end of the transaction', async () => {
  const { proxy, credits } = await warm(1000)
  proxy.resetRoundTrips()
  const update = credits.updateMediaTaskById('t', {}, { ifStatus: 'failed' })
  await expect(update).rejects.toMatchObject({ code: 'TASK_STATE_CONFLICT', status: 'pending' })
  expect(proxy.roundTrips().total).toBeLessThanOrEqual(2)
})

test('a refusal leaves the connection as it was', async () => {
  const { database, proxy, credits } = await warm(20)
  for (let at = 0; at < 5; at++) {
    const refused = credits.consumeCredits({ userId: 'u', credits: 11 })
    await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 10 })
  }
  expect(await credits.getRemainingCredits('u')).toBe(10)
  expect(proxy.roundTrips().perConnection).toHaveLength(1)
  expect(await violations(database)).toEqual([])
})

test.each([2, 5])('a network that takes %i ms each way', async (delayMs) => {
  const database = await TestDatabase.fresh()
  const users = await addUsers(database, 20)
  const { proxy, credits } = await throughProxy(database)
  proxy.delayMs = 2 * delayMs
  const callers = await new Callers(credits, users).run(20, 4)
  expect(callers.codes).toEqual({})
  expect(await callers.untrue(database)).toEqual([])
  expect(await violations(database)).toEqual([])
})
