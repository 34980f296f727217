'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { addRows, charge, grant } = require('../helpers/books')
const { staysSound } = require('../helpers/calls')
const { creditRow, draws, remaining } = require('../helpers/rows')

staysSound()
TestDatabase.reuse()

const IN_A_DAY = new Date(Date.now() + 86_400_000)
// Whole seconds, which each database stores.
const A_DAY_AGO = new Date(Math.floor(Date.now() / 1000) * 1000 - 86_400_000)
const ORDER = { orderNo: 'order' }

/** User `u` has an order of 100 credits, of which a task `t` has cost 40, and 50 more of another one. */
async function withOrder() {
  const database = await TestDatabase.fresh()
  const paid = { transactionScene: 'payment' }
  await database.user(
    'u',
    { id: 'own', credits: 100, expiresAt: IN_A_DAY, orderNo: 'order', ...paid },
    { id: 'other', credits: 50, expiresAt: null, orderNo: 'another', ...paid },
  )
  await database.credits.createMediaTask(task('t', 'u'), 40)
  return database
}

const all = (standing) => ['revoked', 'spent', 'outstanding', 'remaining'].map((key) => standing[key])
const fail = ({ credits }) => credits.updateMediaTaskById('t', { status: 'failed' })

/** No audit finds anything, and the statement ends with the balance. */
async function isUnderstood({ credits }) {
  for await (const finding of credits.auditLedger()) throw new Error(finding.message)
  const { entries } = await credits.getStatement('u')
  expect(entries.at(-1).balance).toBe(await credits.getRemainingCredits('u'))
  return entries.map(({ type, credits }) => [type, credits])
}

describe('two orders of a user', () => {
  /** Each order is charged back or refunded in part; the rest of both can be spent. */
  test.each([
    ['none of it', { total: 0 }, 50],
    ['a part', { total: 10 }, 40],
    ['a part, from other grants too', { total: 10, recover: 'available' }, 40],
    ['all of it', {}, 0],
  ])('a chargeback of one stays when %s of the other is refunded', async (_, options, left) => {
    const database = await withOrder()
    const { revokeGrants, restoreGrants, getRemainingCredits } = database.credits
    const first = await revokeGrants(ORDER, { transactionNo: 'a' })
    expect(await getRemainingCredits('u')).toBe(50)
    await revokeGrants({ orderNo: 'another' }, { transactionNo: 'b', ...options })
    expect(await getRemainingCredits('u')).toBe(left)
    expect(await revokeGrants(ORDER, { transactionNo: 'a' })).toEqual({ ...first, replayed: true })
    await isUnderstood(database)
    await restoreGrants('b')
    expect(await getRemainingCredits('u')).toBe(50)
    await restoreGrants('a')
    expect(await getRemainingCredits('u')).toBe(110)
    await isUnderstood(database)
  })

  test.each([
    ['restored', ({ restoreGrants }) => restoreGrants('b')],
    ['refunded by a task', (credits) => fail({ credits })],
  ])('what one took from the other and is %s goes to what the other owes first', async (_, giveBack) => {
    const database = await withOrder()
    const { revokeGrants, getRemainingCredits } = database.credits
    // 40 of the order are spent, and taken from the other one, which then owes as much as it has and 30 more.
    await revokeGrants(ORDER, { transactionNo: 'b', recover: 'available' })
    expect(await getRemainingCredits('u')).toBe(10)
    const owes = await revokeGrants({ orderNo: 'another' }, { transactionNo: 'a', total: 40 })
    expect(owes).toMatchObject({ outstanding: 30, remaining: 0 })
    await giveBack(database.credits)
    const other = await revokeGrants({ orderNo: 'another' }, { transactionNo: 'a', total: 40 })
    expect(other).toMatchObject({ revoked: 40, outstanding: 0, remaining: 10 })
    await isUnderstood(database)
  })
})

test('a chargeback that is repeated after its credits were regranted changes nothing', async () => {
  const database = await withOrder()
  const { revokeGrants, restoreGrants } = database.credits
  await revokeGrants(ORDER, { transactionNo: 'a' })
  await restoreGrants('a')
  await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'own'", A_DAY_AGO)
  const policy = { refundPolicy: { regrantDays: 3 } }
  await database.credits.updateMediaTaskById('t', { status: 'failed' }, policy)
  expect(await revokeGrants(ORDER, { transactionNo: 'a' })).toMatchObject({ replayed: true })
})

const rowOf = async (database, number) => {
  const [row] = await database.sql('SELECT * FROM credit WHERE transaction_no = ?', number)
  return row
}

