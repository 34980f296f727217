'use strict'

const { extend } = require('../../../cli/grants/extend')
const { renew } = require('../../../cli/grants/renew')
const { restore, revoke } = require('../../../cli/grants/revoke')
const { TestDatabase, DAY_MS } = require('../../helpers/database')

TestDatabase.reuse()

/** Numbers from 0 to below `most`, the same for the same seed. */
function numbers(seed) {
  let state = seed * 2_654_435_761 + 1
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
}

const inDays = (days) => ({ expiresAt: new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY_MS) })

/** The result of an action; `undefined` if the ledger refuses it, as the preview must then too. */
async function compare(credits, action, options, counts) {
  const seen = await action.look(credits, 'u', options).catch((error) => error)
  const result = await action.call(credits, 'u', options).catch((error) => error)
  if (result instanceof Error) {
    expect([seen.code, options]).toEqual([result.code, options])
    return
  }
  expect(seen).not.toBeInstanceOf(Error)
  counts.calls++
  expect([seen.writes, options]).toEqual([!result.replayed, options])
  if (seen.result === null || seen.result.rollover === null) return
  counts.known++
  expect([result, options]).toEqual([expect.objectContaining(seen.result), options])
}

test('a preview shows the result of revocations and restorations', async () => {
  const counts = { calls: 0, known: 0 }
  for (let seed = 0; seed < 40; seed++) {
    const pick = numbers(seed)
    const database = await TestDatabase.fresh()
    const { credits } = database
    const expiresAt = inDays(1).expiresAt
    await database.user('u', { id: 'a', credits: 60, orderNo: 'o', expiresAt }, { id: 'gift', credits: 30 })
    await credits.createCredit({ userId: 'u', id: 'b', credits: 40, orderNo: 'o', expiresAt: null })
    // Expired already, with credits left.
    const over = { userId: 'u', id: 'c', credits: 10, orderNo: seed % 2 ? 'o' : 'other' }
    await credits.createCredit({ ...over, expiresAt: inDays(-1).expiresAt })
    const charges = []
    const steps = [
      async () => {
        const charge = { userId: 'u', credits: 1 + pick(60) }
        charges.push(await credits.consumeCredits(charge).catch(() => undefined))
      },
      () => credits.refundCredits(charges.splice(pick(charges.length), 1)[0]?.id ?? 'none').catch(() => {}),
    ]
    const number = () => `r${pick(4)}`
    const target = () =>
      [{ order: 'o' }, { order: 'o' }, { order: 'o' }, { credit: 'a' }][pick(seed % 3 ? 3 : 4)]
    const revoked = () => {
      const total = [undefined, 1 + pick(50), 1 + pick(120)][pick(3)]
      const options = { ...target(), total, transactionNo: number(), ...(pick(2) && { recover: true }) }
      return compare(credits, revoke, options, counts)
    }
    steps.push(revoked, revoked, () => compare(credits, restore, { restore: number() }, counts))
    for (let step = 0; step < 12; step++) await steps[pick(steps.length)]()
    await TestDatabase.closeAll()
  }
  expect(counts.calls).toBeGreaterThan(120)
  expect(counts.known / counts.calls).toBeGreaterThan(0.7)
})

test('a preview shows the result of renewals and extensions', async () => {
  const counts = { calls: 0, known: 0 }
  for (let seed = 0; seed < 30; seed++) {
    const pick = numbers(seed)
    const database = await TestDatabase.fresh()
    const { credits } = database
    const paid = { credits: 50, subscriptionNo: 's' }
    await database.user('u', { ...paid, id: 'a', ...inDays(-2) }, { ...paid, id: 'b', ...inDays(1) }, 40)
    await credits.createCredit({ userId: 'u', id: 'c', credits: 9, subscriptionNo: 'old', ...inDays(-5) })
    for (let step = 0; step < 8; step++) {
      await credits.consumeCredits({ userId: 'u', credits: 1 + pick(30) }).catch(() => {})
      const number = pick(6)
      const options = {
        subscription: 's',
        credits: 30,
        transactionNo: `i${number}`,
        until: inDays(3 * number + (pick(5) ? 2 : 30)),
        ...(pick(3) && { rollover: [0, 20, 500][pick(3)] }),
        ...(pick(2) && { replaces: 'old' }),
      }
      if (options.rollover !== undefined && pick(2)) options.grace = [1, 4, 9][pick(3)] * DAY_MS
      await compare(credits, renew, options, counts)
      const extended = {
        extend: ['a', 'b', 'c', 'none'][pick(4)],
        until: pick(4) ? inDays(pick(4)) : { expiresAt: null },
      }
      const seen = await extend.look(credits, 'u', extended).catch((error) => error)
      if (pick(4)) continue
      const row = await extend.call(credits, 'u', extended).catch((error) => error)
      if (row instanceof Error) expect(seen.code).toBe(row.code)
      else expect(row).toEqual({ ...seen.result, metadata: row.metadata, updatedAt: row.updatedAt })
    }
    await TestDatabase.closeAll()
  }
  expect(counts.calls).toBeGreaterThan(120)
  expect(counts.known / counts.calls).toBeGreaterThan(0.5)
})

describe('a preview counts', () => {
  /** User `u` has 50 credits of a subscription, 10 of them spent, which expire in this many days. */
  async function withPeriod(subscriptionNo, days) {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'a', credits: 50, subscriptionNo, ...inDays(1) })
    const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 10 })
    if (days < 0)
      await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'a'", inDays(days).expiresAt)
    return { credits: database.credits, charge: id }
  }

  const period = (number, more) => ({
    ...{ subscription: 's', credits: 30, transactionNo: `i${number}` },
    ...{ until: inDays(30 * number), rollover: 20, ...more },
  })
  const all = (calls) => ({ calls, known: calls })

  test('credits that were written off', async () => {
    const { credits } = await withPeriod('s', 1)
    const counts = { calls: 0, known: 0 }
    await compare(credits, renew, period(1), counts)
    for (const [number, total] of [30, 40, undefined].entries()) {
      const options = { subscription: 's', total, transactionNo: `r${number}` }
      await compare(credits, revoke, options, counts)
    }
    for (const number of [2, 0]) await compare(credits, restore, { restore: `r${number}` }, counts)
    expect(counts).toEqual(all(6))
  })

  test('replaced subscriptions, also without replaces', async () => {
    const { credits } = await withPeriod('basic', 1)
    const counts = { calls: 0, known: 0 }
    await compare(credits, renew, period(1, { replaces: 'basic' }), counts)
    await compare(credits, renew, period(2), counts)
    await compare(credits, renew, period(3, { subscription: 'basic' }), counts)
    expect(counts).toEqual(all(3))
  })

  test.each([
    ['a new end', extend, { extend: 'a', until: inDays(9) }, { remainingCredits: 40 }],
    ['a renewal', renew, period(1, { rollover: 500 }), { rollover: { carried: 50, writtenOff: 10 } }],
  ])('what was granted anew: %s', async (_, action, options, expected) => {
    const { credits, charge } = await withPeriod('s', -1)
    await credits.refundCredits(charge, 10, { refundPolicy: { regrantDays: 9 } })
    expect((await action.look(credits, 'u', options)).result).toMatchObject(expected)
    expect(await action.call(credits, 'u', options)).toMatchObject(expected)
  })
})
