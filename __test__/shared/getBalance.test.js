'use strict'

const { addRows, grant } = require('../helpers/books')
const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const now = Date.now()
const inDays = (days) => new Date(now + days * DAY_MS)
const NOTHING = { credits: 0, held: 0, grants: [], nextExpiry: null }

async function withGrants(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants.map((one, at) => ({ transactionNo: `no ${at}`, ...one })))
  return { database, ...database.credits }
}

describe('getBalance', () => {
  test('lists the grants that can be spent, in draw order', async () => {
    const { database, getBalance, consumeCredits } = await withGrants(
      { id: 'never', credits: 20, expiresAt: null },
      { id: 'later', credits: 8, expiresAt: inDays(2) },
      { id: 'soon', credits: 5, expiresAt: inDays(1) },
      { id: 'expired', credits: 10, expiresAt: inDays(-1) },
      { id: 'marked expired', credits: 10, expiresAt: inDays(1), status: 'expired' },
      { id: 'deleted', credits: 10, expiresAt: null, status: 'deleted' },
      { id: 'never too', credits: 3, expiresAt: null },
      { id: 'soon too', credits: 7, expiresAt: inDays(1) },
    )
    await addRows(database, 'credit', [grant('empty', 10, 0), grant('below zero', 10, -3)])
    const balance = await getBalance('u')
    expect(balance).toEqual({
      credits: 43,
      held: 0,
      grants: [
        { creditId: 'soon', transactionNo: 'no 2', remaining: 5, granted: 5, expiresAt: inDays(1) },
        { creditId: 'soon too', transactionNo: 'no 7', remaining: 7, granted: 7, expiresAt: inDays(1) },
        { creditId: 'later', transactionNo: 'no 1', remaining: 8, granted: 8, expiresAt: inDays(2) },
        { creditId: 'never', transactionNo: 'no 0', remaining: 20, granted: 20, expiresAt: null },
        { creditId: 'never too', transactionNo: 'no 6', remaining: 3, granted: 3, expiresAt: null },
      ],
      nextExpiry: { expiresAt: inDays(1), credits: 12 },
    })
    const drawn = JSON.parse((await consumeCredits({ userId: 'u', credits: 43 })).consumedDetail)
    expect(drawn.map(({ creditId, creditsConsumed }) => [creditId, creditsConsumed])).toEqual(
      balance.grants.map(({ creditId, remaining }) => [creditId, remaining]),
    )
    expect(await getBalance('u')).toEqual(NOTHING)
  })

  test.each([
    ['an unknown user', 'nobody', []],
    ['a user without grants', 'u', []],
    ['a user whose grants can not be spent', 'u', [{ credits: 5, expiresAt: inDays(-1) }]],
    ["another user's grants", 'v', [{ credits: 5 }]],
    ['a name that looks like SQL', "u' OR '1'='1", [{ credits: 5 }]],
    ['a name in another script', 'ユーザー🙂', [{ credits: 5 }]],
  ])('of %s is nothing', async (_, userId, grants) => {
    const { getBalance } = await withGrants(...grants)
    expect(await getBalance(userId)).toEqual(NOTHING)
  })

  test.each([
    ['only grants that never expire', [{ credits: 5, expiresAt: null }], null],
    [
      'several that expire next',
      [1, 1, 2].map((days) => ({ credits: 4, expiresAt: inDays(days) })),
      { expiresAt: inDays(1), credits: 8 },
    ],
    [
      'more than any charge takes',
      [1, 2].map(() => ({ credits: 2_147_483_647, expiresAt: inDays(1) })),
      { expiresAt: inDays(1), credits: 4_294_967_294 },
    ],
  ])('says what expires next: %s', async (_, grants, nextExpiry) => {
    const { getBalance } = await withGrants(...grants)
    const balance = await getBalance('u')
    expect(balance.nextExpiry).toEqual(nextExpiry)
    expect(balance.credits).toBe(grants.reduce((sum, { credits }) => sum + credits, 0))
  })

  test('follows charges, refunds and time', async () => {
    const { database, getBalance, createMediaTask, updateMediaTaskById } = await withGrants(
      { id: 'a', credits: 5, expiresAt: inDays(1) },
      { id: 'b', credits: 5, expiresAt: inDays(2) },
    )
    const seen = async () =>
      (await getBalance('u')).grants.map(({ creditId, remaining, granted }) => [creditId, remaining, granted])
    await createMediaTask(task('t', 'u'), 7)
    expect(await seen()).toEqual([['b', 3, 5]])
    await updateMediaTaskById('t', { status: 'failed' })
    expect(await seen()).toEqual([
      ['a', 5, 5],
      ['b', 5, 5],
    ])
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'a'", inDays(-1))
    expect(await seen()).toEqual([['b', 5, 5]])
  })

  test('agrees with the other functions for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const { getBalance, getRemainingCredits, quoteCredits } = database.credits
    const users = await database.sql('SELECT id FROM "user"')
    expect(users.length).toBeGreaterThan(25)
    for (const { id } of users) {
      const { credits, grants, nextExpiry } = await getBalance(id)
      expect(credits).toBe(await getRemainingCredits(id))
      expect(grants.reduce((sum, { remaining }) => sum + remaining, 0)).toBe(credits)
      const quote = await quoteCredits(id, Math.max(credits, 1))
      expect(quote).toMatchObject({ available: credits, nextExpiry })
      expect(quote.draws.map(({ creditId }) => creditId)).toEqual(grants.map(({ creditId }) => creditId))
    }
  })

  test('shows one moment while other callers charge', async () => {
    const { getBalance, consumeCredits } = await withGrants({ credits: 40 }, { credits: 40 }, { credits: 40 })
    const calls = Array.from({ length: 40 }, () => [
      consumeCredits({ userId: 'u', credits: 3 }),
      getBalance('u'),
    ])
    const balances = (await Promise.all(calls.flat())).filter((answer) => 'grants' in answer)
    expect(balances.length).toBe(40)
    for (const { credits, grants } of balances) {
      expect(credits % 3).toBe(0)
      expect(grants.reduce((sum, { remaining }) => sum + remaining, 0)).toBe(credits)
    }
    expect(await getBalance('u')).toEqual(NOTHING)
  })

  postgres.test('shows a grant that expires at infinity as one that never expires', async () => {
    const { database, getBalance } = await withGrants({ id: 'g', credits: 5 })
    await database.sql("UPDATE credit SET expires_at = 'infinity'")
    const { credits, grants, nextExpiry } = await getBalance('u')
    expect({ credits, nextExpiry }).toEqual({ credits: 5, nextExpiry: null })
    expect(grants).toMatchObject([{ creditId: 'g', expiresAt: null }])
  })
})

test.each([
  ['no userId', undefined],
  ['null as userId', null],
  ['an empty userId', ''],
  ['a number as userId', 5],
  ['a long userId', 'u'.repeat(256)],
  ['a userId with NUL', 'u\0'],
  ['an object as userId', { userId: 'u' }],
  ['a list as userId', ['u']],
  ['a Date as userId', new Date()],
  ['a symbol as userId', Symbol('u')],
])('getBalance and getStatement refuse %s', async (_, userId) => {
  const { database, getBalance, getStatement } = await withGrants({ credits: 5 })
  for (const call of [getBalance, getStatement]) {
    const error = await refusal(database, () => call(userId))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId', retryable: false })
  }
})
