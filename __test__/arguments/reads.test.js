'use strict'

const { findings } = require('../helpers/books')
const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  return database
})

describe('getCredits refuses', () => {
  test.each([
    ['null', null, 'INVALID_ARGUMENT', 'getCredits(query)'],
    ['text', 'u', 'INVALID_ARGUMENT', 'getCredits(query)'],
    ['a function', () => 'u', 'INVALID_ARGUMENT', 'getCredits(query)'],
    ['an unknown key', { user: 'u' }, 'UNKNOWN_FIELD', 'user'],
    ['__proto__', { ['__proto__']: 'u' }, 'UNKNOWN_FIELD', '__proto__'],
    ['null as userId, which would be all users', { userId: null }, 'INVALID_ID', 'userId'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID', 'userId'],
    ['an object as userId', { userId: { not: 'u' } }, 'INVALID_ID', 'userId'],
    ['a number as status', { status: 5 }, 'INVALID_ID', 'status'],
    ['NUL in transactionType', { transactionType: 'grant\0' }, 'INVALID_ID', 'transactionType'],
    ['page 0', { page: 0 }, 'INVALID_ARGUMENT', 'page'],
    ['page -1', { page: -1 }, 'INVALID_ARGUMENT', 'page'],
    ['page 1.5', { page: 1.5 }, 'INVALID_ARGUMENT', 'page'],
    ['page NaN', { page: NaN }, 'INVALID_ARGUMENT', 'page'],
    ['page 1.0 as text', { page: '1.0' }, 'INVALID_ARGUMENT', 'page'],
    ['page null', { page: null }, 'INVALID_ARGUMENT', 'page'],
    ['a page above all numbers', { page: 2 ** 53 }, 'INVALID_ARGUMENT', 'page'],
    ['limit 0', { limit: 0 }, 'INVALID_ARGUMENT', 'limit'],
    ['a limit above all numbers', { limit: 2 ** 53 }, 'INVALID_ARGUMENT', 'limit'],
    ['limit Infinity', { limit: Infinity }, 'INVALID_ARGUMENT', 'limit'],
  ])('%s', async (_, query, code, field) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.getCredits(query))
    expect(error).toMatchObject({ code, field })
  })
})

describe('getStatement refuses', () => {
  test.each([
    ['a number', 3],
    ['null', null],
    ['text', 'x'],
    ['a list', []],
    ['a Date', new Date()],
    ['true', true],
  ])('%s as query', async (_, query) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.getStatement('u', query))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test.each([
    ['an unknown option', { nope: 1 }, 'UNKNOWN_FIELD', 'nope'],
    ['a page', { page: 1 }, 'UNKNOWN_FIELD', 'page'],
    ...[0, -1, 1001, 1.5, NaN, '10.0', null, {}, 10n ** 30n].map((limit) => [
      `${String(limit)} as limit`,
      { limit },
      'INVALID_ARGUMENT',
      'limit',
    ]),
    ...[
      ...['', 'x', '5 grant', '5 nonsense g', 'x grant g', '99999999999999999999 grant g', ' 5 grant g'],
      ...['u'.repeat(5000), "1 grant'; DROP TABLE credit", 5, true, new Date(0), ['5 grant g'], {}],
    ].map((cursor) => [
      `${JSON.stringify(cursor).slice(0, 40)} as cursor`,
      { cursor },
      'INVALID_ARGUMENT',
      'cursor',
    ]),
    ...['from', 'to'].flatMap((name) =>
      [0, 1_795_000_000_000, '2026-01-01', null, true, new Date(NaN)].map((time) => [
        `${String(time)} as ${name}`,
        { [name]: time },
        'INVALID_DATE',
        name,
      ]),
    ),
  ])('%s', async (_, query, code, field) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.getStatement('u', query))
    expect(error).toMatchObject({ code, field, retryable: false })
  })
})

