'use strict'

const { appRefund } = require('../helpers/app')
const { addRows, charge, findings, grant } = require('../helpers/books')
const { staysSound } = require('../helpers/calls')
const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { creditRow, remaining } = require('../helpers/rows')
const { byStorage } = require('../helpers/storage')

TestDatabase.reuse()
staysSound()

/** MySQL's tables store whole seconds. */
const UNIT = byStorage({ sqlite: 1, postgres: 1, mysql: 1000 })
const LATER = new Date(Math.ceil(Date.now() / UNIT) * UNIT + DAY_MS)
const NOTHING = { charges: [], credits: 0, spendable: 0, errors: [] }

/** User `u` has a grant of 50, and a hold of 10 of them. */
async function withHold(fields) {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 50 })
  const hold = await database.credits.consumeCredits({
    userId: 'u',
    credits: 10,
    holdUntil: LATER,
    ...fields,
  })
  return { database, hold, ...database.credits }
}

/** Moves the times of these charges back, as if this much later. */
const pass = (database, ...ids) =>
  Promise.all(
    ids.map((id, at) =>
      database.sql(
        'UPDATE credit SET expires_at = ? WHERE id = ?',
        new Date(Date.now() - (ids.length - at) * 5000),
        id,
      ),
    ),
  )

test('a hold is a charge until it ends', async () => {
  const { database, hold, getBalance, getRemainingCredits, getStatement } = await withHold({
    metadata: { a: 1 },
  })
  expect(hold).toMatchObject({ credits: -10, status: 'active', expiresAt: LATER })
  expect(JSON.parse(hold.metadata)).toEqual({ a: 1, held: true })
  expect(await getBalance('u')).toMatchObject({ credits: 40, held: 10 })
  expect(await getRemainingCredits('u')).toBe(40)
  expect((await getStatement('u')).entries.map(({ type }) => type)).toEqual(['grant', 'charge'])
  expect(await findings(database.credits)).toEqual([])
})

test('holdUntil null or undefined makes no hold', async () => {
  const { consumeCredits, getBalance } = await withHold()
  for (const holdUntil of [null, undefined]) {
    const charge = await consumeCredits({ userId: 'u', credits: 1, holdUntil })
    expect([charge.expiresAt, charge.metadata]).toEqual([null, null])
  }
  expect(await getBalance('u')).toMatchObject({ credits: 38, held: 10 })
})

test('consumeCreditsBatch makes holds too, atomic or not', async () => {
  const { consumeCreditsBatch, getBalance } = await withHold()
  const items = [{ holdUntil: LATER }, {}].map((fields) => ({ userId: 'u', credits: 2, ...fields }))
  await consumeCreditsBatch(items, { atomic: true })
  await consumeCreditsBatch(items)
  expect(await getBalance('u')).toMatchObject({ credits: 32, held: 14 })
})

