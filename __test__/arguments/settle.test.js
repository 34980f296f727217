'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has 50 credits and task `t`, which cost 10 of them. */
const withCharge = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { createMediaTask, settleMediaTask, settleCredits, refundCredits } = database.credits
  const { creditId } = await createMediaTask(task('t', 'u'), 10)
  return { database, settle: settleMediaTask, settleCredits, refundCredits, charge: creditId }
})

const NO_IDS = [
  ['no id', undefined],
  ['an empty id', ''],
  ['a number as id', 5],
  ['null as id', null],
  ['an id of 256 characters', 'x'.repeat(256)],
  ['an id with NUL', 't\0'],
]

const NO_AMOUNTS = [
  ['a negative number', -5],
  ['a fraction', 0.5],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['more than the largest integer of PostgreSQL', 2_147_483_648],
  ['text', '6'],
  ['null', null],
  ['true', true],
  ['an object', {}],
  ['a bigint that is too large', 10n ** 30n],
  ['a function', () => 6],
]

const NO_OPTIONS = [
  ['null', null, 'INVALID_ARGUMENT'],
  ['text', 'source', 'INVALID_ARGUMENT'],
  ['an unknown option', { policy: 'source' }, 'UNKNOWN_FIELD'],
  ['an option of updates', { allowRefunded: true }, 'UNKNOWN_FIELD'],
]

describe('settleMediaTask refuses', () => {
  test.each(NO_IDS)('%s', async (_, id) => {
    const { database, settle } = withCharge()
    const error = await refusal(database, () => settle(id, 6))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'id' })
  })

  test.each([...NO_AMOUNTS, ['nothing', undefined]])('%s as finalCredits', async (_, credits) => {
    const { database, settle } = withCharge()
    for (const id of ['t', 'no task']) {
      const error = await refusal(database, () => settle(id, credits))
      expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'finalCredits' })
      expect(error.message).toMatch(/^finalCredits must be a whole number from 0 to 2147483647, got /)
    }
  })

  test.each(NO_OPTIONS)('%s as options', async (_, options, code) => {
    const { database, settle } = withCharge()
    expect(await refusal(database, () => settle('t', 6, options))).toMatchObject({ code })
  })
})

const NO_OVER = ['', 'all', 'REFUSE', true, 0, 1.5, {}, ['available'], new Date(0), 10n ** 30n]

describe('settleCredits refuses', () => {
  test.each(NO_IDS)('%s', async (_, id) => {
    const { database, settleCredits } = withCharge()
    const error = await refusal(database, () => settleCredits(id, 6))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'chargeId' })
  })

  test.each([...NO_AMOUNTS, ['nothing', undefined]])('%s as credits', async (_, credits) => {
    const { database, settleCredits, charge } = withCharge()
    for (const id of [charge, 'no charge']) {
      const error = await refusal(database, () => settleCredits(id, credits, { over: 'available' }))
      expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'credits' })
    }
  })

  test.each(NO_OPTIONS)('%s as options', async (_, options, code) => {
    const { database, settleCredits, charge } = withCharge()
    expect(await refusal(database, () => settleCredits(charge, 6, options))).toMatchObject({ code })
  })
})

test.each(NO_OVER)('settlements refuse %p as over', async (over) => {
  const { database, settle, settleCredits, charge } = withCharge()
  for (const call of [() => settle('t', 20, { over }), () => settleCredits(charge, 20, { over })]) {
    expect(await refusal(database, call)).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'over' })
  }
})

describe('refundCredits refuses', () => {
  test.each(NO_IDS)('%s', async (_, id) => {
    const { database, refundCredits } = withCharge()
    const error = await refusal(database, () => refundCredits(id))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'chargeId' })
  })

  test.each([...NO_AMOUNTS, ['zero', 0]])('%s as credits', async (_, credits) => {
    const { database, refundCredits, charge } = withCharge()
    const error = await refusal(database, () => refundCredits(charge, credits))
    expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'credits' })
  })

  test.each(NO_OPTIONS)('%s as options', async (_, options, code) => {
    const { database, refundCredits, charge } = withCharge()
    expect(await refusal(database, () => refundCredits(charge, 6, options))).toMatchObject({ code })
  })

  test('over, which is an option of settlements', async () => {
    const { database, refundCredits, charge } = withCharge()
    const error = await refusal(database, () => refundCredits(charge, 6, { over: 'available' }))
    expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'over' })
  })
})
