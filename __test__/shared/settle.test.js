'use strict'

const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow, draws, remaining } = require('../helpers/rows')

TestDatabase.reuse()

const NOTHING = { credits: 0, spendable: 0, skipped: [] }
const HOUR_AGO = new Date(Date.now() - 3_600_000)

/** User `u` has grants `a`, `b`, `c`, drawn on in this order, and a task `t` that cost 10 of them: 4, 3 and 3. */
async function withTask(options) {
  const database = await TestDatabase.fresh(options)
  await database.user(
    'u',
    { id: 'a', credits: 4, expiresAt: new Date(Date.now() + DAY_MS) },
    { id: 'b', credits: 3 },
    { id: 'c', credits: 50, expiresAt: null },
  )
  const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 10)
  expect(await draws(database, creditId)).toEqual([
    ['a', 4],
    ['b', 3],
    ['c', 3],
  ])
  const { settleMediaTask, refundCredits, updateMediaTaskById } = database.credits
  return { database, settle: settleMediaTask, refundCredits, update: updateMediaTaskById, charge: creditId }
}

/** Checks after each settlement that the invariants hold, and each item of the charge adds up. */
async function isWhole(database, chargeId) {
  expect(await violations(database)).toEqual([])
  const { credits, status, consumed_detail: detail } = await creditRow(database, chargeId)
  let toConsume = -credits
  for (const item of JSON.parse(detail)) {
    expect(item.creditsToConsume).toBe(toConsume)
    expect(item.creditsAfter).toBe(item.creditsBefore - item.creditsConsumed)
    expect(item.creditsConsumed).toBeGreaterThan(0)
    toConsume -= item.creditsConsumed
  }
  expect({ status, left: toConsume }).toEqual({ status, left: 0 })
}

describe('settleMediaTask returns the difference, last drawn first:', () => {
  test.each([
    // final credits; what is left of the grants, the final draws
    [10, { a: 0, b: 0, c: 47 }, { a: 4, b: 3, c: 3 }],
    [9, { a: 0, b: 0, c: 48 }, { a: 4, b: 3, c: 2 }],
    [7, { a: 0, b: 0, c: 50 }, { a: 4, b: 3 }],
    [6, { a: 0, b: 1, c: 50 }, { a: 4, b: 2 }],
    [4, { a: 0, b: 3, c: 50 }, { a: 4 }],
    [1, { a: 3, b: 3, c: 50 }, { a: 1 }],
  ])('settleMediaTask to %d of 10 gives the difference back', async (credits, left, drawn) => {
    const { database, settle, charge } = await withTask()
    const { refund } = await settle('t', credits)
    expect(refund).toEqual({ credits: 10 - credits, spendable: 10 - credits, skipped: [] })
    expect(await remaining(database)).toEqual(left)
    expect(await draws(database, charge)).toEqual(Object.entries(drawn))
    expect(await database.credits.getRemainingCredits('u')).toBe(57 - credits)
    await isWhole(database, charge)
  })

  test('settleMediaTask returns the difference to 25 grants', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', ...Array(25).fill(4))
    const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 98)
    const { refund } = await database.credits.settleMediaTask('t', 43)
    expect(refund).toEqual({ credits: 55, spendable: 55, skipped: [] })
    expect((await draws(database, creditId)).map(([, credits]) => credits)).toEqual([...Array(10).fill(4), 3])
    await isWhole(database, creditId)
  })

  test('settleMediaTask accepts a bigint', async () => {
    const { database, settle, charge } = await withTask()
    expect((await settle('t', 6n)).refund.credits).toBe(4)
    await isWhole(database, charge)
  })
})

