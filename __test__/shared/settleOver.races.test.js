'use strict'

const { connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { atOnce, staysSound } = require('../helpers/calls')
const { evaluate } = require('../helpers/processes')
const { counted } = require('../helpers/rows')

TestDatabase.reuse()
staysSound()

const OVER = { over: 'available' }
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
const sums = (settled, key) => sum(settled.map(({ value }) => value?.[key] ?? 0))

let second
afterEach(() => second?.close())

/** User `u` has this many credits, and charges of 2 with these numbers. Two connections. */
async function withCharges(credits, number) {
  const database = await TestDatabase.fresh()
  await database.user('u', credits)
  const items = Array.from({ length: number }, () => ({ userId: 'u', credits: 2 }))
  const charges = await database.credits.consumeCreditsBatch(items, { atomic: true })
  second = connect({ url: database.url })
  return { database, charges: charges.map(({ id }) => id), both: [database.credits, second] }
}

test('of 20 concurrent settlements to the same larger amount one draws', async () => {
  const { database, charges, both } = await withCharges(12, 1)
  const settled = await atOnce(20, (at) => both[at % 2].settleCredits(charges[0], 15, OVER))
  expect(counted(settled)).toEqual({ accepted: 20 })
  expect([sums(settled, 'collected'), sums(settled, 'uncollected')]).toEqual([10, 60])
  expect(await database.credits.getRemainingCredits('u')).toBe(0)
})

test('20 charges that are settled to more beside new charges never exceed the balance', async () => {
  const { database, charges, both } = await withCharges(100, 20)
  const settling = atOnce(20, (at) => both[at % 2].settleCredits(charges[at], 6, OVER))
  const charging = atOnce(20, (at) => both[at % 2].consumeCredits({ userId: 'u', credits: 3 }))
  const [settled, charged] = await Promise.all([settling, charging])
  expect(counted(settled)).toEqual({ accepted: 20 })
  const { accepted = 0, INSUFFICIENT_CREDITS: refused = 0 } = counted(charged)
  expect(accepted + refused).toBe(20)
  const collected = sums(settled, 'collected')
  expect(collected + sums(settled, 'uncollected')).toBe(80)
  expect(await database.credits.getRemainingCredits('u')).toBe(60 - collected - 3 * accepted)
})

test('a task that is settled to more and fails at the same moment is refunded completely, once', async () => {
  const { database, both } = await withCharges(50, 0)
  await both[0].createMediaTask(task('t', 'u'), 10)
  const outcomes = await atOnce(20, (at) =>
    at % 4 < 2
      ? both[at % 2].settleMediaTask('t', 30, OVER)
      : both[at % 2].updateMediaTaskById('t', { status: 'failed' }),
  )
  const { accepted, SETTLE_CONFLICT: conflicts = 0 } = counted(outcomes)
  expect(accepted + conflicts).toBe(20)
  const back = outcomes.map(({ value }) => value?.refund.credits ?? 0)
  expect(sum(back)).toBe(10 + sums(outcomes, 'collected'))
  expect(await database.credits.getRemainingCredits('u')).toBe(50)
})

const settleAll = (charges, before) => `const left = ${JSON.stringify(charges)}
  const caller = async () => {
    for (let id; (id = left.shift()); ) {
      const { collected, uncollected } = await credits.settleCredits(id, 7, { over: 'available' })
      require('node:fs').writeSync(1, JSON.stringify({ id, collected, uncollected }) + '\\n')
      ${before}
    }
  }
  for (let at = 0; at < 4; at++) caller()`
const told = ({ out }) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('if two processes settle the same charges to more, each charge draws once', async () => {
  const { database, charges } = await withCharges(150, 30)
  const settle = (ids) => evaluate(settleAll(ids, ''), { DATABASE_URL: database.url })
  const ends = await Promise.all([settle(charges), settle([...charges].reverse())])
  const [one, other] = ends.map(told)
  expect([one.length, other.length]).toEqual([30, 30])
  expect(sum([...one, ...other].map(({ collected }) => collected))).toBe(90)
  expect(await database.credits.getRemainingCredits('u')).toBe(0)
  const lacks = (all) => sum(all.map(({ uncollected }) => uncollected))
  expect([lacks(one), lacks(other)]).toEqual([60, 60])
})

test('after kill -9 of a process that settles to more, acknowledged settlements are written, and the rest draws once', async () => {
  const { database, charges, both } = await withCharges(210, 30)
  const kill = `if (left.length < 20) process.kill(process.pid, 'SIGKILL')`
  const end = await evaluate(settleAll(charges, kill), { DATABASE_URL: database.url })
  expect(end.signal).toBe('SIGKILL')
  const done = told(end)
  expect(done.length).toBeGreaterThan(4)
  const again = new Map()
  for (const id of charges) again.set(id, await both[1].settleCredits(id, 7, OVER))
  expect(done.map(({ id }) => again.get(id).collected)).toEqual(done.map(() => 0))
  expect([...again.values()].map(({ credits }) => credits)).toEqual(charges.map(() => -7))
  expect(await database.credits.getRemainingCredits('u')).toBe(0)
})
