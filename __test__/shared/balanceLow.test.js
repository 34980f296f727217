'use strict'

const { LowBalances } = require('../../lib/events/low-balances')
const { TestDatabase, task } = require('../helpers/database')
const { atOnce, staysSound } = require('../helpers/calls')
const { until } = require('../helpers/callers')

staysSound()

/** One connection, so that calls are answered in order. Only PostgreSQL needs it. */
const IN_ORDER = { maxConnections: 1 }

/** Waits until all events are emitted: a balance is read once or twice after the last reply. */
async function quiet({ credits }) {
  for (let reads = 0; reads < 5; reads++) await credits.getRemainingCredits('u')
}

/** A user `u` with grants, and the events of each threshold. */
async function watched(grants, thresholds, options = IN_ORDER) {
  const database = await TestDatabase.fresh(options)
  await database.user('u', ...grants)
  const told = []
  for (const below of thresholds) database.credits.on('balance-low', { below }, (event) => told.push(event))
  const charge = (credits) => database.credits.consumeCredits({ userId: 'u', credits })
  return { database, credits: database.credits, told, charge }
}

test('balance-low is emitted when a charge lowers the balance below the threshold, and not again while it stays there', async () => {
  const { database, told, charge } = await watched([25], [20])
  for (const credits of [5, 1, 1, 10]) {
    await charge(credits)
    await quiet(database)
  }
  expect(told).toEqual([{ userId: 'u', balance: 19, below: 20 }])
})

test('balance-low is emitted again after the balance was at the threshold', async () => {
  const { database, credits, told, charge } = await watched([25], [20])
  const { id } = await charge(10)
  await quiet(database)
  await credits.refundCredits(id, 5)
  await charge(1)
  await quiet(database)
  await credits.createCredit({ userId: 'u', credits: 10 })
  await charge(10)
  await until(() => told.length === 3)
  expect(told.map(({ balance }) => balance)).toEqual([15, 19, 19])
})

test('balance-low is emitted when a payment is charged back, and again after the dispute was won', async () => {
  const { database, credits, told, charge } = await watched([5], [20])
  const { id } = await credits.createCredit({ userId: 'u', credits: 20, orderNo: 'order' })
  const charged = []
  credits.on('charged', ({ credits }) => charged.push(credits))
  await credits.revokeGrants({ orderNo: 'order' }, { total: 4, transactionNo: 'refund' })
  await quiet(database)
  expect(told).toEqual([])
  await credits.revokeGrants({ orderNo: 'order' }, { transactionNo: 'dispute' })
  await until(() => told.length === 1)
  await credits.revokeGrants({ orderNo: 'order' }, { transactionNo: 'dispute' })
  await quiet(database)
  expect(await credits.restoreGrants('dispute')).toMatchObject({ revoked: 4, remaining: 16 })
  await charge(2)
  await until(() => told.length === 2)
  await credits.createCredit({ userId: 'u', credits: 10 })
  await credits.extendGrant(id, new Date(Date.now() - 1000))
  await until(() => told.length === 3)
  expect(told.map(({ balance }) => balance)).toEqual([5, 19, 13])
  expect(charged).toEqual([2])
})

test('balance-low is emitted when a renewal writes off more than it grants', async () => {
  const period = { credits: 50, subscriptionNo: 's', expiresAt: new Date(Date.now() + 86_400_000) }
  const { database, credits, told } = await watched([period, 5], [20])
  const renewal = { userId: 'u', subscriptionNo: 's', credits: 10, periodEnd: new Date(4e12) }
  await credits.renewGrants({ ...renewal, transactionNo: 'a', rollover: { atMost: 10 } })
  await quiet(database)
  expect(told).toEqual([])
  const next = { ...renewal, credits: 3, periodEnd: new Date(4.1e12), transactionNo: 'b' }
  await credits.renewGrants({ ...next, rollover: { atMost: 1 } })
  await until(() => told.length === 1)
  expect(await credits.renewGrants({ ...next, rollover: { atMost: 1 } })).toMatchObject({ replayed: true })
  await quiet(database)
  expect(told).toEqual([{ userId: 'u', balance: 9, below: 20 }])
})

test('each threshold has its own balance-low event', async () => {
  const { database, told, charge } = await watched([25], [20, 5, 24])
  await charge(2)
  await quiet(database)
  await charge(20)
  await until(() => told.length === 3)
  expect(told.map(({ balance, below }) => [balance, below])).toEqual([
    [23, 24],
    [3, 20],
    [3, 5],
  ])
})

test('balance-low is emitted for the users of a batch whose balance fell below the threshold', async () => {
  const { database, credits, told } = await watched([10], [8])
  await database.user('v', 10)
  await credits.consumeCreditsBatch(
    ['u', 'v', 'u'].map((userId) => ({ userId, credits: 2 })),
    { atomic: true },
  )
  await until(() => told.length === 1)
  await quiet(database)
  expect(told).toEqual([{ userId: 'u', balance: 6, below: 8 }])
})

