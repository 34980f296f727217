'use strict'

const { connect } = require('../..')
const { TestDatabase, task, useDisk } = require('../helpers/database')
const { atOnce, counted, inProcesses, staysSound, values } = require('../helpers/calls')
const { start } = require('../helpers/processes')
const { remaining } = require('../helpers/rows')

TestDatabase.reuse()

useDisk()
staysSound()

const ORDER = { orderNo: 'order' }

/** User `u` has an order of 100 credits, and 50 more. */
async function withOrder() {
  const database = await TestDatabase.fresh()
  const expiresAt = new Date(Date.now() + 86_400_000)
  await database.user(
    'u',
    { id: 'own', credits: 100, orderNo: 'order', expiresAt },
    { id: 'other', credits: 50 },
  )
  return database
}

test('of many concurrent revocations with one key on two connections one writes', async () => {
  const database = await withOrder()
  const second = connect({ url: database.url })
  const made = await atOnce(20, (at) =>
    (at % 2 ? second : database.credits).revokeGrants(ORDER, { total: 30, transactionNo: 'r' }),
  )
  await second.close()
  expect(counted(made)).toEqual({ accepted: 1, replayed: 19 })
  for (const { revoked, remaining } of values(made)) expect([revoked, remaining]).toEqual([30, 70])
  expect(await remaining(database)).toMatchObject({ own: 70 })
})

test('concurrent revocations of totals, a dispute and its end keep the invariants while tasks are charged and fail', async () => {
  const database = await withOrder()
  const { createMediaTask, updateMediaTaskById, revokeGrants, restoreGrants } = database.credits
  await Promise.all([1, 2, 3, 4].map((at) => createMediaTask(task(`t${at}`, 'u'), 10)))
  const calls = [
    ...[10, 30, 60, 30, 60].map((total) => () => revokeGrants(ORDER, { total, transactionNo: `r${total}` })),
    () => revokeGrants(ORDER, { transactionNo: 'd', recover: 'available' }),
    () => restoreGrants('d', ORDER),
    () => restoreGrants('d', ORDER),
    ...[1, 2, 3, 4].map((at) => () => updateMediaTaskById(`t${at}`, { status: 'failed' })),
  ]
  const made = await atOnce(calls.length, (at) => calls[at]())
  expect(counted(made).accepted + (counted(made).replayed ?? 0)).toBe(calls.length)
  expect(await restoreGrants('d')).toMatchObject({ revoked: 60, spent: 0, outstanding: 0, remaining: 40 })
  expect(await remaining(database)).toEqual({ own: 40, other: 50 })
})

test('the same revocations by two processes are written once', async () => {
  const database = await withOrder()
  await database.credits.consumeCredits({ userId: 'u', credits: 90 })
  const calls = [20, 60, 40].map((total) => [
    'revokeGrants',
    ORDER,
    { total, transactionNo: `r${total}`, recover: 'available' },
  ])
  const ends = await inProcesses(database, calls, calls)
  const both = ends.flat()
  expect(both.filter((end) => end === 'accepted')).toHaveLength(3)
  expect(both.filter((end) => end === 'replayed')).toHaveLength(3)
  const standing = await database.credits.revokeGrants(ORDER, { total: 60, transactionNo: 'again' })
  expect(standing).toMatchObject({ revoked: 60, outstanding: 0 })
  expect(await database.credits.getRemainingCredits('u')).toBe(0)
})

test('of two processes that end one revocation one restores the grants', async () => {
  const database = await withOrder()
  await database.credits.consumeCredits({ userId: 'u', credits: 120 })
  const dispute = { transactionNo: 'd', recover: 'available' }
  expect(await database.credits.revokeGrants(ORDER, dispute)).toMatchObject({ revoked: 30, outstanding: 70 })
  const calls = [['restoreGrants', 'd']]
  const ends = await inProcesses(database, calls, calls, calls)
  expect(ends.flat().sort()).toEqual(['accepted', 'replayed', 'replayed'])
  expect(await remaining(database)).toMatchObject({ own: 0, other: 30 })
})

test('kill -9 leaves whole revocations, which can be repeated', async () => {
  const database = await withOrder()
  const orders = Array.from({ length: 40 }, (_, at) => `o${at}`)
  await database.user('v', ...orders.map((orderNo) => ({ credits: 10, orderNo })))
  await database.credits.consumeCredits({ userId: 'v', credits: 100 })
  const deliveries = orders.map((orderNo) => [
    'revokeGrants',
    { orderNo },
    { total: 5, transactionNo: orderNo, recover: 'available' },
  ])
  await database.user('gate')
  let replies = 7
  const kill = (_, child) => --replies === 0 && child.kill('SIGKILL')
  await start(
    'caller.js',
    [JSON.stringify({ url: database.url, number: 0, processes: 1, calls: deliveries })],
    kill,
  ).ended
  const made = await Promise.all(deliveries.map(([name, ...args]) => database.credits[name](...args)))
  for (const standing of made) expect(standing).toMatchObject({ revoked: 5, outstanding: 0 })
  expect(await database.credits.getRemainingCredits('v')).toBe(400 - 100 - 200)
})
