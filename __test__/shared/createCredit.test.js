'use strict'

const { DAY_MS, TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

/** A database with user `u` and one grant. */
async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 50, transactionNo: '77' })
  return { database, createCredit: database.credits.createCredit }
}

describe('createCredit refuses', () => {
  const opened = unchanging(withUser)

  test.each([
    ['no userId', { userId: undefined }, 'INVALID_ID'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID'],
    ['an empty id', { id: '' }, 'INVALID_ID'],
    ['a long id', { id: 'x'.repeat(256) }, 'INVALID_ID'],
    ['a number as transactionNo', { transactionNo: 5 }, 'INVALID_ID'],
    ['fewer remainingCredits than credits', { remainingCredits: 4 }, 'INVALID_VALUE'],
    ['more remainingCredits than credits', { remainingCredits: 6 }, 'INVALID_VALUE'],
    ['text as remainingCredits', { remainingCredits: '5' }, 'INVALID_VALUE'],
    ['a charge', { transactionType: 'consume' }, 'INVALID_VALUE'],
    ['an unknown status', { status: 'paid' }, 'INVALID_VALUE'],
    ['a Date as description', { description: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in description', { description: '\0' }, 'INVALID_VALUE'],
    ['text as expiresAt', { expiresAt: '2030-01-01' }, 'INVALID_DATE'],
    ['a number as expiresAt', { expiresAt: 1_795_380_509_258 }, 'INVALID_DATE'],
    ['an invalid Date as expiresAt', { expiresAt: new Date(NaN) }, 'INVALID_DATE'],
    ['an unknown key', { expires: new Date() }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 'x' }, 'UNKNOWN_FIELD'],
    ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND'],
    ['an id that is taken', { id: 'g' }, 'CREDIT_EXISTS'],
    ['a transactionNo that is taken', { transactionNo: '77' }, 'CREDIT_EXISTS'],
  ])('%s', async (_, changes, code) => {
    const { database, createCredit } = opened()
    const error = await refusal(database, () => createCredit({ userId: 'u', credits: 5, ...changes }))
    expect(error).toMatchObject({ code, retryable: false })
    // The error names the key that was passed.
    expect(error.field ?? Object.keys(changes)[0]).toBe(Object.keys(changes)[0])
  })
})

describe('createCredit', () => {
  test('returns the whole grant', async () => {
    const { database, createCredit } = await withUser()
    const order = { userEmail: 'u@example.test', orderNo: 'o1', transactionScene: 'gift' }
    const expiresAt = new Date(Date.now() + DAY_MS)
    const more = { ...order, expiresAt, description: 'Welcome 🎁', metadata: '{}' }
    const grant = await createCredit({ userId: 'u', credits: 25, ...more })
    expect(grant).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      userId: 'u',
      subscriptionNo: null,
      transactionNo: expect.stringMatching(/^\d{15,19}$/),
      transactionType: 'grant',
      credits: 25,
      remainingCredits: 25,
      ...more,
      status: 'active',
      createdAt: expect.any(Date),
      updatedAt: grant.createdAt,
      deletedAt: null,
      consumedDetail: null,
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(75)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['with its own id and transactionNo', { id: 'mine', transactionNo: '88' }, 55],
    ['that never expires', { expiresAt: null }, 55],
    ['that has expired', { expiresAt: new Date(Date.now() - DAY_MS) }, 50],
    ['that is marked expired', { status: 'expired' }, 50],
    ['that is marked deleted', { status: 'deleted', deletedAt: new Date(5000) }, 50],
    ['as the app passes it', { transactionType: 'grant', status: 'active', remainingCredits: 5 }, 55],
    ['that is older', { createdAt: new Date(1_700_000_000_000) }, 55],
  ])('writes a grant %s', async (_, more, balance) => {
    const { database, createCredit } = await withUser()
    expect(await createCredit({ userId: 'u', credits: 5, ...more })).toMatchObject(more)
    expect(await database.credits.getRemainingCredits('u')).toBe(balance)
  })

  test('grants 1 and the largest amount', async () => {
    const { database, createCredit } = await withUser()
    for (const credits of [1, 2_147_483_647, 10n]) await createCredit({ userId: 'u', credits })
    expect(await database.credits.getRemainingCredits('u')).toBe(50 + 1 + 2_147_483_647 + 10)
  })
})

describe('concurrent calls of createCredit:', () => {
  test('100 grants have different ids and transaction numbers, while credits are spent', async () => {
    const { database, createCredit } = await withUser()
    const calls = Array.from({ length: 100 }, (_, at) => {
      const grant = createCredit({ userId: 'u', credits: 5 })
      return at < 10 ? database.credits.consumeCredits({ userId: 'u', credits: 5 }).then(() => grant) : grant
    })
    const grants = await Promise.all(calls)
    expect(new Set(grants.map((grant) => grant.id)).size).toBe(100)
    expect(new Set(grants.map((grant) => grant.transactionNo)).size).toBe(100)
    expect(await database.credits.getRemainingCredits('u')).toBe(50 + 500 - 50)
    expect(await violations(database)).toEqual([])
  })

  test.each(['id', 'transactionNo'])('20 grants with one %s are granted once', async (field) => {
    const { database, createCredit } = await withUser()
    const call = () => createCredit({ userId: 'u', credits: 5, [field]: '88' })
    const settled = await Promise.allSettled(Array.from({ length: 20 }, call))
    const taken = settled.filter(({ reason }) => reason?.code === 'CREDIT_EXISTS')
    expect(taken.map(({ reason }) => reason)).toMatchObject(Array(19).fill({ field, value: '88' }))
    expect(await database.credits.getRemainingCredits('u')).toBe(55)
    expect(await violations(database)).toEqual([])
  })
})
