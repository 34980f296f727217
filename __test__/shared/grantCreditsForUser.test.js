'use strict'

const { TestDatabase, DAY_MS, refusal } = require('../helpers/database')
const { atOnce, counted, staysSound, writingNothing } = require('../helpers/calls')
const { until } = require('../helpers/callers')

TestDatabase.reuse()

const USER = { id: 'u', email: 'u@example.test', name: 'U', emailVerified: true }

/** User `u` without credits. */
async function withUser(options) {
  const database = await TestDatabase.fresh(options)
  await database.user('u')
  return { database, grant: database.credits.grantCreditsForUser }
}

staysSound()

describe('grantCreditsForUser writes', () => {
  test('the row that the app’s model writes', async () => {
    const { database, grant } = await withUser()
    const before = Date.now()
    const row = await grant({ user: USER, credits: 50, validDays: 30, description: 'welcome' })
    expect(row).toMatchObject({
      id: expect.any(String),
      userId: 'u',
      userEmail: 'u@example.test',
      orderNo: '',
      subscriptionNo: '',
      transactionNo: expect.stringMatching(/^\d+$/),
      transactionType: 'grant',
      transactionScene: 'gift',
      credits: 50,
      remainingCredits: 50,
      description: 'welcome',
      status: 'active',
      deletedAt: null,
      consumedDetail: null,
      metadata: null,
    })
    expect(row.expiresAt.getTime()).toBeGreaterThan(before + 29.9 * DAY_MS)
    expect(row.expiresAt.getTime()).toBeLessThan(Date.now() + 30.1 * DAY_MS)
    expect(row).not.toHaveProperty('replayed')
    const [stored] = await database.sql('SELECT * FROM credit')
    expect(stored).toMatchObject({
      id: row.id,
      user_email: 'u@example.test',
      order_no: '',
      transaction_scene: 'gift',
      expires_at: row.expiresAt.getTime(),
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
  })

  test.each([[undefined], [null], [0], [-5], [-0.5]])(
    'a grant that never expires, with %p valid days',
    async (validDays) => {
      const { database, grant } = await withUser()
      expect((await grant({ user: USER, credits: 5, validDays })).expiresAt).toBe(null)
      expect(await database.sql('SELECT expires_at FROM credit')).toEqual([{ expires_at: null }])
    },
  )

  test.each([[undefined], [null], ['']])('a default description for %p', async (description) => {
    const { grant } = await withUser()
    expect((await grant({ user: USER, credits: 5, description })).description).toBe('grant credits')
  })

  test.each([
    ['no email', { id: 'u' }],
    ['null as email', { id: 'u', email: null }],
    ['a frozen user', Object.freeze({ ...USER, email: null })],
  ])('for a user with %s', async (_, user) => {
    const { grant } = await withUser()
    expect(await grant({ user, credits: 5 })).toMatchObject({ userId: 'u', userEmail: null })
  })

  test('other columns that are passed', async () => {
    const { database, grant } = await withUser()
    await database.sql('ALTER TABLE credit ADD COLUMN campaign text')
    const more = {
      id: 'mine',
      transactionNo: '4711',
      transactionScene: 'award',
      orderNo: 'o1',
      subscriptionNo: 's1',
      metadata: { a: 1 },
      campaign: 'spring',
    }
    const row = await grant({ user: USER, credits: 5, ...more })
    expect(row).toMatchObject({ ...more, metadata: '{"a":1}' })
  })

  // A parameter without effect would be trusted: the grant would never expire although an expiry was meant.
  test.each([
    ['expiresAt', new Date('2027-01-01T00:00:00.000Z')],
    ['userEmail', 'other@example.test'],
    ['userId', 'v'],
  ])('%s as it is passed, or refuses it', async (field, value) => {
    const { database, grant } = await withUser()
    await database.user('v')
    const outcome = await grant({ user: { id: 'u' }, credits: 5, [field]: value }).catch((error) => error)
    const [stored] = await database.credits.getCredits()
    expect(outcome.code ? outcome.field : stored[field]).toEqual(outcome.code ? field : value)
  })
})

describe('grantCreditsForUser writes nothing, and returns undefined, for', () => {
  test.each([[0], [-0], [-1], [-1.5], [-Infinity]])('%p credits', async (credits) => {
    const { database, grant } = await withUser()
    for (const user of [USER, { id: 'nobody' }]) {
      const call = () => grant({ user, credits, validDays: 5, transactionNo: 'n', replay: true })
      expect(await writingNothing(database, call)).toBe(undefined)
    }
  })
})

test('grantCreditsForUser refuses an unknown user', async () => {
  const { database, grant } = await withUser()
  const error = await refusal(database, () => grant({ user: { id: 'nobody' }, credits: 5 }))
  expect(error).toMatchObject({ code: 'USER_NOT_FOUND', userId: 'nobody', retryable: false })
})

describe('grantCreditsForUser with transactionNo', () => {
  const keyed = { user: USER, credits: 5, transactionNo: 'order 1', description: 'bought', validDays: 30 }

  test.each([
    ['as a field', (grant, more) => grant({ ...keyed, replay: true, ...more })],
    ['as an option', (grant, more) => grant({ ...keyed, ...more }, { replay: true })],
  ])('and replay %s is written once, and is the same row again', async (_, call) => {
    const { database, grant } = await withUser()
    const first = await call(grant)
    expect(first).toMatchObject({ transactionNo: 'order 1', credits: 5 })
    expect(first).not.toHaveProperty('replayed')
    const again = await writingNothing(database, () => call(grant))
    expect(again).toEqual({ ...first, replayed: true })
    const other = () => call(grant, { credits: 6 })
    expect(await refusal(database, other)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
    await database.user('v')
    const others = () => call(grant, { user: { id: 'v' } })
    expect(await refusal(database, others)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
  })

  test('uses the option if both are passed', async () => {
    const { grant } = await withUser()
    await grant(keyed)
    expect(await grant({ ...keyed, replay: false }, { replay: true })).toMatchObject({ replayed: true })
  })

  test.each([[undefined], [null], [false]])(
    'and without replay (%p) is refused the second time',
    async (replay) => {
      const { database, grant } = await withUser()
      await grant(keyed)
      const error = await refusal(database, () => grant({ ...keyed, replay }))
      expect(error).toMatchObject({ code: 'CREDIT_EXISTS', field: 'transactionNo', value: 'order 1' })
    },
  )

  test('is written once for twenty concurrent calls', async () => {
    const { database, grant } = await withUser()
    const settled = await atOnce(20, () => grant({ ...keyed, replay: true }))
    expect(counted(settled)).toEqual({ accepted: 1, replayed: 19 })
    expect(await database.credits.getRemainingCredits('u')).toBe(5)
  })
})

test('grantCreditsForUser emits no charge or refusal, is counted as createCredit, and raises the balance', async () => {
  // One connection, so that calls are answered in order.
  const { database, grant } = await withUser({ maxConnections: 1 })
  const { on, consumeCredits, stats } = database.credits
  const [told, low] = [[], []]
  for (const name of ['charged', 'refunded', 'refused']) on(name, (event) => told.push([name, event]))
  on('balance-low', { below: 20 }, (event) => low.push(event))
  await grant({ user: USER, credits: 30 })
  await grant({ user: USER, credits: 0 })
  await refusal(database, () => grant({ user: { id: 'nobody' }, credits: 5 }))
  await refusal(database, () => grant({ user: USER, credits: 5, validDays: 'x' }))
  expect(told).toEqual([])
  expect((await stats()).operations.createCredit).toEqual({
    done: 1,
    refused: { USER_NOT_FOUND: 1 },
    failed: {},
  })
  await consumeCredits({ userId: 'u', credits: 15 })
  await until(() => low.length === 1)
  await grant({ user: USER, credits: 30 })
  await consumeCredits({ userId: 'u', credits: 40 })
  await until(() => low.length === 2)
  expect(low.map(({ balance }) => balance)).toEqual([15, 5])
})