describe('settleMediaTask', () => {
  test('writes the real cost into the charge, and returns the charge', async () => {
    const { database, settle, charge } = await withTask()
    const before = await creditRow(database, charge)
    const [a, b] = JSON.parse(before.consumed_detail)
    const { refund, collected, uncollected, ...returned } = await settle('t', 6)
    const { consumed_detail: detail, metadata, ...row } = await creditRow(database, charge)
    const { consumed_detail: _, metadata: oldMetadata, ...oldRow } = before
    expect(row).toEqual({ ...oldRow, credits: -6, updated_at: expect.any(Number) })
    expect(JSON.parse(detail)).toEqual([
      { ...a, creditsToConsume: 6, creditsConsumed: 4, creditsBefore: 4, creditsAfter: 0, batchNo: 1 },
      { ...b, creditsToConsume: 2, creditsConsumed: 2, creditsBefore: 3, creditsAfter: 1, batchNo: 2 },
    ])
    expect(JSON.parse(metadata)).toEqual({ ...JSON.parse(oldMetadata), settled: { charged: 10, credits: 6 } })
    expect([refund.credits, collected, uncollected]).toEqual([4, 0, 0])
    const [found] = await database.credits.getCredits({ transactionType: 'consume' })
    expect(returned).toEqual(found)
    expect(await violations(database)).toEqual([])
  })

  test('to 0 is a refund: it marks the charge, and does not change its credits', async () => {
    const { database, settle, charge } = await withTask()
    const before = await creditRow(database, charge)
    const { refund, status } = await settle('t', 0)
    expect({ refund, status }).toEqual({
      refund: { credits: 10, spendable: 10, skipped: [] },
      status: 'deleted',
    })
    const { metadata, ...row } = await creditRow(database, charge)
    const { metadata: oldMetadata, ...oldRow } = before
    expect(row).toEqual({ ...oldRow, status: 'deleted', updated_at: expect.any(Number) })
    expect(JSON.parse(metadata)).toMatchObject(JSON.parse(oldMetadata))
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('does not change the task', async () => {
    const { database, settle } = await withTask()
    const before = await database.credits.findMediaTaskById('t')
    await settle('t', 6)
    expect(await database.credits.findMediaTaskById('t')).toEqual(before)
    expect(await violations(database)).toEqual([])
  })

  test.each([10, 6, 1, 0])('to %d twice changes nothing the second time', async (credits) => {
    const { database, settle, charge } = await withTask()
    const { refund: _, ...first } = await settle('t', credits)
    const before = await database.everything()
    expect(await settle('t', credits)).toEqual({ ...first, refund: NOTHING })
    expect(await database.everything()).toEqual(before)
    expect(await violations(database)).toEqual([])
    expect((await creditRow(database, charge)).status).toBe(credits === 0 ? 'deleted' : 'active')
  })

  test.each([
    [6, 5],
    [6, 7],
    [6, 10],
    [6, 0],
    [10, 9],
    [0, 1],
    [0, 10],
  ])('to %d and then to %d is a conflict', async (first, then) => {
    const { database, settle, charge } = await withTask()
    await settle('t', first)
    const error = await refusal(database, () => settle('t', then))
    expect(error).toMatchObject({
      code: 'SETTLE_CONFLICT',
      creditId: charge,
      settled: first,
      requested: then,
    })
    expect(error.retryable).toBe(false)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['that was not settled', []],
    ['that was settled to 6', [6]],
    ['that was settled to 0', [0]],
  ])('to more than was charged is refused, of a charge %s', async (_, settled) => {
    const { database, settle, charge } = await withTask()
    for (const credits of settled) await settle('t', credits)
    for (const requested of [11, 2_147_483_647]) {
      const error = await refusal(database, () => settle('t', requested))
      expect(error).toMatchObject({ code: 'SETTLE_EXCEEDS_CHARGE', creditId: charge, charged: 10, requested })
    }
  })

  test('returns undefined and writes nothing for a task that does not exist', async () => {
    const { database, settle } = await withTask()
    const before = await database.everything()
    for (const credits of [0, 6, 100]) expect(await settle('no task', credits)).toBeUndefined()
    expect(await database.everything()).toEqual(before)
  })

  test.each([
    ['costs nothing', null],
    ['names a deleted charge', 'nothing'],
    ['names a grant', 'a'],
  ])('refuses a task that %s', async (_, creditId) => {
    const { database, settle } = await withTask()
    await database.sql('UPDATE media_tasks SET credit_id = ?', creditId)
    for (const credits of [0, 6]) {
      const error = await refusal(database, () => settle('t', credits))
      expect(error).toMatchObject({ code: 'CHARGE_NOT_FOUND', retryable: false })
      if (creditId) expect(error.creditId).toBe(creditId)
    }
  })

  test("refuses another user's charge", async () => {
    const { database, settle } = await withTask()
    await database.user('v', 50)
    const { id } = await database.credits.consumeCredits({ userId: 'v', credits: 10 })
    await database.sql('UPDATE media_tasks SET credit_id = ?', id)
    for (const credits of [0, 6]) {
      const error = await refusal(database, () => settle('t', credits))
      expect(error).toMatchObject({ code: 'CHARGE_OWNER_MISMATCH', creditId: id })
    }
  })

  test.each([
    ['has expired', 'expires_at = ?', HOUR_AGO],
    ['was marked expired', 'status = ?', 'expired'],
  ])('what goes back to a grant that %s is not spendable', async (_, change, value) => {
    const { database, settle, charge } = await withTask()
    await database.sql(`UPDATE credit SET ${change} WHERE id = 'b'`, value)
    expect((await settle('t', 5)).refund).toEqual({ credits: 5, spendable: 3, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 0, b: 2, c: 50 })
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
    await isWhole(database, charge)
  })

  test('skips a deleted grant, and one that is full', async () => {
    const { database, settle } = await withTask()
    await database.run(
      "DELETE FROM credit WHERE id = 'b'",
      "UPDATE credit SET remaining_credits = 49 WHERE id = 'c'",
    )
    const { refund, credits } = await settle('t', 2)
    expect(credits).toBe(-2)
    expect(refund).toMatchObject({ credits: 3, spendable: 3 })
    expect(refund.skipped).toHaveLength(2)
    expect(refund.skipped).toEqual(
      expect.arrayContaining([
        { creditId: 'b', credits: 3, reason: 'grant-not-found' },
        { creditId: 'c', credits: 2, reason: 'grant-full' },
      ]),
    )
    expect(await remaining(database)).toEqual({ a: 2, c: 50 })
  })
})

describe('a task that is settled', () => {
  test.each([10, 6, 1])('to %d and fails later is refunded the rest', async (credits) => {
    const { database, settle, update, charge } = await withTask()
    await settle('t', credits)
    const { refund } = await update('t', { status: 'failed' })
    expect(refund).toEqual({ credits, spendable: credits, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect((await creditRow(database, charge)).status).toBe('deleted')
    expect((await update('t', { status: 'failed' })).refund).toEqual(NOTHING)
    expect(await violations(database)).toEqual([])
  })

  test('and failed can not be settled again: the same amount and 0 change nothing', async () => {
    const { database, settle, update, charge } = await withTask()
    await settle('t', 6)
    await update('t', { status: 'failed' })
    const before = await database.everything()
    for (const credits of [0, 6]) expect((await settle('t', credits)).refund).toEqual(NOTHING)
    expect(await database.everything()).toEqual(before)
    const error = await refusal(database, () => settle('t', 5))
    expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', creditId: charge, settled: 0, requested: 5 })
  })

  test('can be delivered, but not after a settlement to 0', async () => {
    const { database, settle, update, charge } = await withTask()
    await settle('t', 6)
    expect(await update('t', { status: 'completed' })).toMatchObject({ status: 'completed' })
    await database.credits.refundCredits(charge)
    const error = await refusal(database, () => update('t', { status: 'completed' }))
    expect(error).toMatchObject({ code: 'TASK_REFUNDED', taskId: 't', creditId: charge })
    expect(await update('t', { status: 'extracted' }, { allowRefunded: true })).toMatchObject({
      status: 'extracted',
    })
    expect(await violations(database)).toEqual([])
  })
})

describe('a task that has failed', () => {
  test('has nothing to settle: 0 changes nothing, other amounts are a conflict', async () => {
    const { database, settle, update, charge } = await withTask()
    await update('t', { status: 'failed' })
    const before = await database.everything()
    expect((await settle('t', 0)).refund).toEqual(NOTHING)
    expect(await database.everything()).toEqual(before)
    for (const requested of [1, 10]) {
      const error = await refusal(database, () => settle('t', requested))
      expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', creditId: charge, settled: 0, requested })
    }
    expect(await violations(database)).toEqual([])
  })
})

describe('refundCredits', () => {
  test('refunds a whole charge', async () => {
    const { database, refundCredits, charge } = await withTask()
    const { refund, ...row } = await refundCredits(charge)
    expect(refund).toEqual({ credits: 10, spendable: 10, skipped: [] })
    expect(row).toMatchObject({ id: charge, credits: -10, status: 'deleted' })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('refunds a part, last drawn first', async () => {
    const { database, refundCredits, charge } = await withTask()
    const { refund, ...row } = await refundCredits(charge, 4)
    expect(refund).toEqual({ credits: 4, spendable: 4, skipped: [] })
    expect(row).toMatchObject({ id: charge, credits: -6, status: 'active' })
    expect(JSON.parse(row.metadata)).toMatchObject({ taskId: 't', settled: { charged: 10, credits: 6 } })
    expect(await remaining(database)).toEqual({ a: 0, b: 1, c: 50 })
    await isWhole(database, charge)
  })

  test.each([
    ['all', [], []],
    ['a part', [4], [4]],
    ['as much as was charged', [10], [10]],
    ['as much as was charged, and then all', [10], []],
    ['all, and then as much as was charged', [], [10]],
  ])('of %s, twice, gives back once', async (_, first, then) => {
    const { database, refundCredits, charge } = await withTask()
    const { refund: _refund, ...row } = await refundCredits(charge, ...first)
    const before = await database.everything()
    expect(await refundCredits(charge, ...then)).toEqual({ ...row, refund: NOTHING })
    expect(await database.everything()).toEqual(before)
    expect(await violations(database)).toEqual([])
  })

  test('refunds the rest after a part', async () => {
    const { database, refundCredits, charge } = await withTask()
    await refundCredits(charge, 4)
    const { refund, status } = await refundCredits(charge)
    expect({ refund, status }).toEqual({
      refund: { credits: 6, spendable: 6, skipped: [] },
      status: 'deleted',
    })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    const before = await database.everything()
    expect((await refundCredits(charge)).refund).toEqual(NOTHING)
    expect(await database.everything()).toEqual(before)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['another part', [4], 5, { code: 'SETTLE_CONFLICT', settled: 6, requested: 5 }],
    ['a part of what was refunded', [], 4, { code: 'SETTLE_CONFLICT', settled: 0, requested: 6 }],
    ['more than was charged', undefined, 11, { code: 'SETTLE_EXCEEDS_CHARGE', charged: 10, requested: 11 }],
    ['more, after a part', [4], 11, { code: 'SETTLE_EXCEEDS_CHARGE', charged: 10, requested: 11 }],
  ])('refuses %s', async (_, first, credits, expected) => {
    const { database, refundCredits, charge } = await withTask()
    if (first) await refundCredits(charge, ...first)
    const error = await refusal(database, () => refundCredits(charge, credits))
    expect(error).toMatchObject({ ...expected, creditId: charge })
    expect(await violations(database)).toEqual([])
  })

  test('of 4 equals a settlement of 10 to 6', async () => {
    const { database, refundCredits, settle, charge } = await withTask()
    await settle('t', 6)
    const before = await database.everything()
    expect((await refundCredits(charge, 4)).refund).toEqual(NOTHING)
    expect(await database.everything()).toEqual(before)
    expect(await violations(database)).toEqual([])
  })

  test('refunds an earlier charge of a task, and not its last one', async () => {
    const { database, refundCredits, settle, update, charge } = await withTask()
    await database.credits.chargeMediaTask('t', { credits: 20 }, { status: 'translating' })
    expect((await refundCredits(charge)).refund.credits).toBe(10)
    expect((await settle('t', 15)).refund.credits).toBe(5)
    expect((await update('t', { status: 'failed' })).refund.credits).toBe(15)
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['nothing', 'nothing'],
    ['a grant', 'a'],
    ['a task', 't'],
  ])('refuses the id of %s', async (_, id) => {
    const { database, refundCredits } = await withTask()
    for (const credits of [[], [4]]) {
      const error = await refusal(database, () => refundCredits(id, ...credits))
      expect(error).toMatchObject({ code: 'CHARGE_NOT_FOUND', creditId: id })
    }
  })
})

test.each([
  ['as nothing', { charged: 10, credits: 0 }],
  ['as less', { charged: 10, credits: 4 }],
  ['as more than it took', { charged: 3, credits: 2 }],
  ['in words', 'yes'],
])("a caller's own metadata that marks the charge as settled, %s, has no effect", async (_, settled) => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { consumeCredits, refundCredits, getRemainingCredits } = database.credits
  const { id } = await consumeCredits({ userId: 'u', credits: 10, metadata: { settled } })
  expect((await refundCredits(id, 4)).refund.credits).toBe(4)
  expect((await refundCredits(id)).refund.credits).toBe(6)
  expect(await getRemainingCredits('u')).toBe(50)
  expect(await violations(database)).toEqual([])
})

test('a settlement does not change the metadata', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const metadata = '{"b": 12345678901234567890123, "a": [1e400], "c": {"d": null}}'
  const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 10, metadata })
  const charge = await database.credits.refundCredits(id, 4)
  expect(charge.metadata).toBe(`${metadata.slice(0, -1)},"settled":{"charged":10,"credits":6}}`)
  expect(await violations(database)).toEqual([])
})
