'use strict'

const { exactEntries, findings } = require('../helpers/books')
const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow, remaining } = require('../helpers/rows')
const { byStorage } = require('../helpers/storage')

TestDatabase.reuse()

const REGRANT = { refundPolicy: { regrantDays: 30 } }
const FAIL = { status: 'failed' }
const HOUR_AGO = new Date(Date.now() - 3_600_000)

/** Grants of user `u`, in the order in which they are drawn on: of two orders, and a gift. */
const PAID = { transactionScene: 'payment', orderNo: 'order-1', subscriptionNo: 'subscription-1' }
const GRANTS = [
  { id: 'a', credits: 4, ...PAID },
  { id: 'b', credits: 3, transactionScene: 'subscription', orderNo: 'order-2' },
  { id: 'c', credits: 3, ...PAID },
  { id: 'd', credits: 50, expiresAt: null },
]

/** User `u` has a task `t` that drew all of `a`, `b` and `c`. */
async function withTask() {
  const database = await TestDatabase.fresh()
  const inOrder = GRANTS.map((grant, at) => ({
    expiresAt: new Date(Date.now() + (at + 1) * DAY_MS),
    ...grant,
  }))
  await database.user('u', ...inOrder)
  const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 10)
  return { database, charge: creditId }
}

const expire = (database, id) => database.sql('UPDATE credit SET expires_at = ? WHERE id = ?', HOUR_AGO, id)
const withdraw = (database, id) =>
  database.sql("UPDATE credit SET status = 'deleted', deleted_at = ? WHERE id = ?", new Date(), id)

/** Checks the invariants, an audit, and that the statement ends with the balance. */
async function expectSound(database) {
  expect(await violations(database)).toEqual([])
  expect(await findings(database.credits)).toEqual([])
  const entries = await exactEntries(database.credits, 'u')
  expect(entries.at(-1).balance).toBe(await database.credits.getRemainingCredits('u'))
}

/** The sources of the grants that were made in place of others. */
async function regrants({ credits }) {
  const rows = await credits.getCredits({ userId: 'u', transactionType: 'grant' })
  return rows
    .filter(({ metadata }) => metadata?.includes('"regrant"'))
    .sort((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ id, credits, transactionScene, orderNo, subscriptionNo, metadata }) => ({
      id,
      credits,
      transactionScene,
      orderNo,
      subscriptionNo,
      sources: JSON.parse(metadata).sources.map(({ creditId }) => creditId),
    }))
}

const CALLS = [
  ['a task that fails', ({ updateMediaTaskById }) => updateMediaTaskById('t', FAIL, REGRANT)],
  ['a settlement', ({ settleMediaTask }) => settleMediaTask('t', 0, REGRANT)],
  ['refundCredits', ({ refundCredits }, charge) => refundCredits(charge, undefined, REGRANT)],
]

describe('credits of a withdrawn grant are never regranted:', () => {
  test.each(CALLS)('%s', async (_, giveBack) => {
    const { database, charge } = await withTask()
    await withdraw(database, 'b')
    const { refund } = await giveBack(database.credits, charge)
    expect(refund).toEqual({ credits: 10, spendable: 7, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 3, d: 50 })
    expect(await database.credits.getRemainingCredits('u')).toBe(57)
    await expectSound(database)
  })

  test.each([
    ['deleted', "status = 'deleted'"],
    ['revoked, as a fork writes it', "status = 'revoked'"],
    ['with any other status', "status = 'disputed'"],
    ['with a deletedAt', 'deleted_at = ?', HOUR_AGO],
    ['deleted after it had expired', "status = 'deleted', expires_at = ?", HOUR_AGO],
    ['marked as expired and deleted', "status = 'expired', deleted_at = ?", HOUR_AGO],
  ])('a grant %s', async (_, change, ...times) => {
    const { database } = await withTask()
    await expire(database, 'b')
    await database.sql(`UPDATE credit SET ${change} WHERE id = 'b'`, ...times)
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    expect(refund).toEqual({ credits: 10, spendable: 7, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 3, d: 50 })
    await expectSound(database)
  })

  test('credits of its other grants are regranted', async () => {
    const { database } = await withTask()
    await withdraw(database, 'a')
    await expire(database, 'c')
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    expect(refund).toMatchObject({ credits: 10, spendable: 6, regranted: { credits: 3 } })
    expect(await regrants(database)).toMatchObject([{ credits: 3, sources: ['c'] }])
    expect(await remaining(database)).toMatchObject({ a: 4, b: 3, c: 3, d: 50 })
    await expectSound(database)
  })

  test('a regrant that was withdrawn is not regranted', async () => {
    const { database } = await withTask()
    const { createMediaTask, updateMediaTaskById } = database.credits
    await expire(database, 'a')
    const { refund } = await updateMediaTaskById('t', FAIL, REGRANT)
    await createMediaTask(task('t2', 'u'), 50)
    await withdraw(database, refund.regranted.creditId)
    const failed = await updateMediaTaskById('t2', FAIL, REGRANT)
    expect(failed.refund).toEqual({ credits: 50, spendable: 46, skipped: [] })
    await expectSound(database)
  })
})

