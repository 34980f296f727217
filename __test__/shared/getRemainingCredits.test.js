'use strict'

const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

describe('getRemainingCredits', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['empty text', ''],
    ['a number', 5],
    ['an object', { userId: 'u' }],
    ['256 characters', 'u'.repeat(256)],
    ['text with NUL', 'u\0'],
  ])('refuses %s', async (_, userId) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const before = await database.everything()
    const error = await database.credits.getRemainingCredits(userId).catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
    expect(await database.everything()).toEqual(before)
  })

  test('is 0 for a user without grants and for an unknown user', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await database.credits.getRemainingCredits('nobody')).toBe(0)
  })

  test('sums the credits that this user can spend now', async () => {
    const database = await TestDatabase.fresh()
    const [past, soon] = [-1000, DAY_MS].map((ms) => new Date(Date.now() + ms))
    await database.user(
      'u',
      { credits: 1, expiresAt: null },
      { credits: 20, expiresAt: soon },
      { credits: 300, expiresAt: soon },
      { credits: 4000, expiresAt: past },
      { credits: 50_000, status: 'expired' },
      { credits: 600_000, status: 'deleted' },
    )
    await database.user('v', 7_000_000)
    expect(await database.credits.getRemainingCredits('u')).toBe(321)
  })

  test('follows charges and refunds', async () => {
    const database = await TestDatabase.fresh()
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    await database.user('u', 50)
    await createMediaTask(task('t', 'u'), 15)
    expect(await getRemainingCredits('u')).toBe(35)
    await updateMediaTaskById('t', { status: 'failed' })
    expect(await getRemainingCredits('u')).toBe(50)
  })

  test('sees what another process writes', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
    await database.sql('UPDATE credit SET credits = 60, remaining_credits = 60')
    expect(await database.credits.getRemainingCredits('u')).toBe(60)
  })

  test('can exceed the maximum of one grant', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 2_147_483_647, 2_147_483_647)
    expect(await database.credits.getRemainingCredits('u')).toBe(4_294_967_294)
  })

  test('agrees with SQL for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const users = await database.sql('SELECT id FROM "user" ORDER BY id')
    const sums = await database.sql(
      `SELECT "user".id, COALESCE(SUM(remaining_credits), 0) AS balance FROM "user"
       LEFT JOIN credit ON user_id = "user".id AND transaction_type = 'grant' AND credit.status = 'active'
         AND (expires_at IS NULL OR expires_at > ?)
       GROUP BY "user".id ORDER BY "user".id`,
      new Date(),
    )
    const balances = await Promise.all(users.map(({ id }) => database.credits.getRemainingCredits(id)))
    expect(balances).toEqual(sums.map(({ balance }) => balance))
  })
})

describe('concurrent calls of getRemainingCredits', () => {
  test('see each charge as soon as it is made, and never a part of it', async () => {
    const database = await TestDatabase.fresh()
    const { createMediaTask, getRemainingCredits } = database.credits
    await database.user('u', ...Array(25).fill(40))
    const seen = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        const [before] = await Promise.all([
          getRemainingCredits('u'),
          createMediaTask(task(`t${at}`, 'u'), 20),
        ])
        return { before, after: await getRemainingCredits('u') }
      }),
    )
    for (const { before, after } of seen) {
      expect([before % 20, after % 20]).toEqual([0, 0])
      expect(after).toBeLessThanOrEqual(980)
      expect(after).toBeLessThanOrEqual(before)
    }
    expect(await getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })
})
