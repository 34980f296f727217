'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const USER = { id: 'u', email: 'u@example.test', name: 'U', emailVerified: true }

/** User `u` without credits. */
const withUser = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u')
  return { database, grant: database.credits.grantCreditsForUser }
})

describe('grantCreditsForUser refuses', () => {
  const TOO_LATE = 100_000_000 * 366

  test.each([
    ['no argument', undefined, 'INVALID_ID', 'userId'],
    ['null', null, 'INVALID_ID', 'userId'],
    ['no user', { credits: 5 }, 'INVALID_ID', 'userId'],
    ['null as user', { user: null, credits: 5 }, 'INVALID_ID', 'userId'],
    ['a user without an id', { user: { email: 'x' }, credits: 5 }, 'INVALID_ID', 'userId'],
    ['a user with an empty id', { user: { id: '' }, credits: 5 }, 'INVALID_ID', 'userId'],
    ['a user with a number as id', { user: { id: 5 }, credits: 5 }, 'INVALID_ID', 'userId'],
    ['an id in place of the user', { user: 'u', credits: 5 }, 'INVALID_ID', 'userId'],
    ...[NaN, '5', '0', '-5', null, undefined, true, 1.5, Infinity, {}].map((credits) => [
      `${typeof credits} ${String(credits)} as credits`,
      { user: USER, credits },
      'INVALID_AMOUNT',
      'credits',
    ]),
    ...['30', NaN, Infinity, -Infinity, true, {}, [30], new Date(0), 30n, () => 30, Symbol('30')].map(
      (validDays) => [
        `${typeof validDays} ${String(validDays)} as validDays`,
        { user: USER, credits: 5, validDays },
        'INVALID_ARGUMENT',
        'validDays',
      ],
    ),
    [
      'more days than a Date can hold',
      { user: USER, credits: 5, validDays: TOO_LATE },
      'INVALID_DATE',
      'expiresAt',
    ],
    ['a column that does not exist', { user: USER, credits: 5, color: 'red' }, 'UNKNOWN_FIELD', 'color'],
    [
      'a period, which is an unknown field',
      { user: USER, credits: 5, currentPeriodEnd: new Date() },
      'UNKNOWN_FIELD',
      'currentPeriodEnd',
    ],
    [
      'remainingCredits that differ from credits',
      { user: USER, credits: 5, remainingCredits: 4 },
      'INVALID_VALUE',
      'remainingCredits',
    ],
    ['a charge', { user: USER, credits: 5, transactionType: 'consume' }, 'INVALID_VALUE', 'transactionType'],
    [
      'a replay without a transactionNo',
      { user: USER, credits: 5, replay: true },
      'INVALID_ARGUMENT',
      'transactionNo',
    ],
    [
      'a replay that is not a boolean',
      { user: USER, credits: 5, transactionNo: 'n', replay: 'yes' },
      'INVALID_ARGUMENT',
      'replay',
    ],
  ])('%s', async (_, argument, code, field) => {
    const { database, grant } = withUser()
    const error = await refusal(database, () => grant(argument))
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.field).toBe(field)
  })

  test.each([
    ['an unknown option', { atomic: true }, 'UNKNOWN_FIELD', 'atomic'],
    ['text', 'replay', 'INVALID_ARGUMENT', 'createCredit(options)'],
  ])('%s', async (_, options, code, field) => {
    const { database, grant } = withUser()
    const error = await refusal(database, () => grant({ user: USER, credits: 5 }, options))
    expect(error).toMatchObject({ code, field })
  })

  test('grantCreditsForUser refuses with the line of the caller', async () => {
    const { grant } = withUser()
    const error = await grant({ user: USER, credits: 5, validDays: '30' }).catch((error) => error)
    expect(error.stack.split('\n')[1]).toContain('grantCreditsForUser.test.js')
  })
})
