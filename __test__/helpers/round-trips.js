'use strict'

/** The cost of calls on a server that is milliseconds away: their round trips. */

const { TestDatabase, task } = require('./database')
const { throughProxy } = require('./network')

/** With a delay the proxy sees whether a client waits for the answer to one of several statements. */
const DELAY_MS = 4

/** A user with grants, and an open connection through a proxy that knows the tables. */
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

/** The round trips of each call. Each is made once, in this order. */
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
  ['keepCharge', 2, ({ keepCharge }, charges) => keepCharge(charges.hold)],
  ['a settlement to more', 3, ({ settleCredits }, charges) => settleCredits(charges.hold, 2, OVER)],
  ['refundCredits', 2, async ({ refundCredits }, charges) => refundCredits(charges.consumed)],
  ['a batch', 2, ({ createMediaTasks }) => createMediaTasks(BATCH, { atomic: true })],
  ['listExpiring', 1, ({ listExpiring }) => listExpiring({ within: 1e10 })],
  ['quoteCredits', 1, ({ quoteCredits }) => quoteCredits('u', 5)],
  ['getMediaTaskCharges', 2, ({ getMediaTaskCharges }) => getMediaTaskCharges('new')],
  ['findStuckMediaTasks', 1, ({ findStuckMediaTasks }) => findStuckMediaTasks({ olderThanMs: 1 })],
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

/** The calls with their expected and their real round trips, for a user with such grants; and their database and proxy. */
async function measured(...grants) {
  const { database, proxy, credits } = await warm(...grants)
  const taken = []
  const { id: consumed } = await credits.consumeCredits({ userId: 'u', credits: 1 })
  const holdUntil = new Date(Date.now() + 3_600_000)
  const { id: hold } = await credits.consumeCredits({ userId: 'u', credits: 1, holdUntil })
  for (const [name, , call] of CALLS) {
    proxy.resetRoundTrips()
    await call(credits, { consumed, hold })
    taken.push([name, proxy.roundTrips().total])
  }
  const expected = CALLS.map(([name, most]) => [name, most])
  return { database, taken, expected, connections: proxy.roundTrips().perConnection.length }
}

module.exports = { measured, warm }