describe('a regrant', () => {
  test.each(CALLS)(
    'keeps the scene, the order and the subscription of its source: %s',
    async (_, giveBack) => {
      const { database, charge } = await withTask()
      await expire(database, 'a')
      const { refund } = await giveBack(database.credits, charge)
      expect(refund).toEqual({
        credits: 10,
        spendable: 10,
        skipped: [],
        regranted: { creditId: expect.any(String), credits: 4, expiresAt: expect.any(Date) },
      })
      expect(await regrants(database)).toEqual([
        { id: refund.regranted.creditId, credits: 4, ...PAID, sources: ['a'] },
      ])
      await expectSound(database)
    },
  )

  test('is made for each order of the credits', async () => {
    const { database } = await withTask()
    for (const id of ['a', 'b', 'c']) await expire(database, id)
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    const rows = await regrants(database)
    const paid = { credits: 7, ...PAID, sources: ['a', 'c'] }
    const subscribed = { credits: 3, transactionScene: 'subscription', orderNo: 'order-2', sources: ['b'] }
    // In the order of the draws.
    expect(rows).toMatchObject([paid, { ...subscribed, subscriptionNo: null }])
    expect(refund).toEqual({
      credits: 10,
      spendable: 10,
      skipped: [],
      regranted: {
        creditId: rows[0].id,
        credits: 10,
        expiresAt: expect.any(Date),
        grants: rows.map(({ id, credits }) => ({ creditId: id, credits })),
      },
    })
    await expectSound(database)
  })

  test('of a regrant keeps the same fields', async () => {
    const { database } = await withTask()
    const { createMediaTask, updateMediaTaskById } = database.credits
    await expire(database, 'a')
    const first = await updateMediaTaskById('t', FAIL, REGRANT)
    await createMediaTask(task('t2', 'u'), 60)
    await expire(database, first.refund.regranted.creditId)
    const { refund } = await updateMediaTaskById('t2', FAIL, REGRANT)
    expect(refund).toMatchObject({ credits: 60, spendable: 60, regranted: { credits: 4 } })
    const { transactionScene, orderNo, subscriptionNo } = (await regrants(database))[1]
    expect({ transactionScene, orderNo, subscriptionNo }).toEqual(PAID)
    await expectSound(database)
  })

  test('of deleted grants is a gift, beside those of other grants', async () => {
    const { database } = await withTask()
    await database.sql("DELETE FROM credit WHERE id = 'b'")
    await expire(database, 'a')
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    expect(refund).toMatchObject({ credits: 10, spendable: 10, regranted: { credits: 7 } })
    expect(await regrants(database)).toMatchObject([
      { credits: 4, ...PAID, sources: ['a'] },
      { credits: 3, transactionScene: 'gift', orderNo: null, subscriptionNo: null, sources: ['b'] },
    ])
    expect(await violations(database)).toEqual([])
  })

  test('has no scene if its source has none', async () => {
    const { database } = await withTask()
    await database.sql("UPDATE credit SET transaction_scene = NULL WHERE id = 'a'")
    await expire(database, 'a')
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    const { transaction_scene: scene, order_no: order } = await creditRow(database, refund.regranted.creditId)
    expect({ scene, order }).toEqual({ scene: null, order: 'order-1' })
    await expectSound(database)
  })

  test('has no order if a unique index allows each order once', async () => {
    const database = await TestDatabase.fresh({})
    // MySQL has no partial indexes; here no other row has an order.
    const grants = " WHERE transaction_type = 'grant'"
    const only = byStorage({ sqlite: grants, postgres: grants, mysql: '' })
    await database.sql(`CREATE UNIQUE INDEX credit_order_once ON credit (order_no)${only}`)
    await database.user('u', { id: 'a', credits: 10, ...PAID })
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await expire(database, 'a')
    await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    expect(await regrants(database)).toMatchObject([{ ...PAID, credits: 10, orderNo: null }])
    await expectSound(database)
  })

  test('that an earlier version wrote as a gift is no finding', async () => {
    const { database, charge } = await withTask()
    await expire(database, 'a')
    const { refund } = await database.credits.updateMediaTaskById('t', FAIL, REGRANT)
    const old = "transaction_scene = 'gift', order_no = NULL, subscription_no = NULL"
    await database.sql(`UPDATE credit SET ${old} WHERE id = ?`, refund.regranted.creditId)
    expect((await creditRow(database, charge)).status).toBe('deleted')
    await expectSound(database)
  })
})
