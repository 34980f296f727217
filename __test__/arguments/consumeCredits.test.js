'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  return { database, consumeCredits: database.credits.consumeCredits }
})

describe('consumeCredits refuses', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'u'],
    ['a number', 5],
    ['a function', () => ({ userId: 'u', credits: 5 })],
  ])('%s as parameters', async (_, parameters) => {
    const { database, consumeCredits } = opened()
    const error = await refusal(database, () => consumeCredits(parameters))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'consumeCredits(parameters)' })
  })

  test.each([
    ['zero', 0],
    ['a negative number', -5],
    ['a fraction', 0.5],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['more than the largest integer of PostgreSQL', 2_147_483_648],
    ['text', '10'],
    ['null', null],
    ['undefined', undefined],
    ['true', true],
    ['an object', {}],
    ['an invalid Date', new Date(NaN)],
    ['a bigint that is too large', 10n ** 30n],
    ['a function', () => 10],
  ])('%s as credits', async (_, credits) => {
    const { database, consumeCredits } = opened()
    const error = await refusal(database, () => consumeCredits({ userId: 'u', credits }))
    expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'credits' })
    expect(error.message).toMatch(/^credits must be a whole number from 1 to 2147483647, got /)
  })
})
