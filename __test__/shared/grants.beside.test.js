'use strict'

const { appCharge } = require('../helpers/app')
const { staysSound } = require('../helpers/calls')
const { TestDatabase, DAY_MS, refusal } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')
const { draws, remaining } = require('../helpers/rows')

// Limits, scenes, top-ups and renewals beside the app's own code, and in processes that are killed.

TestDatabase.reuse()
staysSound()

const NOW = Math.floor(Date.now() / 1000) * 1000
const inDays = (days) => new Date(NOW + days * DAY_MS)
const RENEWAL = {
  ...{ userId: 'u', subscriptionNo: 's', id: 'p1', credits: 100, transactionNo: 'invoice' },
  ...{ periodEnd: inDays(30), rollover: { atMost: 20 } },
}

/** User `u` has 50 credits as a gift, which are drawn first, and 50 of a subscription's first period. */
async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user(
    'u',
    { id: 'gift', credits: 50, expiresAt: inDays(1), transactionScene: 'gift' },
    { id: 'p0', credits: 50, expiresAt: inDays(2), transactionScene: 'payment', subscriptionNo: 's' },
  )
  return database
}

describe("a charge by the app's own client", () => {
  test('counts for a limit', async () => {
    const database = await withUser()
    const { consumeCredits } = database.credits
    const options = { limits: [{ credits: 30, per: 'day', since: new Date(NOW - DAY_MS / 2) }] }
    await consumeCredits({ userId: 'u', credits: 5 }, options)
    await appCharge(database, 'u', 20)
    const over = () => consumeCredits({ userId: 'u', credits: 6 }, options)
    expect(await refusal(database, over)).toMatchObject({ code: 'SPENDING_LIMIT', spent: 25, limit: 30 })
    await consumeCredits({ userId: 'u', credits: 5 }, options)
  })

  test('of gifts leaves less for a charge of gifts', async () => {
    const database = await withUser()
    await appCharge(database, 'u', 45)
    const gifts = { scenes: ['gift'] }
    const charge = (credits) => database.credits.consumeCredits({ userId: 'u', credits }, gifts)
    expect(await refusal(database, () => charge(6))).toMatchObject({ available: 5, balance: 55 })
    const { id } = await charge(5)
    expect(await draws(database, id)).toEqual([['gift', 5]])
  })

  test('succeeds beside a top-up, which can be spent once it is confirmed', async () => {
    const database = await withUser()
    const { claimTopUp, confirmTopUp } = database.credits
    await appCharge(database, 'u', 85)
    const claim = { userId: 'u', below: 20, credits: 40, transactionNo: 'k', expiresAt: inDays(9) }
    const { credit } = await claimTopUp(claim)
    await expect(appCharge(database, 'u', 16)).rejects.toThrow('Insufficient credits')
    await confirmTopUp('k')
    await appCharge(database, 'u', 16)
    expect(await remaining(database)).toEqual({ gift: 0, p0: 0, [credit.id]: 39 })
  })

  test('before a renewal leaves less to carry over, and one after it draws on the carried credits', async () => {
    const database = await withUser()
    await appCharge(database, 'u', 60)
    const { rollover } = await database.credits.renewGrants(RENEWAL)
    expect(rollover).toEqual({ carried: 20, writtenOff: 20 })
    await appCharge(database, 'u', 30)
    expect(Object.values(await remaining(database)).reduce((sum, left) => sum + left)).toBe(90)
  })
})

describe('after kill -9 of', () => {
  /** Runs calls in a process that dies after the fifth answer. */
  const dying = async (database, call) => {
    const source = `let left = 5
      const call = () => ${call}.then(() => { if (--left === 0) process.kill(process.pid, 'SIGKILL') }, () => {})
      Promise.all(Array.from({ length: 40 }, call))`
    expect((await evaluate(source, { DATABASE_URL: database.url })).signal).toBe('SIGKILL')
  }

  test('a process that charges within a limit, each charge is whole, and the limit holds for the next process', async () => {
    const database = await withUser()
    const options = { limits: [{ credits: 20, per: 'month', since: new Date(NOW - 1000) }] }
    const said = `{ limits: [{ credits: 20, per: 'month', since: new Date(${NOW - 1000}) }] }`
    await dying(database, `credits.consumeCredits({ userId: 'u', credits: 2 }, ${said})`)
    const settled = await Promise.allSettled(
      Array.from({ length: 12 }, () => database.credits.consumeCredits({ userId: 'u', credits: 2 }, options)),
    )
    for (const { reason } of settled) if (reason) expect(reason.code).toBe('SPENDING_LIMIT')
    expect(await database.credits.getRemainingCredits('u')).toBe(80)
  })

  test('a process that charges only gifts, only gifts are drawn', async () => {
    const database = await withUser()
    await dying(database, "credits.consumeCredits({ userId: 'u', credits: 2 }, { scenes: ['gift'] })")
    const left = await remaining(database)
    expect(left.p0).toBe(50)
    expect(left.gift).toBeLessThanOrEqual(40)
    expect(left.gift % 2).toBe(0)
  })
})

test('held adds up many holds', async () => {
  const database = await withUser()
  const { consumeCreditsBatch, getBalance, keepCharge, releaseHolds } = database.credits
  await database.credits.createCredit({ userId: 'u', credits: 1000 })
  const holds = (holdUntil) => Array.from({ length: 300 }, () => ({ userId: 'u', credits: 1, holdUntil }))
  const made = await consumeCreditsBatch(holds(inDays(1)), { atomic: true })
  await consumeCreditsBatch(holds(undefined), { atomic: true })
  expect(await getBalance('u')).toMatchObject({ credits: 500, held: 300 })
  await keepCharge(made[0].id)
  expect(await getBalance('u')).toMatchObject({ credits: 500, held: 299 })
  expect(await releaseHolds()).toMatchObject({ charges: [] })
})
