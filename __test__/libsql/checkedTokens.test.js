'use strict'

/** Tokens that a libSQL server checks: read-only ones, and expired ones. */

const { connect } = require('../..')
const { cliOn } = require('../helpers/cli')
const { staysSound, unchanging } = require('../helpers/calls')
const { task } = require('../helpers/database')
const { describeWithSqld } = require('../helpers/sqld')
const { HOUR_S, withTokens } = require('../helpers/tokens')

staysSound()

async function withUser() {
  const { database, token } = await withTokens()
  await database.user('u', 100)
  await database.credits.createMediaTask(task('t', 'u'), 10)
  return { database, token }
}

describeWithSqld('a read-only token', () => {
  const prepared = unchanging(withUser)
  let credits
  beforeAll(() => {
    const { database, token } = prepared()
    credits = connect({ url: database.url, authToken: token({ a: 'ro' }) })
  })
  afterAll(() => credits.close())

  test('can read', async () => {
    expect(await credits.getRemainingCredits('u')).toBe(90)
    expect(await credits.findMediaTaskById('t')).toMatchObject({ id: 't', userId: 'u' })
    expect((await credits.getStatement('u')).entries.map((entry) => entry.credits)).toEqual([100, -10])
  })

  test.each([
    ['consumeCredits', () => credits.consumeCredits({ userId: 'u', credits: 1 })],
    ['createCredit', () => credits.createCredit({ userId: 'u', credits: 1, transactionScene: 'gift' })],
    ['createMediaTask', () => credits.createMediaTask(task('new', 'u'), 1)],
    ['updateMediaTaskById', () => credits.updateMediaTaskById('t', { status: 'failed' })],
    ['refundCredits', async () => credits.refundCredits((await credits.findMediaTaskById('t')).creditId)],
    ['createTables', () => credits.createTables()],
  ])('makes %s reject with the remedy, and writes nothing', async (_, call) => {
    const error = await call().catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: 'SQLITE_READONLY', retryable: false })
    expect(error.message).toContain('the token may only read (403): make one that may write')
  })

  test('is reported by doctor as a problem', async () => {
    const { database, token } = prepared()
    expect(await credits.getDiagnostics()).toMatchObject({ answersWrites: false })
    const url = `${database.url}?authToken=${token({ a: 'ro' })}`
    const { code, json } = await cliOn({ url }, 'doctor', '--json')
    const { status, message } = json.checks.find(({ name }) => name === 'writes')
    expect([code, status]).toEqual([1, 'problem'])
    expect(message).toContain('the token may only read')
    const whole = await cliOn({ url: `${database.url}?authToken=${token()}` }, 'doctor', '--json')
    expect(whole.json.checks.find(({ name }) => name === 'writes').status).toBe('ok')
  })
})

describeWithSqld('two tokens for one database in a process', () => {
  /** How long a server accepts a token after its expiry, because clocks differ. */
  const GRACE_S = 60

  test('an expired one is refused, and the other one still works', async () => {
    const { database, token } = await withUser()
    const now = Math.floor(Date.now() / 1000)
    const [short, long] = [now - GRACE_S + 5, now + HOUR_S].map((exp) =>
      connect({ url: database.url, authToken: token({ exp }) }),
    )
    const charge = (credits) => credits.consumeCredits({ userId: 'u', credits: 10 })
    await charge(short)
    // Only the server knows when the token is refused.
    let refusal
    while (!refusal) {
      refusal = await short.getRemainingCredits('u').then(
        () => undefined,
        (error) => error,
      )
      expect(await long.getRemainingCredits('u')).toBe(80)
    }
    expect(refusal).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(refusal.message).toContain('it may have expired: make a new one')
    expect(await charge(short).catch(({ code }) => code)).toBe('DATABASE_UNAVAILABLE')
    await charge(long)
    expect(await long.getRemainingCredits('u')).toBe(70)
    expect((await short.stats()).operations.consumeCredits).toMatchObject({
      done: 1,
      failed: { DATABASE_UNAVAILABLE: 1 },
    })
    expect((await long.stats()).operations.consumeCredits).toMatchObject({ done: 1, failed: {} })
    await Promise.all([short.close(), long.close()])
  })
})
