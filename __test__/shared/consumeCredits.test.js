'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { violations } = require('../helpers/invariants')
const { except } = require('../helpers/storage')
const { dropRows } = require('../helpers/triggers')

TestDatabase.reuse()

/** A database in which `u` has these grants. */
async function withUser(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants)
  return { database, consumeCredits: database.credits.consumeCredits }
}

describe('consumeCredits refuses', () => {
  const opened = unchanging(() => withUser({ credits: 50, transactionNo: '77' }))

  test.each([
    ['no userId', { userId: undefined }, 'INVALID_ID'],
    ['null as userId', { userId: null }, 'INVALID_ID'],
    ['an empty userId', { userId: '' }, 'INVALID_ID'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID'],
    ['a long userId', { userId: 'u'.repeat(256) }, 'INVALID_ID'],
    ['an empty transactionNo', { transactionNo: '' }, 'INVALID_ID'],
    ['a number as transactionNo', { transactionNo: 5 }, 'INVALID_ID'],
    ['NUL in transactionNo', { transactionNo: '5\0' }, 'INVALID_ID'],
    ['a Date as description', { description: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in description', { description: '\0' }, 'INVALID_VALUE'],
    ['a Date as metadata', { metadata: new Date(0) }, 'INVALID_VALUE'],
    ['a function as metadata', { metadata: () => 5 }, 'INVALID_VALUE'],
    ['an unknown parameter', { transactionScene: 'payment' }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 5 }, 'UNKNOWN_FIELD'],
    ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND'],
    ['a transactionNo that is taken', { transactionNo: '77' }, 'CREDIT_EXISTS'],
    ['more than the balance', { credits: 51 }, 'INSUFFICIENT_CREDITS'],
  ])('%s', async (_, parameters, code) => {
    const { database, consumeCredits } = opened()
    const call = () => consumeCredits({ userId: 'u', credits: 10, ...parameters })
    const error = await refusal(database, call)
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.field ?? Object.keys(parameters)[0]).toBe(Object.keys(parameters)[0])
  })

  test('a Date as scene', async () => {
    const { database, consumeCredits } = opened()
    const error = await refusal(database, () =>
      consumeCredits({ userId: 'u', credits: 10, scene: new Date(0) }),
    )
    expect(error.code).toBe('INVALID_VALUE')
  })

  test('an unknown parameter, and names the function that lacks it', async () => {
    const { database, consumeCredits } = opened()
    const error = await refusal(database, () => consumeCredits({ userId: 'u', credits: 10, cost: 5 }))
    expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'cost', table: 'consumeCredits' })
    expect(error.message).toContain('"cost": consumeCredits has no such')
  })

  test('more than the balance, with the message that the app shows', async () => {
    const { database, consumeCredits } = await withUser(3, 2)
    const error = await refusal(database, () => consumeCredits({ userId: 'u', credits: 10 }))
    expect(error).toMatchObject({ required: 10, available: 5 })
    expect(error.message).toBe('Insufficient credits, 5 < 10')
  })
})

