'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  return { database, createCredit: database.credits.createCredit }
})

describe('createCredit refuses', () => {
  test.each([
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['text', 'u', 'the text "u"'],
    ['an array', [{ userId: 'u', credits: 5 }], 'an array'],
  ])('%s as a grant', async (_, newCredit, given) => {
    const { database, createCredit } = opened()
    const error = await refusal(database, () => createCredit(newCredit))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'newCredit' })
    expect(error.message).toBe(`newCredit must be an object, got ${given}`)
  })

  test.each([
    ['zero', 0],
    ['a negative number', -5],
    ['a fraction', 10.5],
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
    const { database, createCredit } = opened()
    const error = await refusal(database, () => createCredit({ userId: 'u', credits }))
    expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'credits' })
  })
})
