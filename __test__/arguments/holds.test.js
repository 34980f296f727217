'use strict'

const { unchanging } = require('../helpers/calls')
const { TestDatabase, refusal } = require('../helpers/database')

/** User `u` has 50 credits, and a hold of 10 of them. */
const withHold = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { id } = await database.credits.consumeCredits({
    userId: 'u',
    credits: 10,
    holdUntil: new Date(9e12),
  })
  return { database, charge: id, ...database.credits }
})

const PAST = { code: 'INVALID_ARGUMENT', field: 'holdUntil' }
const NO_DATE = { code: 'INVALID_DATE', field: 'holdUntil' }

test.each([
  ['a time in the past', new Date(Date.now() - 1), PAST],
  ['the earliest Date', new Date(-8.64e15), PAST],
  ['an invalid Date', new Date(NaN), NO_DATE],
  ['milliseconds', Date.now() + 60_000, NO_DATE],
  ['text', '2030-01-01T00:00:00Z', NO_DATE],
  ['true', true, NO_DATE],
  ['an object', { ms: 5 }, NO_DATE],
  ['a bigint', 10n ** 30n, NO_DATE],
  ['a function', () => new Date(9e12), NO_DATE],
])('a hold until %s is refused', async (_, holdUntil, expected) => {
  const { database, consumeCredits, consumeCreditsBatch } = withHold()
  const charge = { userId: 'u', credits: 1, holdUntil }
  expect(await refusal(database, () => consumeCredits(charge))).toMatchObject(expected)
  const batch = [{ userId: 'u', credits: 1 }, charge]
  const error = await refusal(database, () => consumeCreditsBatch(batch, { atomic: true }))
  expect(error).toMatchObject({ ...expected, index: 1 })
})

test('consumeCredits refuses expiresAt', async () => {
  const { database, consumeCredits } = withHold()
  const charge = { userId: 'u', credits: 1, expiresAt: new Date(9e12) }
  expect(await refusal(database, () => consumeCredits(charge))).toMatchObject({ code: 'UNKNOWN_FIELD' })
})

test.each([undefined, null, '', 5, {}, 'x'.repeat(256), 'c\0'])('keepCharge refuses %p', async (id) => {
  const { database, keepCharge } = withHold()
  const error = await refusal(database, () => keepCharge(id))
  expect(error).toMatchObject({ code: 'INVALID_ID', field: 'chargeId' })
})

test.each([
  ['null', null, 'INVALID_ARGUMENT'],
  ['text', 'all', 'INVALID_ARGUMENT'],
  ['a list', [], 'INVALID_ARGUMENT'],
  ['an unknown option', { olderThanMs: 5 }, 'UNKNOWN_FIELD'],
  ['a limit of 0', { limit: 0 }, 'INVALID_ARGUMENT'],
  ['a limit of 1001', { limit: 1001 }, 'INVALID_ARGUMENT'],
  ['a limit that is text', { limit: '5' }, 'INVALID_ARGUMENT'],
  ['no limit', { limit: NaN }, 'INVALID_ARGUMENT'],
  ['no policy', { refundPolicy: 'back' }, 'INVALID_ARGUMENT'],
])('releaseHolds takes no %s', async (_, query, code) => {
  const { database, releaseHolds } = withHold()
  expect(await refusal(database, () => releaseHolds(query))).toMatchObject({ code })
})

test('releaseHolds refunds no charge that a caller passes after the query', async () => {
  const { releaseHolds, charge } = withHold()
  expect((await releaseHolds({}, 1, 0, charge)).charges).toEqual([])
})
