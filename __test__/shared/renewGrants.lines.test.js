'use strict'

const { TestDatabase, DAY_MS, task } = require('../helpers/database')
const { findings } = require('../helpers/books')
const { staysSound } = require('../helpers/calls')
const { creditRow, remaining } = require('../helpers/rows')

// Periods of subscriptions that replace each other, and other changes of their grants meanwhile.

staysSound()
TestDatabase.reuse()

// Whole seconds, which each database stores.
const NOW = Math.floor(Date.now() / 1000) * 1000
const inDays = (days) => new Date(NOW + days * DAY_MS)
const renewal = (number, subscriptionNo, days, more) => ({
  ...{ userId: 'u', subscriptionNo, id: `p${number}`, credits: 100, transactionNo: `invoice-${number}` },
  ...{ periodEnd: inDays(days), rollover: { atMost: 60 }, ...more },
})

/** User `u` has a first period of the subscription `basic`, of which a task has cost 30, and a top-up. */
async function withPeriod() {
  const database = await TestDatabase.fresh()
  await database.user(
    'u',
    { id: 'p0', credits: 100, subscriptionNo: 'basic', orderNo: 'order', expiresAt: inDays(1) },
    { id: 'top-up', credits: 50, expiresAt: inDays(2) },
  )
  await database.credits.createMediaTask(task('t', 'u'), 30)
  return database
}

const ends = async (database, id) => new Date((await creditRow(database, id)).expires_at).getTime()
const daysOf = async (database, id) => Math.round((await ends(database, id)) - NOW) / DAY_MS

function permutations(items) {
  if (items.length === 0) return [[]]
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  )
}

test('an upgrade, the next period and a late period of the old plan give the same result in any order', async () => {
  const calls = [
    renewal(1, 'basic', 5),
    renewal(2, 'pro', 10, { replaces: 'basic', rollover: { atMost: 120 } }),
    renewal(3, 'pro', 40, { rollover: { atMost: 150 } }),
  ]
  const found = []
  for (const order of permutations(calls)) {
    const database = await withPeriod()
    for (const call of [...order, order[0]]) await database.credits.renewGrants(call)
    const days = {}
    for (const id of ['p0', 'p1', 'p2', 'p3', 'top-up']) days[id] = await daysOf(database, id)
    found.push({ left: await remaining(database), days })
    expect(await findings(database.credits)).toEqual([])
  }
  const expected = {
    left: { p0: 0, p1: 50, p2: 100, p3: 100, 'top-up': 50 },
    days: { p0: 40, p1: 40, p2: 40, p3: 40, 'top-up': 2 },
  }
  expect(found).toEqual(found.map(() => expected))
})

test('a grant that was extended beyond the new end does not change', async () => {
  const database = await withPeriod()
  const { renewGrants, extendGrant } = database.credits
  await renewGrants(renewal(1, 'basic', 30))
  await extendGrant('p0', inDays(90))
  await extendGrant('p1', inDays(45))
  const { rollover } = await renewGrants(renewal(2, 'basic', 60))
  expect(rollover).toEqual({ carried: 60, writtenOff: 40 })
  expect(await remaining(database)).toMatchObject({ p0: 60, p1: 60, p2: 100 })
  expect(await daysOf(database, 'p0')).toBe(90)
  expect(await daysOf(database, 'p1')).toBe(60)
  expect(await renewGrants(renewal(1, 'basic', 30))).toMatchObject({ id: 'p1', replayed: true })
  expect((await renewGrants(renewal(3, 'basic', 91, { rollover: { atMost: 1000 } }))).rollover).toEqual({
    ...{ carried: 220, writtenOff: 0 },
  })
  expect(await findings(database.credits)).toEqual([])
})

test('credits that were written off are not claimed from other grants', async () => {
  const database = await withPeriod()
  const { renewGrants, revokeGrants, updateMediaTaskById } = database.credits
  await renewGrants(renewal(1, 'basic', 30, { rollover: { atMost: 20 } }))
  // Of 100, the task has cost 30, 50 were written off, and 20 are left.
  const revoke = (transactionNo, total) =>
    revokeGrants({ orderNo: 'order' }, { transactionNo, total, recover: 'available' })
  expect(await revoke('part', 60)).toEqual({ revoked: 60, spent: 30, outstanding: 0, remaining: 10 })
  expect(await revoke('all')).toEqual({ revoked: 100, spent: 30, outstanding: 0, remaining: 0 })
  expect(await remaining(database)).toMatchObject({ p0: 10, 'top-up': 20, p1: 100 })
  expect(await findings(database.credits)).toEqual([])
  await updateMediaTaskById('t', { status: 'failed' })
  expect(await remaining(database)).toMatchObject({ p0: 40, 'top-up': 50, p1: 100 })
  expect(await database.credits.getRemainingCredits('u')).toBe(150)
  expect(await findings(database.credits)).toEqual([])
})

test('restored credits expire at the end that the renewal set', async () => {
  const database = await withPeriod()
  const { renewGrants, revokeGrants, restoreGrants, getRemainingCredits } = database.credits
  await revokeGrants({ orderNo: 'order' }, { transactionNo: 'dispute' })
  expect((await renewGrants(renewal(1, 'basic', 30))).rollover).toEqual({ carried: 0, writtenOff: 0 })
  expect(await getRemainingCredits('u')).toBe(150)
  expect(await findings(database.credits)).toEqual([])
  expect(await restoreGrants('dispute')).toEqual({ revoked: 0, spent: 30, outstanding: 0, remaining: 70 })
  expect(await creditRow(database, 'p0')).toMatchObject({ status: 'active', deleted_at: null })
  expect(await daysOf(database, 'p0')).toBe(30)
  expect(await getRemainingCredits('u')).toBe(220)
  expect(await findings(database.credits)).toEqual([])
})
