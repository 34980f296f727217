'use strict'

const credits = require('../..')
const { evaluate } = require('../helpers/processes')

// Exports of the app's own model files that do not use the database.

const ENUMS = {
  CreditStatus: { ACTIVE: 'active', EXPIRED: 'expired', DELETED: 'deleted' },
  CreditTransactionType: { GRANT: 'grant', CONSUME: 'consume' },
  CreditTransactionScene: {
    PAYMENT: 'payment',
    SUBSCRIPTION: 'subscription',
    RENEWAL: 'renewal',
    GIFT: 'gift',
    AWARD: 'award',
    REWARD: 'reward',
  },
  AITaskStatus: {
    PENDING: 'pending',
    PROCESSING: 'processing',
    SUCCESS: 'success',
    FAILED: 'failed',
    CANCELED: 'canceled',
  },
}

describe.each(Object.entries(ENUMS))('%s', (name, members) => {
  test('has the app’s members', () => {
    expect(credits[name]).toEqual(members)
    expect(Object.keys(credits[name])).toEqual(Object.keys(members))
  })

  test('can not be changed', () => {
    const [first] = Object.keys(members)
    expect(Object.isFrozen(credits[name])).toBe(true)
    expect(() => (credits[name][first] = 'other')).toThrow(TypeError)
    expect(() => (credits[name].OTHER = 'other')).toThrow(TypeError)
    expect(() => delete credits[name][first]).toThrow(TypeError)
    expect(credits[name]).toEqual(members)
  })

  test('can be imported by its name', async () => {
    const { out } = await evaluate(
      `import(${JSON.stringify(require.resolve('../../lib/index.mjs'))})
        .then((all) => console.log(JSON.stringify(all.${name})))`,
    )
    expect(JSON.parse(out)).toEqual(members)
  })
})

/** The app's own function, unchanged. */
function appExpirationTime({ creditsValidDays, currentPeriodEnd }) {
  const now = new Date()
  if (!creditsValidDays || creditsValidDays <= 0) return null
  const expiresAt = new Date()
  if (currentPeriodEnd) expiresAt.setTime(currentPeriodEnd.getTime())
  else expiresAt.setDate(now.getDate() + creditsValidDays)
  return expiresAt
}

describe('calculateCreditExpirationTime', () => {
  const { calculateCreditExpirationTime } = credits
  const PERIOD_END = new Date('2027-03-01T12:00:00.000Z')

  afterEach(() => jest.useRealTimers())

  test.each([[0], [-1], [-0.5], [undefined], [null], [NaN], [-Infinity]])(
    'returns null for %p days with each period',
    (creditsValidDays) => {
      for (const currentPeriodEnd of [undefined, null, PERIOD_END]) {
        expect(calculateCreditExpirationTime({ creditsValidDays, currentPeriodEnd })).toBe(null)
      }
    },
  )

  test.each([1, 30, 0.5])('returns the end of the period for %p days', (creditsValidDays) => {
    const currentPeriodEnd = new Date(PERIOD_END)
    const found = calculateCreditExpirationTime({ creditsValidDays, currentPeriodEnd })
    expect(found).toEqual(PERIOD_END)
    // Another Date: changing it does not change the subscription.
    found.setTime(0)
    expect(currentPeriodEnd).toEqual(PERIOD_END)
  })

  test.each([
    ['2026-01-31T10:20:30.400Z', 1],
    ['2026-01-31T10:20:30.400Z', 30],
    ['2028-02-28T23:59:59.999Z', 1],
    ['2027-02-28T00:00:00.000Z', 1],
    ['2026-12-31T23:59:59.999Z', 365],
    ['2026-11-28T12:00:00.000Z', 7],
    ['2026-11-28T12:00:00.000Z', 36_500],
    ['2026-11-28T12:00:00.000Z', 1.9],
    ['2026-11-28T12:00:00.000Z', 0.5],
  ])('at %s, for %p days, returns what the app does', (now, creditsValidDays) => {
    jest.useFakeTimers({ now: new Date(now) })
    const found = calculateCreditExpirationTime({ creditsValidDays })
    expect(found).toEqual(appExpirationTime({ creditsValidDays }))
    expect(found).toEqual(calculateCreditExpirationTime({ creditsValidDays, currentPeriodEnd: null }))
    const expected = new Date(now)
    expected.setDate(expected.getDate() + creditsValidDays)
    expect(found).toEqual(expected)
  })

  // A calendar day, at the same time of day: it may have 23 or 25 hours.
  test.each([
    ['Europe/Berlin', '2026-10-20T10:00:00.000Z', 7, '2026-10-27T11:00:00.000Z'],
    ['Europe/Berlin', '2026-03-28T11:30:00.000Z', 1, '2026-03-29T10:30:00.000Z'],
    ['America/New_York', '2026-10-31T16:00:00.000Z', 2, '2026-11-02T17:00:00.000Z'],
    ['America/New_York', '2026-01-31T05:30:00.000Z', 28, '2026-02-28T05:30:00.000Z'],
    ['Pacific/Auckland', '2026-11-28T10:59:00.000Z', 365, '2027-11-28T10:59:00.000Z'],
    ['UTC', '2026-10-20T10:00:00.000Z', 7, '2026-10-27T10:00:00.000Z'],
  ])('in %s at %s, for %i calendar days, returns %s', async (TZ, now, creditsValidDays, expected) => {
    const source = `
      const Real = Date
      globalThis.Date = class extends Real {
        constructor(...args) { args.length ? super(...args) : super('${now}') }
      }
      const options = { creditsValidDays: ${creditsValidDays} }
      console.log(credits.calculateCreditExpirationTime(options).toISOString())
      console.log((${appExpirationTime})(options).toISOString())`
    const { out } = await evaluate(source, { TZ })
    expect(out.split('\n')).toEqual([expected, expected])
  })
})

test('the module exports all of these, and each connection grants', async () => {
  const source = `console.log(JSON.stringify(Object.keys(credits).concat(Object.keys(credits.connect({ url: ':memory:' })))))`
  const names = JSON.parse((await evaluate(source)).out)
  const expected = [...Object.keys(ENUMS), 'calculateCreditExpirationTime', 'grantCreditsForUser']
  expect(names).toEqual(expect.arrayContaining(expected))
  expect(names.filter((name) => name === 'grantCreditsForUser')).toHaveLength(2)
})