describe('consumeCredits', () => {
  test('returns the charge as it was written', async () => {
    const { database, consumeCredits } = await withUser({ id: 'g', credits: 50, transactionNo: '77' })
    const [{ expires_at: expiresAt }] = await database.sql('SELECT expires_at FROM credit')
    const described = { description: 'Subtitle translation: fr', metadata: '{"taskId":"t"}' }
    const charge = await consumeCredits({ userId: 'u', credits: 5, scene: 'payment', ...described })
    const draw = { creditId: 'g', transactionNo: '77', expiresAt: new Date(expiresAt).toISOString() }
    const credits = { creditsToConsume: 5, creditsConsumed: 5, creditsBefore: 50, creditsAfter: 45 }
    expect(charge).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      userId: 'u',
      userEmail: null,
      orderNo: null,
      subscriptionNo: null,
      transactionNo: expect.stringMatching(/^\d{15,19}$/),
      transactionType: 'consume',
      transactionScene: 'payment',
      credits: -5,
      remainingCredits: 0,
      ...described,
      expiresAt: null,
      status: 'active',
      createdAt: expect.any(Date),
      updatedAt: charge.createdAt,
      deletedAt: null,
      consumedDetail: JSON.stringify([{ ...draw, ...credits, batchSize: 1000, batchNo: 1 }]),
    })
    expect(await database.credits.getCredits({ transactionType: 'consume' })).toEqual([charge])
    expect(await violations(database)).toEqual([])
  })

  test('writes NULL for fields that are not passed', async () => {
    const { consumeCredits } = await withUser(50)
    const charge = await consumeCredits({ userId: 'u', credits: 5, description: undefined, metadata: null })
    expect(charge).toMatchObject({ transactionScene: null, description: null, metadata: null })
  })

  test('writes metadata that is an object as JSON text', async () => {
    const { consumeCredits } = await withUser(50)
    const metadata = { type: 'media-task-translation', taskId: '"t"', targetLanguage: 'fr' }
    const charge = await consumeCredits({ userId: 'u', credits: 5, metadata })
    expect(charge.metadata).toBe(JSON.stringify(metadata))
  })

  test('writes the transactionNo of the caller', async () => {
    const { consumeCredits } = await withUser(50)
    expect(await consumeCredits({ userId: 'u', credits: 5, transactionNo: '88' })).toMatchObject({
      transactionNo: '88',
    })
  })

  test('spends many grants completely, and the largest amount', async () => {
    const { database, consumeCredits } = await withUser(...Array(20).fill(3), 2_147_483_647)
    await consumeCredits({ userId: 'u', credits: 60 })
    await consumeCredits({ userId: 'u', credits: 2_147_483_647 })
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })
})

describe('concurrent calls of consumeCredits:', () => {
  test('of 150 charges of 1 with a balance of 100 exactly 100 are accepted', async () => {
    const { database, consumeCredits } = await withUser(33, 33, 34)
    const calls = Array.from({ length: 150 }, () => consumeCredits({ userId: 'u', credits: 1 }))
    const settled = await Promise.allSettled(calls)
    const charges = settled.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)
    expect(new Set(charges.map((charge) => charge.id)).size).toBe(100)
    expect(new Set(charges.map((charge) => charge.transactionNo)).size).toBe(100)
    const refusals = settled.filter(({ reason }) => reason?.code === 'INSUFFICIENT_CREDITS')
    expect(refusals.length).toBe(50)
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('20 charges with one transactionNo are charged once', async () => {
    const { database, consumeCredits } = await withUser(100)
    const call = () => consumeCredits({ userId: 'u', credits: 5, transactionNo: '88' })
    const settled = await Promise.allSettled(Array.from({ length: 20 }, call))
    expect(settled.filter(({ reason }) => reason?.code === 'CREDIT_EXISTS').length).toBe(19)
    expect(await database.credits.getRemainingCredits('u')).toBe(95)
    expect(await violations(database)).toEqual([])
  })

  except('mysql').test('a charge that a trigger drops silently draws nothing', async () => {
    const { database, consumeCredits } = await withUser(100)
    await dropRows(database, 'credit', 'NEW.credits = -7')
    const calls = [5, 7, 5].map((credits) => consumeCredits({ userId: 'u', credits }))
    const settled = await Promise.allSettled(calls)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
    expect(await violations(database)).toEqual([])
  })

  test('each user of a real database is charged five times', async () => {
    const database = await TestDatabase.fixture()
    const { consumeCredits, createCredit, getRemainingCredits } = database.credits
    const before = await violations(database)
    const users = await database.sql(`SELECT id FROM "user" WHERE name LIKE 'user %'`)
    await Promise.all(users.map(({ id }) => createCredit({ userId: id, credits: 10 })))
    const had = await Promise.all(users.map(({ id }) => getRemainingCredits(id)))
    const calls = [1, 2, 3, 4, 5].flatMap(() => users.map(({ id }) => ({ userId: id, credits: 2 })))
    await Promise.all(calls.map((call) => consumeCredits(call)))
    const have = await Promise.all(users.map(({ id }) => getRemainingCredits(id)))
    expect(have).toEqual(had.map((credits) => credits - 10))
    expect(await violations(database)).toEqual(before)
  })
})
