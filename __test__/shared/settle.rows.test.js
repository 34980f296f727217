'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow, remaining } = require('../helpers/rows')

TestDatabase.reuse()

/** User `u` has grant `g` and a charge of 10, with this metadata, that task `t` names. */
async function withCharge(metadata) {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 50 })
  const { consumeCredits, createMediaTask, settleMediaTask, refundCredits } = database.credits
  const { id } = await consumeCredits({ userId: 'u', credits: 10, metadata })
  await createMediaTask(task('t', 'u', { creditId: id }), 0)
  return { database, settle: settleMediaTask, refundCredits, charge: id }
}

describe('a charge whose metadata is', () => {
  test.each([
    ['an object', '{"type":"media-task-translation","n":[1,{"a":null}]}', { n: [1, { a: null }] }],
    ['an object with the key settled', '{"settled":true,"n":1}', { n: 1 }],
    ['NULL', null, {}],
    ['an empty object', '{}', {}],
    ['plain text', 'plain "text"', { metadata: 'plain "text"' }],
    ['empty', '', { metadata: '' }],
    ['a JSON array', '[1,{"a":2}]', { metadata: [1, { a: 2 }] }],
    ['a JSON text', '"text"', { metadata: 'text' }],
    ['half of an object', '{"type":"media', { metadata: '{"type":"media' }],
  ])('%s keeps it, and is settled once', async (_, metadata, kept) => {
    const { database, settle, refundCredits, charge } = await withCharge(metadata)
    expect((await settle('t', 6)).refund.credits).toBe(4)
    const row = await creditRow(database, charge)
    const settled = { charged: 10, credits: 6 }
    expect(JSON.parse(row.metadata)).toMatchObject({ ...kept, settled })
    expect((await settle('t', 6)).refund.credits).toBe(0)
    const error = await refusal(database, () => settle('t', 5))
    expect(error).toMatchObject({ code: 'SETTLE_CONFLICT', settled: 6 })
    expect((await refundCredits(charge)).refund.credits).toBe(6)
    const { metadata: after } = await creditRow(database, charge)
    expect(JSON.parse(after)).toMatchObject(kept)
    expect(await remaining(database)).toEqual({ g: 50 })
    expect(await violations(database)).toEqual([])
  })
})

describe('a charge whose draws', () => {
  const item = (credits) => ({ creditId: 'g', creditsConsumed: credits })

  test.each([
    ['are fewer than what it took', [item(7)], 7],
    ['are more than what it took', [item(10), item(5)], 10],
    ['are none', [], 0],
    ['are fewer than what is to be left', [item(3)], 3],
  ])('%s is refunded as they say, but not in part', async (_, detail, back) => {
    const { database, settle, refundCredits, charge } = await withCharge()
    await database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', JSON.stringify(detail), charge)
    for (const call of [() => settle('t', 6), () => refundCredits(charge, 4)]) {
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'CHARGE_CORRUPT', creditId: charge, retryable: false })
    }
    const { refund, status } = await settle('t', 0)
    expect({ credits: refund.credits, status }).toEqual({ credits: back, status: 'deleted' })
    expect(await remaining(database)).toEqual({ g: 40 + back })
  })

  test.each([
    ['are NULL', null],
    ['are no JSON', 'junk'],
    ['are an object', '{}'],
    ['are negative', '[{"creditId":"g","creditsConsumed":20},{"creditId":"g","creditsConsumed":-10}]'],
    ['are fractions', '[{"creditId":"g","creditsConsumed":9.5},{"creditId":"g","creditsConsumed":0.5}]'],
    ['name no grant', '[{"creditsConsumed":10}]'],
  ])('a charge whose draws %s gives nothing back', async (_, detail) => {
    const { database, settle, refundCredits, charge } = await withCharge()
    await database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', detail, charge)
    const calls = [
      () => settle('t', 10),
      () => settle('t', 6),
      () => settle('t', 0),
      () => refundCredits(charge),
      () => refundCredits(charge, 4),
    ]
    for (const call of calls) {
      expect(await refusal(database, call)).toMatchObject({ code: 'CHARGE_CORRUPT', creditId: charge })
    }
  })

  test('name a grant twice, or with 0 credits, is settled too', async () => {
    const { database, settle, refundCredits, charge } = await withCharge()
    const detail = JSON.stringify([item(6), item(0), item(4)])
    await database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', detail, charge)
    expect((await settle('t', 3)).refund).toEqual({ credits: 7, spendable: 7, skipped: [] })
    expect(await violations(database)).toEqual([])
    expect((await refundCredits(charge)).refund.credits).toBe(3)
    expect(await remaining(database)).toEqual({ g: 50 })
    expect(await violations(database)).toEqual([])
  })
})