test('balance-low is not emitted for a user who stays below the threshold', async () => {
  const { database, credits, told } = await watched([15], [20], {})
  for (let at = 0; at < 5; at++) {
    await atOnce(3, async (number) => {
      await credits.createMediaTask(task(`t${at}-${number}`, 'u'), 5)
      await credits.updateMediaTaskById(`t${at}-${number}`, { status: 'failed' })
    })
  }
  await quiet(database)
  expect(told).toEqual([])
})

test.each([60, 59, 20, 11])(
  '50 concurrent charges from 60 to 10 emit balance-low once for the threshold %i',
  async (below) => {
    const { database, credits, told, charge } = await watched([30, 30], [below], {})
    for (let at = 0; at < 5; at++) {
      await credits.createMediaTask(task(`t${at}`, 'u'), 0)
    }
    for (let round = 1; round <= 3; round++) {
      const settled = await atOnce(50, (at) => {
        if (at % 10 === 0) return credits.chargeMediaTask(`t${at / 10}`, { credits: 1 })
        return at % 3 === 0 ? credits.createMediaTask(task(`r${round}-${at}`, 'u'), 1) : charge(1)
      })
      expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true)
      await until(() => told.length >= round)
      await quiet(database)
      expect(told).toHaveLength(round)
      await credits.createCredit({ userId: 'u', credits: 50 })
    }
  },
)

test('a balance that cannot be read emits no balance-low and causes no error', async () => {
  const { credits, told, charge } = await watched([25], [20])
  const charged = charge(10)
  // By the time of the reply, the connection is closed.
  await credits.close()
  expect((await charged).credits).toBe(-10)
  expect(told).toEqual([])
})

describe('balance-low with late replies and balances that are ahead of them', () => {
  /** Pseudorandom numbers, the same in each run. */
  function random(seed) {
    let state = seed
    return (below) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 16) % below
    }
  }

  /** Charges some users at once. */
  async function run(seed, refunds) {
    const pick = random(seed)
    const users = ['a', 'b', 'c'].map((id) => ({ id, balance: 10 + pick(30), charges: [] }))
    const before = new Map(users.map(({ id, balance }) => [id, balance]))
    const below = 20
    const told = []
    const queue = []
    const balances = new LowBalances({
      readBalance: (userId) => {
        const user = users.find(({ id }) => id === userId)
        // Read at once and delivered later, or read later with everything that was committed meanwhile.
        const early = pick(2) ? user.balance : undefined
        return new Promise((resolve) => queue.push(() => resolve(early ?? user.balance)))
      },
      thresholds: () => [below],
      tell: (event) => told.push(event),
    })
    // Replies of two threads overtake each other.
    const reply = () => queue.splice(pick(Math.min(3, queue.length)), 1)[0]?.()
    const commit = () => {
      const user = users[pick(users.length)]
      // A charge may be refunded, once.
      const gives = refunds && user.charges.length > 0 && pick(2) === 0
      const number = balances.begin(gives)
      const credits = gives ? user.charges.pop() : 1 + pick(3)
      user.balance += gives ? credits : -credits
      const event = gives ? 'refunded' : 'charged'
      queue.push(() => {
        balances.end(number, [{ event, userId: user.id, credits }])
        if (!gives) user.charges.push(credits)
      })
    }
    for (let steps = 0; steps < 60; steps++) {
      if (pick(3)) commit()
      else reply()
      await null
    }
    while (queue.length || balances.size) {
      reply()
      await null
    }
    const of = (user) => told.filter(({ userId }) => userId === user.id).length
    return users.map((user) => ({
      seed,
      told: of(user),
      was: before.get(user.id) >= below,
      is: user.balance >= below,
    }))
  }

  async function runs(refunds) {
    const all = []
    for (let seed = 1; seed <= 300; seed++) all.push(...(await run(seed, refunds)))
    return all
  }

  test('is emitted once for each user below the threshold, and no user stays in memory', async () => {
    const all = await runs(false)
    expect(all.filter(({ told, was, is }) => told !== (was && !is ? 1 : 0))).toEqual([])
    expect(all.filter(({ told }) => told === 1).length).toBeGreaterThan(100)
  })

  test('is not emitted for a user who was below before and is refunded', async () => {
    const all = await runs(true)
    expect(all.filter(({ told, was }) => told > 0 && !was)).toEqual([])
    expect(all.filter(({ was }) => !was).length).toBeGreaterThan(100)
    expect(all.filter(({ told, was, is }) => told === 0 && was && !is)).toEqual([])
    expect(all.filter(({ told }) => told > 0).length).toBeGreaterThan(100)
  })
})
