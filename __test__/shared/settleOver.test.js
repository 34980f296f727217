'use strict'

const { TestDatabase, aiTask, refusal, task, DAY_MS } = require('../helpers/database')
const { appRefund } = require('../helpers/app')
const { findings } = require('../helpers/books')
const { staysSound } = require('../helpers/calls')
const { creditRow, draws, remaining } = require('../helpers/rows')

TestDatabase.reuse()
staysSound()

const NOTHING = { credits: 0, spendable: 0, skipped: [] }
const OVER = { over: 'available' }

/** User `u` has grants `a`, `b`, `c`, drawn on in this order, and a charge of 10 of them: 4, 3 and 3. */
async function withCharge(left = 5) {
  const database = await TestDatabase.fresh()
  const expiresAt = new Date(Date.now() + DAY_MS)
  await database.user(
    'u',
    { id: 'a', credits: 4, expiresAt },
    { id: 'b', credits: 3 },
    { id: 'c', credits: 3 + left },
  )
  const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 10 })
  return { database, charge: id, ...database.credits }
}

/** The items of a charge, which must have the form of the app's. */
async function items(database, chargeId) {
  const { credits, consumed_detail: detail } = await creditRow(database, chargeId)
  const written = JSON.parse(detail)
  let toConsume = -credits
  for (const [at, item] of written.entries()) {
    expect(item).toMatchObject({ creditsToConsume: toConsume, batchSize: 1000, batchNo: at + 1 })
    expect(item.creditsAfter).toBe(item.creditsBefore - item.creditsConsumed)
    toConsume -= item.creditsConsumed
  }
  expect(toConsume).toBe(0)
  return draws(database, chargeId)
}

test.each([
  // credits; the final draws, what is left; collected, uncollected
  [11, [['c', 1]], 4, { collected: 1, uncollected: 0 }],
  [15, [['c', 5]], 0, { collected: 5, uncollected: 0 }],
  [18, [['c', 5]], 0, { collected: 5, uncollected: 3 }],
  [2_147_483_647, [['c', 5]], 0, { collected: 5, uncollected: 2_147_483_632 }],
])(
  'a charge of 10 that is settled to %d draws the difference up to the balance',
  async (credits, more, left, moved) => {
    const { database, charge, settleCredits, getRemainingCredits } = await withCharge()
    const settled = await settleCredits(charge, credits, OVER)
    const [took, uncollected] = [10 + moved.collected, moved.uncollected]
    expect(settled).toMatchObject({ credits: -took, refund: NOTHING, ...moved })
    expect(await items(database, charge)).toEqual([['a', 4], ['b', 3], ['c', 3], ...more])
    const said = { charged: 10, credits: took, ...(uncollected && { uncollected }) }
    expect(JSON.parse(settled.metadata)).toEqual({ settled: said })
    expect(await getRemainingCredits('u')).toBe(left)
  },
)

test('a settlement to more draws nothing from an empty balance, and returns it as uncollected', async () => {
  const { database, charge, settleCredits, createCredit } = await withCharge(0)
  const settled = await settleCredits(charge, 12, OVER)
  expect(settled).toMatchObject({ credits: -10, collected: 0, uncollected: 2 })
  await createCredit({ userId: 'u', credits: 50 })
  // The same settlement changes nothing again, also with a new balance.
  const row = await creditRow(database, charge)
  expect(await settleCredits(charge, 12, OVER)).toEqual(settled)
  expect(await settleCredits(charge, 12)).toEqual(settled)
  expect(await creditRow(database, charge)).toEqual(row)
})

test('a settlement to more draws on later grants in draw order', async () => {
  const { database, charge, settleCredits, createCredit } = await withCharge()
  const expiresAt = new Date(Date.now() + 2 * DAY_MS)
  await createCredit({ id: 'd', userId: 'u', credits: 2, expiresAt, transactionScene: 'gift' })
  await createCredit({ id: 'e', userId: 'u', credits: 2, expiresAt: new Date(Date.now() - DAY_MS) })
  await settleCredits(charge, 15, OVER)
  expect((await items(database, charge)).slice(3)).toEqual([
    ['d', 2],
    ['c', 3],
  ])
  expect(await remaining(database)).toEqual({ a: 0, b: 0, c: 2, d: 0, e: 2 })
})

test('a settlement to more without over, or with refuse, is refused', async () => {
  const { database, charge, settleCredits } = await withCharge()
  for (const options of [undefined, {}, { over: undefined }, { over: null }, { over: 'refuse' }]) {
    const error = await refusal(database, () => settleCredits(charge, 11, options))
    expect(error).toMatchObject({ code: 'SETTLE_EXCEEDS_CHARGE', charged: 10, requested: 11 })
  }
})

