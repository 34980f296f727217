'use strict'

const { findings } = require('../helpers/books')
const { staysSound } = require('../helpers/calls')
const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')

TestDatabase.reuse()
staysSound()

// Whole seconds, which each database stores.
const NOW = Math.floor(Date.now() / 1000) * 1000
const inDays = (days) => new Date(NOW + days * DAY_MS)

/** The new grant in place of an expired grant of 100; both belong to one order and subscription. */
async function withRegrant() {
  const database = await TestDatabase.fresh()
  await database.user('u', {
    ...{ id: 'g', credits: 100, orderNo: 'o', subscriptionNo: 's', expiresAt: inDays(1) },
  })
  await database.credits.createMediaTask(task('t', 'u'), 100)
  await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", inDays(-1))
  const failed = await database.credits.updateMediaTaskById(
    't',
    { status: 'failed' },
    { refundPolicy: { regrantDays: 7 } },
  )
  expect(failed.refund).toMatchObject({ credits: 100, spendable: 100 })
  return database
}

/** The final balance; an audit finds nothing. */
async function balance({ credits }) {
  expect(await findings(credits)).toEqual([])
  return credits.getRemainingCredits('u')
}

describe('regranted credits are spent once:', () => {
  test('a grant that is extended after its end does not get them back', async () => {
    const database = await withRegrant()
    for (const days of [30, 40, -1, 50]) {
      await database.credits.extendGrant('g', inDays(days))
      expect(await balance(database)).toBe(100)
    }
    await database.credits.consumeCredits({ userId: 'u', credits: 100 })
    expect(await balance(database)).toBe(0)
  })

  test('a late renewal carries them over once', async () => {
    const database = await withRegrant()
    const period = { userId: 'u', subscriptionNo: 's', credits: 10, rollover: { atMost: 1000 } }
    const first = { ...period, periodEnd: inDays(30), transactionNo: 'first' }
    expect(await database.credits.renewGrants(first)).toMatchObject({
      rollover: { carried: 100, writtenOff: 100 },
    })
    expect(await balance(database)).toBe(110)
    const second = { ...period, periodEnd: inDays(60), transactionNo: 'second' }
    expect(await database.credits.renewGrants(second)).toMatchObject({
      rollover: { carried: 110, writtenOff: 0 },
    })
    expect(await balance(database)).toBe(120)
  })

  test.each([
    ['order', { orderNo: 'o' }],
    ['grant', { creditId: 'g' }],
    ['subscription', { subscriptionNo: 's' }],
  ])('the %s of a payment that is charged back has them', async (_, target) => {
    const database = await withRegrant()
    const { revokeGrants, restoreGrants } = database.credits
    const part = await revokeGrants(target, { total: 40, transactionNo: 'refund' })
    expect(part).toEqual({ revoked: 40, spent: 0, outstanding: 0, remaining: 60 })
    expect(await balance(database)).toBe(60)
    const all = await revokeGrants(target, { transactionNo: 'dispute' })
    expect(all).toEqual({ revoked: 100, spent: 0, outstanding: 0, remaining: 0 })
    expect(await balance(database)).toBe(0)
    expect(await restoreGrants('dispute')).toEqual({ ...part })
    expect(await balance(database)).toBe(60)
    expect(await restoreGrants('refund')).toMatchObject({ revoked: 0, remaining: 100 })
    expect(await balance(database)).toBe(100)
  })

  test('the spent ones are outstanding after a revocation', async () => {
    const database = await withRegrant()
    await database.credits.consumeCredits({ userId: 'u', credits: 70 })
    const all = await database.credits.revokeGrants({ orderNo: 'o' }, { transactionNo: 'dispute' })
    expect(all).toEqual({ revoked: 30, spent: 70, outstanding: 70, remaining: 0 })
    expect(await balance(database)).toBe(0)
  })
})

test('the key of an unconfirmed top-up belongs to no grant', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 5)
  const { abandonTopUp, claimTopUp, confirmTopUp, createCredit } = database.credits
  const topUp = { userId: 'u', credits: 100, transactionNo: 'k' }
  await claimTopUp({ ...topUp, below: 10 })
  const grant = () => createCredit(topUp, { replay: true })
  expect(await refusal(database, grant)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
  await confirmTopUp('k')
  expect(await grant()).toMatchObject({ status: 'active', replayed: true })
  await claimTopUp({ ...topUp, below: 1000, transactionNo: 'l' })
  await abandonTopUp('l')
  const other = () => createCredit({ ...topUp, transactionNo: 'l' }, { replay: true })
  expect(await refusal(database, other)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
})