describe('auditLedger refuses', () => {
  test.each([
    ...[3, null, 'u', [], true, new Date(0)].map((query) => [
      `${String(query)} as query`,
      query,
      'INVALID_ARGUMENT',
      'auditLedger(query)',
    ]),
    ...[null, '', 5, {}, 'u'.repeat(256), 'u\0'].map((userId) => [
      `${JSON.stringify(userId).slice(0, 20)} as userId`,
      { userId },
      'INVALID_ID',
      'userId',
    ]),
    ...[0, -1, 1.5, NaN, Infinity, '5', null, true].map((limit) => [
      `${limit} as limit`,
      { limit },
      'INVALID_ARGUMENT',
      'limit',
    ]),
    ...[3, 'text', null, {}, true].map((onProgress) => [
      `${onProgress} as onProgress`,
      { onProgress },
      'INVALID_ARGUMENT',
      'onProgress',
    ]),
    ['an unknown option', { users: 5 }, 'UNKNOWN_FIELD', 'users'],
    [
      'an unknown option beside a progress function',
      { onProgress: () => {}, users: 5 },
      'UNKNOWN_FIELD',
      'users',
    ],
    [
      'a limit of null beside a progress function',
      { onProgress: () => {}, limit: null },
      'INVALID_ARGUMENT',
      'limit',
    ],
  ])('%s', async (_, query, code, field) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.auditLedger(query).next())
    expect(error).toMatchObject({ code, field, retryable: false })
  })

  test.each([
    [undefined],
    [{}],
    [{ userId: undefined, limit: undefined, onProgress: undefined }],
    [{ limit: 5n }],
  ])('no query that is sound: %p', async (query) => {
    const database = opened()
    expect(await findings(database.credits, query)).toEqual([])
  })
})

describe('quoteCredits refuses', () => {
  test.each([
    ['no userId', undefined],
    ['null as userId', null],
    ['an empty userId', ''],
    ['a number as userId', 5],
    ['a long userId', 'u'.repeat(256)],
    ['a userId with NUL', 'u\0'],
    ['an object as userId', { userId: 'u' }],
  ])('%s', async (_, userId) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.quoteCredits(userId, 5))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
  })

  test.each([
    ['zero', 0],
    ['nothing', undefined],
    ['a negative number', -5],
    ['a fraction', 0.5],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['more than PostgreSQL holds', 2_147_483_648],
    ['text', '10'],
    ['null', null],
    ['true', true],
    ['an object', {}],
    ['an invalid Date', new Date(NaN)],
    ['a bigint that fits nowhere', 10n ** 30n],
    ['a function', () => 10],
  ])('%s as credits', async (_, credits) => {
    const database = opened()
    for (const userId of ['u', 'nobody']) {
      const error = await refusal(database, () => database.credits.quoteCredits(userId, credits))
      expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'credits', retryable: false })
    }
  })
})

describe('getMediaTaskHistory refuses', () => {
  test.each([
    ['no userId', [], 'INVALID_ID', 'userId'],
    ['null as userId', [null], 'INVALID_ID', 'userId'],
    ['an empty userId', [''], 'INVALID_ID', 'userId'],
    ['a number as userId', [5], 'INVALID_ID', 'userId'],
    ['a long userId', ['u'.repeat(256)], 'INVALID_ID', 'userId'],
    ['NUL in userId', ['u\0'], 'INVALID_ID', 'userId'],
    ['page 0', ['u', 0], 'INVALID_ARGUMENT', 'page'],
    ['page -1', ['u', -1], 'INVALID_ARGUMENT', 'page'],
    ['page 1.5', ['u', 1.5], 'INVALID_ARGUMENT', 'page'],
    ['page NaN', ['u', NaN], 'INVALID_ARGUMENT', 'page'],
    ['page 1.0 as text', ['u', '1.0'], 'INVALID_ARGUMENT', 'page'],
    ['page null', ['u', null], 'INVALID_ARGUMENT', 'page'],
    ['a page above all numbers', ['u', 2 ** 53], 'INVALID_ARGUMENT', 'page'],
    ['limit 0', ['u', 1, 0], 'INVALID_ARGUMENT', 'limit'],
    ['a limit above all numbers', ['u', 1, 2 ** 53], 'INVALID_ARGUMENT', 'limit'],
    ['limit 20abc as text', ['u', 1, '20abc'], 'INVALID_ARGUMENT', 'limit'],
    ['options', ['u', { page: 1 }], 'INVALID_ARGUMENT', 'page'],
  ])('%s', async (_, args, code, field) => {
    const database = opened()
    const error = await refusal(database, () => database.credits.getMediaTaskHistory(...args))
    expect(error).toMatchObject({ code, field })
  })
})

describe.each(['findMediaTaskById', 'getMediaTaskCharges', 'getAITaskCharges'])('%s refuses', (name) => {
  test.each([
    ['null', [null]],
    ['nothing', [undefined]],
    ['no argument', []],
    ['empty text', ['']],
    ['a number', [5]],
    ['an object', [{ id: 't' }]],
    ['256 characters', ['x'.repeat(256)]],
    ['text with NUL', ['t\0']],
  ])('%s as id', async (_, args) => {
    const database = opened()
    const error = await refusal(database, () => database.credits[name](...args))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'id' })
  })
})