test('a settlement to less with over returns the difference', async () => {
  const { database, charge, settleCredits } = await withCharge()
  const refund = { credits: 4, spendable: 4, skipped: [] }
  expect(await settleCredits(charge, 6, OVER)).toMatchObject({ refund, collected: 0, uncollected: 0 })
  expect(await settleCredits(charge, 6)).toMatchObject({ refund: NOTHING, collected: 0, uncollected: 0 })
  const error = await refusal(database, () => settleCredits(charge, 12, OVER))
  expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', settled: 6, requested: 12 })
})

test('a second settlement to another amount is a conflict, also to the collected one', async () => {
  const { database, charge, settleCredits } = await withCharge()
  await settleCredits(charge, 18, OVER)
  for (const credits of [0, 6, 10, 15, 17, 19]) {
    const error = await refusal(database, () => settleCredits(charge, credits, OVER))
    expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', settled: 18, requested: credits })
  }
})

test('a refunded charge draws nothing more', async () => {
  const { database, charge, settleCredits, refundCredits } = await withCharge()
  await refundCredits(charge)
  const error = await refusal(database, () => settleCredits(charge, 12, OVER))
  expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', settled: 0, requested: 12 })
})

test('a settlement to more of an unknown charge, a grant or unreadable draws is refused', async () => {
  const { database, charge, settleCredits } = await withCharge()
  for (const id of ['nothing', 'a']) {
    const error = await refusal(database, () => settleCredits(id, 12, OVER))
    expect(error).toMatchObject({ code: 'CHARGE_NOT_FOUND', creditId: id })
  }
  const { consumed_detail: detail } = await creditRow(database, charge)
  const write = (text) => database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', text, charge)
  await write('[]')
  const error = await refusal(database, () => settleCredits(charge, 12, OVER))
  expect(error).toMatchObject({ code: 'CHARGE_CORRUPT', creditId: charge })
  await write(detail)
})

describe.each([
  ['refundCredits', ({ refundCredits }, charge) => refundCredits(charge)],
  ["the app's own code", ({ database }, charge) => appRefund(database, charge)],
])('%s refunds the whole charge', (_, refund) => {
  test.each([15, 18])('after a settlement to %d', async (credits) => {
    const called = await withCharge()
    const { database, charge, settleCredits, getRemainingCredits } = called
    await settleCredits(charge, credits, OVER)
    await refund(called, charge)
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 8 })
    expect(await getRemainingCredits('u')).toBe(15)
    const { status } = await creditRow(database, charge)
    expect(status).toBe('deleted')
  })
})

test('the statement of a charge settled to more has both entries, and the audit finds nothing', async () => {
  const { database, charge, settleCredits, refundCredits, getStatement } = await withCharge()
  const of = async () =>
    (await getStatement('u')).entries.map(({ type, credits }) => [type, credits]).slice(3)
  await settleCredits(charge, 18, OVER)
  expect(await of()).toEqual([
    ['charge', -10],
    ['settlement', -5],
  ])
  expect(await findings(database.credits)).toEqual([])
  await refundCredits(charge)
  const entries = await of()
  expect(entries.map(([type]) => type).sort()).toEqual(['charge', 'refund', 'settlement'])
  expect(entries.reduce((sum, [, credits]) => sum + credits, 0)).toBe(0)
})

test.each([
  ['MediaTask', (credits) => credits.createMediaTask(task('t', 'u'), 10)],
  ['AITask', (credits) => credits.createAITask(aiTask('t', 'u', { costCredits: 10 }))],
])('settle%s can settle a task to more', async (kind, create) => {
  const database = await TestDatabase.fresh()
  await database.user('u', 15)
  const { creditId } = await create(database.credits)
  const settle = database.credits[`settle${kind}`]
  const settled = await settle('t', 18, OVER)
  expect(settled).toMatchObject({ id: creditId, credits: -15, collected: 5, uncollected: 3 })
  expect(await settle('t', 18, OVER)).toEqual({ ...settled, collected: 0 })
  expect(await settle('nothing', 18, OVER)).toBeUndefined()
  const { refund } = await database.credits[`update${kind}ById`]('t', { status: 'failed' })
  expect(refund).toEqual({ credits: 15, spendable: 15, skipped: [] })
})

test('a charge with replay that was settled to more is identified by its first amount', async () => {
  const { settleCredits, consumeCredits, createCredit } = await withCharge()
  await createCredit({ userId: 'u', credits: 50 })
  const made = () => consumeCredits({ userId: 'u', credits: 4, transactionNo: 'k' }, { replay: true })
  const { id } = await made()
  await settleCredits(id, 9, OVER)
  expect(await made()).toMatchObject({ id, credits: -9, replayed: true })
})

test('a settlement to more emits the additional draw once', async () => {
  const { charge, on, settleCredits } = await withCharge()
  const told = []
  for (const event of ['charged', 'refunded']) on(event, (what) => told.push([event, what]))
  await settleCredits(charge, 18, OVER)
  await settleCredits(charge, 18, OVER)
  const what = { userId: 'u', credits: 5, creditId: charge, operation: 'settleCredits' }
  expect(told).toEqual([['charged', what]])
})
