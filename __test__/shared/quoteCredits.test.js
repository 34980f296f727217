'use strict'

const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow, draws } = require('../helpers/rows')

TestDatabase.reuse()

const now = Date.now()
const inDays = (days) => new Date(now + days * DAY_MS)

/** In draw order, with a grant of each kind that can't be spent. */
const GRANTS = [
  { id: 'expired', credits: 10, expiresAt: inDays(-1) },
  { id: 'marked expired', credits: 10, expiresAt: inDays(1), status: 'expired' },
  { id: 'deleted', credits: 10, expiresAt: null, status: 'deleted' },
  { id: 'soon', credits: 5, expiresAt: inDays(1) },
  { id: 'soon too', credits: 7, expiresAt: inDays(1) },
  { id: 'later', credits: 8, expiresAt: inDays(2) },
  { id: 'never', credits: 20, expiresAt: null },
]
const BALANCE = 40

async function withGrants(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants.map((grant, at) => ({ transactionNo: `no ${at}`, ...grant })))
  return { database, quote: database.credits.quoteCredits }
}

describe('quoteCredits', () => {
  test.each([1, 5, 6, 12, 13, 20, 21, 40])(
    'of %d returns the draws of the charge that follows',
    async (credits) => {
      const { database, quote } = await withGrants(...GRANTS)
      const { sufficient, required, available, draws: quoted } = await quote('u', credits)
      expect({ sufficient, required, available }).toEqual({
        sufficient: true,
        required: credits,
        available: BALANCE,
      })
      const charge = await database.credits.consumeCredits({ userId: 'u', credits })
      expect(quoted).toEqual(
        JSON.parse(charge.consumedDetail).map((draw) => ({
          creditId: draw.creditId,
          transactionNo: draw.transactionNo,
          credits: draw.creditsConsumed,
          expiresAt: draw.expiresAt && new Date(draw.expiresAt),
        })),
      )
      expect((await quote('u', 1)).available).toBe(BALANCE - credits)
      expect(await violations(database)).toEqual([])
    },
  )

  test('returns all fields', async () => {
    const { quote } = await withGrants(...GRANTS)
    expect(await quote('u', 22)).toEqual({
      sufficient: true,
      required: 22,
      available: BALANCE,
      draws: [
        { creditId: 'soon', transactionNo: 'no 3', credits: 5, expiresAt: inDays(1) },
        { creditId: 'soon too', transactionNo: 'no 4', credits: 7, expiresAt: inDays(1) },
        { creditId: 'later', transactionNo: 'no 5', credits: 8, expiresAt: inDays(2) },
        { creditId: 'never', transactionNo: 'no 6', credits: 2, expiresAt: null },
      ],
      nextExpiry: { expiresAt: inDays(1), credits: 12 },
    })
  })

  test.each([41, 2_147_483_647])('of %d, more than the balance, returns no draws', async (credits) => {
    const { database, quote } = await withGrants(...GRANTS)
    expect(await quote('u', credits)).toEqual({
      sufficient: false,
      required: credits,
      available: BALANCE,
      draws: [],
      nextExpiry: { expiresAt: inDays(1), credits: 12 },
    })
    const call = () => database.credits.consumeCredits({ userId: 'u', credits })
    const expected = { code: 'INSUFFICIENT_CREDITS', required: credits, available: BALANCE }
    expect(await refusal(database, call)).toMatchObject(expected)
  })

  test.each([
    ['an unknown user', 'nobody', []],
    ['a user without grants', 'u', []],
    ['a user whose grants can not be spent', 'u', GRANTS.slice(0, 3)],
  ])('of %s finds nothing', async (_, userId, grants) => {
    const { quote } = await withGrants(...grants)
    const nothing = { sufficient: false, required: 5, available: 0, draws: [], nextExpiry: null }
    expect(await quote(userId, 5)).toEqual(nothing)
  })

  test("does not count another user's grants", async () => {
    const { database, quote } = await withGrants({ credits: 5, expiresAt: null })
    await database.user('v', ...GRANTS.map(({ id: _, ...grant }) => grant))
    expect(await quote('u', 6)).toMatchObject({ sufficient: false, available: 5, nextExpiry: null })
  })

  test.each([
    ['only grants that never expire', [{ credits: 5, expiresAt: null }], 5, null],
    [
      'several expiries',
      [
        { credits: 5, expiresAt: inDays(3) },
        { credits: 6, expiresAt: inDays(2) },
        { credits: 7, expiresAt: null },
      ],
      18,
      { expiresAt: inDays(2), credits: 6 },
    ],
    [
      'many grants',
      Array(25).fill({ credits: 4, expiresAt: inDays(9) }),
      100,
      { expiresAt: inDays(9), credits: 100 },
    ],
    [
      'more than any charge takes',
      [{ credits: 2_147_483_647 }, { credits: 2_147_483_647 }].map((grant) => ({
        ...grant,
        expiresAt: inDays(1),
      })),
      4_294_967_294,
      { expiresAt: inDays(1), credits: 4_294_967_294 },
    ],
  ])('sees %s', async (_, grants, available, nextExpiry) => {
    const { quote } = await withGrants(...grants)
    expect(await quote('u', 5)).toMatchObject({ sufficient: true, available, nextExpiry })
  })

  test('of the whole balance is sufficient', async () => {
    const { quote } = await withGrants({ credits: 5 }, { credits: 5 })
    expect(await quote('u', 10)).toMatchObject({ sufficient: true, available: 10 })
    expect(await quote('u', 11)).toMatchObject({ sufficient: false, available: 10 })
  })

  test('omits grants that are used up, and has them again after a refund', async () => {
    const { database, quote } = await withGrants(
      { id: 'a', credits: 5, expiresAt: inDays(1) },
      { id: 'b', credits: 5, expiresAt: inDays(2) },
    )
    const seen = async () => {
      const { available, draws, nextExpiry } = await quote('u', 3)
      return { available, from: draws.map(({ creditId }) => creditId), expires: nextExpiry.expiresAt }
    }
    const fresh = { available: 10, from: ['a'], expires: inDays(1) }
    expect(await seen()).toEqual(fresh)
    await database.credits.createMediaTask(task('t', 'u'), 5)
    expect(await seen()).toEqual({ available: 5, from: ['b'], expires: inDays(2) })
    await database.credits.updateMediaTaskById('t', { status: 'failed' })
    expect(await seen()).toEqual(fresh)
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'a'", inDays(-1))
    expect(await seen()).toEqual({ available: 5, from: ['b'], expires: inDays(2) })
    expect(await violations(database)).toEqual([])
  })

  test('accepts a bigint', async () => {
    const { quote } = await withGrants({ credits: 5 })
    expect(await quote('u', 5n)).toMatchObject({ sufficient: true, required: 5 })
  })

  test('changes nothing in repeated calls', async () => {
    const { database, quote } = await withGrants(...GRANTS)
    const before = await database.everything()
    const all = await Promise.all(Array.from({ length: 50 }, (_, at) => quote('u', at + 1)))
    expect(all.filter(({ sufficient }) => sufficient).length).toBe(BALANCE)
    expect(await database.everything()).toEqual(before)
  })

  test('shows one moment while other callers charge', async () => {
    const { database, quote } = await withGrants({ credits: 30 }, { credits: 30 }, { credits: 30 })
    const calls = Array.from({ length: 40 }, () => [
      database.credits.consumeCredits({ userId: 'u', credits: 2 }),
      quote('u', 10),
    ])
    const answers = (await Promise.all(calls.flat())).filter((answer) => 'sufficient' in answer)
    expect(answers.length).toBe(40)
    for (const { sufficient, available, draws: drawn } of answers) {
      expect(available % 2).toBe(0)
      expect(sufficient).toBe(available >= 10)
      expect(drawn.reduce((total, { credits }) => total + credits, 0)).toBe(sufficient ? 10 : 0)
    }
    expect(await quote('u', 10)).toMatchObject({ sufficient: true, available: 10 })
    expect(await violations(database)).toEqual([])
  })

  test('agrees with a charge for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const before = await violations(database)
    const { quoteCredits, consumeCredits, getRemainingCredits } = database.credits
    const users = await database.sql(`SELECT id FROM "user" WHERE name LIKE 'user %'`)
    const outcomes = []
    for (const { id } of users) {
      const { sufficient, available, draws: quoted } = await quoteCredits(id, 20)
      expect(available).toBe(await getRemainingCredits(id))
      const charge = await consumeCredits({ userId: id, credits: 20 }).catch((error) => error)
      outcomes.push(sufficient)
      if (sufficient) {
        const drawn = quoted.map(({ creditId, credits }) => [creditId, credits])
        expect(drawn).toEqual(await draws(database, charge.id))
        expect((await creditRow(database, charge.id)).credits).toBe(-20)
      } else {
        expect(charge).toMatchObject({ code: 'INSUFFICIENT_CREDITS', available })
        expect(quoted).toEqual([])
      }
    }
    expect(new Set(outcomes)).toEqual(new Set([true, false]))
    expect(await violations(database)).toEqual(before)
  })
})