describe('a hold ends by', () => {
  test.each([
    ['keepCharge', ({ keepCharge }, id) => keepCharge(id), 10],
    ['settleCredits to the same', ({ settleCredits }, id) => settleCredits(id, 10), 10],
    ['settleCredits to less', ({ settleCredits }, id) => settleCredits(id, 6), 6],
    ['settleCredits to more', ({ settleCredits }, id) => settleCredits(id, 15, { over: 'available' }), 15],
  ])('%s', async (_, end, took) => {
    const called = await withHold({ metadata: { a: 1 } })
    const { database, hold, getBalance, releaseHolds } = called
    const ended = await end(called, hold.id)
    expect(ended).toMatchObject({ id: hold.id, credits: -took, status: 'active', expiresAt: null })
    expect(JSON.parse(ended.metadata)).toMatchObject({ a: 1, held: false })
    expect(await getBalance('u')).toMatchObject({ credits: 50 - took, held: 0 })
    expect(await releaseHolds()).toEqual(NOTHING)
    // The second call changes nothing.
    const row = await creditRow(database, hold.id)
    expect(await end(called, hold.id)).toMatchObject({ id: hold.id, credits: -took })
    expect(await creditRow(database, hold.id)).toEqual(row)
  })

  test('a hold after its end can be kept and settled until it is released', async () => {
    const { database, hold, keepCharge, settleCredits, consumeCredits, releaseHolds } = await withHold()
    const other = await consumeCredits({ userId: 'u', credits: 8, holdUntil: LATER })
    await pass(database, hold.id, other.id)
    await keepCharge(hold.id)
    await settleCredits(other.id, 5)
    expect(await releaseHolds()).toEqual(NOTHING)
    expect(await remaining(database)).toEqual({ g: 35 })
  })

  test('a partial refund leaves the rest a hold, which a settlement keeps', async () => {
    const { database, hold, refundCredits, settleCredits, getBalance } = await withHold()
    expect(await refundCredits(hold.id, 4)).toMatchObject({ credits: -6, expiresAt: LATER })
    expect(await getBalance('u')).toMatchObject({ credits: 44, held: 6 })
    const settled = await settleCredits(hold.id, 6)
    expect(settled).toMatchObject({ credits: -6, expiresAt: null, refund: { credits: 0 } })
    expect(await getBalance('u')).toMatchObject({ credits: 44, held: 0 })
    expect(await remaining(database)).toEqual({ g: 44 })
  })

  test('a refunded hold can be neither kept nor settled', async () => {
    const { database, hold, refundCredits, keepCharge, settleCredits, getBalance } = await withHold()
    expect(await refundCredits(hold.id)).toMatchObject({ status: 'deleted', refund: { credits: 10 } })
    expect(await getBalance('u')).toMatchObject({ credits: 50, held: 0 })
    expect(await refusal(database, () => keepCharge(hold.id))).toMatchObject({
      code: 'CHARGE_REFUNDED',
      creditId: hold.id,
      retryable: false,
    })
    expect(await refusal(database, () => settleCredits(hold.id, 5))).toMatchObject({
      code: 'SETTLE_CONFLICT',
    })
  })
})

test('keepCharge of a charge that is not a hold changes nothing, and of a grant or an unknown id it is refused', async () => {
  const { database, keepCharge, consumeCredits } = await withHold()
  const { id } = await consumeCredits({ userId: 'u', credits: 3 })
  const row = await creditRow(database, id)
  expect(await keepCharge(id)).toMatchObject({ id, credits: -3 })
  expect(await creditRow(database, id)).toEqual(row)
  for (const other of ['g', 'nothing']) {
    expect(await refusal(database, () => keepCharge(other))).toMatchObject({ code: 'CHARGE_NOT_FOUND' })
  }
})

test('a hold that a task names stays a hold, and is refunded when the task fails', async () => {
  const { database, hold, createMediaTask, updateMediaTaskById, getBalance, releaseHolds } = await withHold()
  await createMediaTask(task('t', 'u', { creditId: hold.id }), 0)
  expect(await getBalance('u')).toMatchObject({ held: 10 })
  const { refund } = await updateMediaTaskById('t', { status: 'failed' })
  expect(refund.credits).toBe(10)
  await pass(database, hold.id)
  expect(await releaseHolds()).toEqual(NOTHING)
  expect(await getBalance('u')).toMatchObject({ credits: 50, held: 0 })
})

test('a hold with replay is made once, also after its end or its release', async () => {
  const { database, consumeCredits, releaseHolds } = await withHold()
  const call = () =>
    consumeCredits({ userId: 'u', credits: 3, transactionNo: 'k', holdUntil: LATER }, { replay: true })
  const { id } = await call()
  expect(await call()).toMatchObject({ id, replayed: true })
  await pass(database, id)
  await releaseHolds()
  expect(await call()).toMatchObject({ id, status: 'deleted', replayed: true })
  const late = { userId: 'u', credits: 3, transactionNo: 'k', holdUntil: new Date(0) }
  expect(await consumeCredits(late, { replay: true })).toMatchObject({ id, replayed: true })
})