describe('a refund of a part', () => {
  test('is taken from the rest of the order', async () => {
    const database = await withOrder()
    const standing = await database.credits.revokeGrants(ORDER, {
      total: 30,
      transactionNo: 'r',
      reason: 'refunded',
    })
    expect(standing).toEqual({ revoked: 30, spent: 40, outstanding: 0, remaining: 30 })
    expect(await remaining(database)).toEqual({ own: 30, other: 50 })
    const row = await rowOf(database, 'r')
    expect(row).toMatchObject({
      user_id: 'u',
      transaction_type: 'consume',
      transaction_scene: 'chargeback',
      credits: -30,
      status: 'active',
      order_no: 'order',
    })
    expect(JSON.parse(row.metadata)).toMatchObject({ type: 'revocation', reason: 'refunded' })
    expect(await draws(database, row.id)).toEqual([['own', 30]])
    expect(await isUnderstood(database)).toContainEqual(['revocation', -30])
  })

  test('counts with the largest total, and not with the sum', async () => {
    const database = await withOrder()
    const { revokeGrants } = database.credits
    const totals = [30, 55, 20, 55, 60]
    const standings = []
    for (const [at, total] of totals.entries()) {
      standings.push(all(await revokeGrants(ORDER, { total, transactionNo: `r${at}` })))
    }
    expect(standings).toEqual([
      [30, 40, 0, 30],
      [55, 40, 0, 5],
      [55, 40, 0, 5],
      [55, 40, 0, 5],
      [60, 40, 0, 0],
    ])
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
    await isUnderstood(database)
  })

  test('of more than is left takes later refunds first, and the rest of them can be spent', async () => {
    const database = await withOrder()
    const revoked = await database.credits.revokeGrants(ORDER, { total: 75, transactionNo: 'r' })
    expect(all(revoked)).toEqual([60, 40, 15, 0])
    expect(await creditRow(database, 'own')).toMatchObject({ status: 'deleted', remaining_credits: 0 })
    const { refund } = await fail(database)
    expect(refund).toMatchObject({ credits: 40, spendable: 25 })
    expect(await creditRow(database, 'own')).toMatchObject({
      status: 'active',
      remaining_credits: 25,
      deleted_at: null,
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(75)
    await isUnderstood(database)
  })

  test.each([
    ['then a task fails', ['revoke', 'fail']],
    ['after a task has failed', ['fail', 'revoke']],
  ])('is taken from the order itself where it can be, with recover too: %s', async (_, calls) => {
    const database = await withOrder()
    await database.credits.consumeCredits({ userId: 'u', credits: 60 })
    const options = { total: 30, transactionNo: 'r', recover: 'available' }
    const make = { revoke: () => database.credits.revokeGrants(ORDER, options), fail: () => fail(database) }
    for (const call of calls) await make[call]()
    expect(await remaining(database)).toEqual({ own: 10, other: 50 })
    expect(await creditRow(database, 'own')).toMatchObject({ status: 'active', deleted_at: null })
    expect(all(await database.credits.revokeGrants(ORDER, options))).toEqual([30, 60, 0, 10])
    expect(await database.credits.getRemainingCredits('u')).toBe(60)
    await isUnderstood(database)
  })

  test('of several grants leaves the same sum in each order of calls', async () => {
    const sums = []
    for (const order of [
      ['revoke', 'fail'],
      ['fail', 'revoke'],
    ]) {
      const database = await TestDatabase.fresh()
      const part = { credits: 50, orderNo: 'order' }
      await database.user('u', { ...part, id: 'a', expiresAt: IN_A_DAY }, { ...part, id: 'b' })
      await database.credits.createMediaTask(task('t', 'u'), 40)
      const revoke = () => database.credits.revokeGrants(ORDER, { total: 30, transactionNo: 'r' })
      for (const call of order) await { revoke, fail: () => fail(database) }[call]()
      const left = Object.values(await remaining(database))
      sums.push([left.reduce((one, other) => one + other), all(await revoke())])
      await isUnderstood(database)
    }
    expect(sums).toEqual(Array(2).fill([70, [30, 0, 0, 70]]))
  })

  test('also takes credits that the app refunds by itself', async () => {
    const database = await withOrder()
    await database.credits.revokeGrants(ORDER, { total: 75, transactionNo: 'r' })
    const { credit_id: id } = (await database.sql("SELECT credit_id FROM media_tasks WHERE id = 't'"))[0]
    await database.sql("UPDATE credit SET status = 'deleted' WHERE id = ?", id)
    await database.sql("UPDATE credit SET remaining_credits = remaining_credits + 40 WHERE id = 'own'")
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
    // The next call finds it.
    const standing = await database.credits.revokeGrants(ORDER, { total: 1, transactionNo: 's' })
    expect(all(standing)).toEqual([75, 0, 0, 25])
    expect(await database.credits.getRemainingCredits('u')).toBe(75)
  })
})

describe('a dispute', () => {
  test('withdraws the grant, whose row keeps its remaining credits', async () => {
    const database = await withOrder()
    expect(all(await database.credits.revokeGrants({ creditId: 'own' }, { transactionNo: 'd' }))).toEqual([
      60, 40, 40, 0,
    ])
    const own = await creditRow(database, 'own')
    expect(own).toMatchObject({ status: 'deleted', remaining_credits: 60 })
    expect(own.deleted_at).not.toBeNull()
    expect(await database.credits.getRemainingCredits('u')).toBe(50)
    const { refund } = await fail(database)
    expect(refund).toMatchObject({ credits: 40, spendable: 0 })
    const standing = await database.credits.revokeGrants({ creditId: 'own' }, { transactionNo: 'd' })
    expect(standing).toEqual({ revoked: 100, spent: 0, outstanding: 0, remaining: 0, replayed: true })
    expect(await isUnderstood(database)).toContainEqual(['revocation', -60])
  })

  test('takes spent credits from other grants, and returns them when a task fails', async () => {
    const database = await withOrder()
    const options = { transactionNo: 'd', recover: 'available' }
    expect(all(await database.credits.revokeGrants(ORDER, options))).toEqual([100, 40, 0, 0])
    expect(await remaining(database)).toEqual({ own: 60, other: 10 })
    expect(await database.credits.getRemainingCredits('u')).toBe(10)
    expect((await fail(database)).refund).toMatchObject({ credits: 40, spendable: 40 })
    expect(await remaining(database)).toEqual({ own: 100, other: 50 })
    await isUnderstood(database)
  })

  test('takes nothing from another user, whose top-up has the same order number', async () => {
    const database = await withOrder()
    // A user whose id comes before the other one's, with credits that expire first.
    await database.user('a', { id: 'hers', credits: 300, expiresAt: new Date(Date.now() + 3_600_000) })
    const topUp = { userId: 'a', below: 1000, credits: 5, transactionNo: 'top', ...ORDER }
    await database.credits.claimTopUp(topUp)
    await database.credits.consumeCredits({ userId: 'u', credits: 60 })
    const options = { transactionNo: 'd', recover: 'available' }
    expect(all(await database.credits.revokeGrants(ORDER, options))).toEqual([50, 100, 50, 0])
    expect(await remaining(database)).toMatchObject({ own: 0, other: 0, hers: 300 })
    expect(all(await database.credits.restoreGrants('d', ORDER))).toEqual([0, 100, 0, 0])
    expect(await remaining(database)).toMatchObject({ own: 0, other: 50, hers: 300 })
    await isUnderstood(database)
  })

  test('takes at most the balance', async () => {
    const database = await withOrder()
    await database.credits.consumeCredits({ userId: 'u', credits: 90 })
    const options = { transactionNo: 'd', recover: 'available' }
    expect(all(await database.credits.revokeGrants(ORDER, options))).toEqual([20, 100, 80, 0])
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    await isUnderstood(database)
  })

  test('of a subscription withdraws all its periods, beside a dispute of one period', async () => {
    const database = await TestDatabase.fresh()
    const period = (number) => ({ id: `p${number}`, credits: 10, orderNo: `o${number}`, subscriptionNo: 's' })
    await database.user('u', period(1), period(2), 7)
    const { revokeGrants } = database.credits
    expect(all(await revokeGrants({ orderNo: 'o2' }, { transactionNo: 'a' }))).toEqual([10, 0, 0, 0])
    const bySubscription = { subscriptionNo: 's' }
    expect(all(await revokeGrants(bySubscription, { total: 13, transactionNo: 'b' }))).toEqual([13, 0, 0, 7])
    expect(await remaining(database)).toMatchObject({ p1: 7, p2: 10 })
    expect(all(await revokeGrants(bySubscription, { transactionNo: 'c' }))).toEqual([20, 0, 0, 0])
    expect(await database.credits.getRemainingCredits('u')).toBe(7)
    await isUnderstood(database)
  })
})

describe('restoreGrants', () => {
  test('restores the grants to the largest remaining total, once', async () => {
    const database = await withOrder()
    const { revokeGrants, restoreGrants } = database.credits
    await revokeGrants(ORDER, { transactionNo: 'd', recover: 'available' })
    await revokeGrants(ORDER, { total: 30, transactionNo: 'r' })
    expect(await restoreGrants('d')).toEqual({ revoked: 30, spent: 40, outstanding: 0, remaining: 30 })
    expect(await remaining(database)).toEqual({ own: 30, other: 50 })
    expect(await restoreGrants('d')).toMatchObject({ revoked: 30, replayed: true })
    expect(await restoreGrants('r')).toEqual({ revoked: 0, spent: 40, outstanding: 0, remaining: 60 })
    expect(await creditRow(database, 'own')).toMatchObject({ status: 'active', deleted_at: null })
    // The revocation stays ended.
    expect(await revokeGrants(ORDER, { transactionNo: 'd', recover: 'available' })).toMatchObject({
      ...{ revoked: 0, replayed: true },
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(110)
    await isUnderstood(database)
  })

  test('restores credits that were refunded meanwhile too', async () => {
    const database = await withOrder()
    await database.credits.revokeGrants(ORDER, { transactionNo: 'd' })
    await fail(database)
    expect(all(await database.credits.restoreGrants('d'))).toEqual([0, 0, 0, 100])
    expect(await database.credits.getRemainingCredits('u')).toBe(150)
    await isUnderstood(database)
  })

  test('is recorded if it comes before its revocation', async () => {
    const database = await withOrder()
    const { revokeGrants, restoreGrants } = database.credits
    expect(await restoreGrants('d', ORDER)).toEqual({ revoked: 0, spent: 40, outstanding: 0, remaining: 60 })
    expect(await restoreGrants('d', ORDER)).toMatchObject({ replayed: true })
    expect(await revokeGrants(ORDER, { transactionNo: 'd' })).toMatchObject({ revoked: 0, replayed: true })
    expect(all(await revokeGrants(ORDER, { total: 5, transactionNo: 'r' }))).toEqual([5, 40, 0, 55])
    await isUnderstood(database)
  })
})

describe('changes by other code:', () => {
  test('a grant that the app withdrew is not restored by restoreGrants', async () => {
    const database = await withOrder()
    await database.sql("UPDATE credit SET status = 'deleted' WHERE id = 'own'")
    const { revokeGrants, restoreGrants } = database.credits
    expect(all(await revokeGrants(ORDER, { total: 30, transactionNo: 'r' }))).toEqual([60, 40, 0, 0])
    expect(all(await restoreGrants('r'))).toEqual([60, 40, 0, 0])
    expect(await creditRow(database, 'own')).toMatchObject({ status: 'deleted', remaining_credits: 60 })
  })

  test('the status revoked with nothing left counts as a withdrawal, for audits and statements too', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await addRows(database, 'credit', [
      grant('g', 100, 0, { status: 'revoked', order_no: 'order' }),
      charge('c', 30, [['g', 30]], { order_no: null }),
    ])
    expect(await isUnderstood(database)).toEqual([
      ['grant', 100],
      ['charge', -30],
      ['revocation', -70],
    ])
    const standing = await database.credits.revokeGrants(ORDER, { transactionNo: 'd', recover: 'available' })
    expect(all(standing)).toEqual([100, 0, 0, 0])
    // This test does not check whether the rows add up.
    await database.sql("UPDATE credit SET remaining_credits = 70 WHERE id = 'g'")
  })

  test.each([
    ['the grant is active again', "UPDATE credit SET status = 'active', deleted_at = NULL WHERE id = 'own'"],
    ['the row is gone', "DELETE FROM credit WHERE transaction_no = 'd'"],
  ])('half of a revocation is a finding: %s', async (_, half) => {
    const database = await withOrder()
    await database.credits.revokeGrants(ORDER, { transactionNo: 'd' })
    await database.sql(half)
    const found = []
    for await (const { kind } of database.credits.auditLedger()) found.push(kind)
    expect(found).toEqual(['revocation-differs'])
  })

  test('the row of a revocation is no charge that a task can name or refundCredits can refund', async () => {
    const database = await withOrder()
    await database.credits.revokeGrants(ORDER, { total: 30, transactionNo: 'r' })
    const { id } = await rowOf(database, 'r')
    const { refundCredits, updateMediaTaskById } = database.credits
    await expect(refundCredits(id)).rejects.toMatchObject({ code: 'CHARGE_NOT_FOUND' })
    await expect(updateMediaTaskById('t', { creditId: id })).rejects.toMatchObject({
      code: 'CHARGE_NOT_FOUND',
    })
    const forged = { userId: 'u', credits: 1, scene: 'chargeback' }
    const metadata = { type: 'revocation', revocation: { total: 9, grants: ['own'], recovers: false } }
    const charged = await database.credits.consumeCredits({ ...forged, metadata })
    expect(JSON.parse(charged.metadata)).toEqual({ type: 'revocation' })
    expect((await refundCredits(charged.id)).refund.credits).toBe(1)
  })
})