describe('releaseHolds', () => {
  test('returns only holds that have ended, those that ended first before the others', async () => {
    const { database, hold, consumeCredits, releaseHolds, getBalance } = await withHold()
    const more = []
    for (let at = 0; at < 4; at++)
      more.push(await consumeCredits({ userId: 'u', credits: 5, holdUntil: LATER }))
    const over = [more[2], hold, more[0]]
    await pass(database, ...over.map(({ id }) => id))
    const { charges, ...sums } = await releaseHolds({ limit: 2 })
    expect(charges).toEqual(
      over.slice(0, 2).map(({ id, transactionNo, credits }) => ({
        ...{ id, userId: 'u', transactionNo },
        refund: { credits: -credits, spendable: -credits, skipped: [] },
      })),
    )
    expect(sums).toEqual({ credits: 15, spendable: 15, errors: [] })
    expect((await releaseHolds()).charges.map(({ id }) => id)).toEqual([more[0].id])
    expect(await releaseHolds({})).toEqual(NOTHING)
    expect(await getBalance('u')).toMatchObject({ credits: 40, held: 10 })
  })

  test('releases more holds than it reads at once', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 500)
    const { consumeCreditsBatch, releaseHolds, getBalance } = database.credits
    const items = Array.from({ length: 230 }, () => ({ userId: 'u', credits: 1, holdUntil: LATER }))
    const holds = await consumeCreditsBatch(items, { atomic: true })
    await database.sql("UPDATE credit SET expires_at = ? WHERE transaction_type = 'consume'", new Date(9e11))
    const { charges, credits } = await releaseHolds()
    expect(new Set(charges.map(({ id }) => id))).toEqual(new Set(holds.map(({ id }) => id)))
    expect(credits).toBe(230)
    expect(await getBalance('u')).toMatchObject({ credits: 500, held: 0 })
  })

  test('does not release charges of other code that have an end', async () => {
    const { database, hold, keepCharge, releaseHolds, getBalance } = await withHold()
    await keepCharge(hold.id)
    const past = { expires_at: new Date(9e11) }
    await addRows(database, 'credit', [
      grant('h', 10, 2),
      charge('x', 3, [['h', 3]], past),
      charge('y', 3, [['h', 3]], { ...past, metadata: '{"note":"held"}' }),
      charge('z', 2, [['h', 2]], { ...past, metadata: '{"held":"yes"}' }),
    ])
    expect(await releaseHolds()).toEqual(NOTHING)
    expect(await remaining(database)).toEqual({ g: 40, h: 2 })
    expect((await getBalance('u')).credits).toBe(42)
  })

  test('does not release a hold again that the app has refunded by itself', async () => {
    const { database, hold, releaseHolds, getBalance } = await withHold()
    await appRefund(database, hold.id)
    await pass(database, hold.id)
    expect(await releaseHolds()).toEqual(NOTHING)
    expect(await getBalance('u')).toMatchObject({ credits: 50, held: 0 })
    expect(await findings(database.credits)).toEqual([])
  })

  test('reports a hold that can not be returned, and releases the others', async () => {
    const { database, hold, consumeCredits, releaseHolds } = await withHold()
    const other = await consumeCredits({ userId: 'u', credits: 5, holdUntil: LATER })
    await pass(database, hold.id, other.id)
    const { consumed_detail: detail } = await creditRow(database, hold.id)
    const write = (text) => database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', text, hold.id)
    await write('[{"creditId":')
    const { charges, errors } = await releaseHolds()
    expect(charges.map(({ id }) => id)).toEqual([other.id])
    expect(errors).toEqual([
      { id: hold.id, userId: 'u', error: expect.objectContaining({ code: 'CHARGE_CORRUPT' }) },
    ])
    await write(detail)
    expect((await releaseHolds()).charges.map(({ id }) => id)).toEqual([hold.id])
  })

  test('returns a hold to its expired grant, or to a new grant', async () => {
    const { database, hold, consumeCredits, releaseHolds, getRemainingCredits } = await withHold()
    const other = await consumeCredits({ userId: 'u', credits: 5, holdUntil: LATER })
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", new Date(9e11))
    await pass(database, hold.id)
    expect(await releaseHolds()).toMatchObject({ credits: 10, spendable: 0 })
    await pass(database, other.id)
    const { charges, spendable } = await releaseHolds({ refundPolicy: { regrantDays: 3 } })
    expect([charges[0].refund.regranted.credits, spendable]).toEqual([5, 5])
    expect(await getRemainingCredits('u')).toBe(5)
  })

  test('emits an event for each hold that is returned', async () => {
    const { database, hold, releaseHolds, on } = await withHold()
    const told = []
    for (const event of ['charged', 'refunded']) on(event, (what) => told.push([event, what]))
    await pass(database, hold.id)
    await releaseHolds()
    await releaseHolds()
    const what = { userId: 'u', credits: 10, spendable: 10, creditId: hold.id, operation: 'releaseHolds' }
    expect(told).toEqual([['refunded', what]])
  })
})
