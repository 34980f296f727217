'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { appCharge, appConsume, appRefund } = require('../helpers/app')
const { violations } = require('../helpers/invariants')
const { creditRow, draws, remaining } = require('../helpers/rows')
const { postgres } = require('../helpers/storage')

const half = (credits) => Math.ceil(credits / 2)
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** User `u` has grants of 4, 3 and 50 that expire one after the other. */
async function withGrants() {
  const database = await TestDatabase.fresh()
  const inDays = (days) => new Date(Date.now() + days * 86_400_000)
  await database.user(
    'u',
    { id: 'a', credits: 4, expiresAt: inDays(1) },
    { id: 'b', credits: 3, expiresAt: inDays(2) },
    { id: 'c', credits: 50, expiresAt: inDays(3) },
  )
  return database
}

/** A task of `u` that names this charge, as the app writes it. */
async function taskOf(database, charge) {
  await database.credits.createMediaTask(task('t', 'u'), 0)
  await database.sql('UPDATE media_tasks SET credit_id = ?', charge)
}

/** Tasks of a real app's users that have an active charge, and what it took. */
function chargedTasks(database) {
  return database.sql(
    `SELECT media_tasks.id, credit_id AS charge, -credit.credits AS charged FROM media_tasks
     JOIN credit ON credit.id = credit_id JOIN "user" ON "user".id = media_tasks.user_id
     WHERE credit.status = 'active' AND "user".name LIKE 'user %' ORDER BY media_tasks.id`,
  )
}

describe("charges that the app's own models wrote", () => {
  test('are settled to half in a real database, concurrently and each twice, and then fail', async () => {
    const database = await TestDatabase.fixture()
    const { settleMediaTask, updateMediaTaskById, getMediaTaskCharges } = database.credits
    const before = await violations(database)
    const tasks = await chargedTasks(database)
    expect(tasks.length).toBeGreaterThan(20)
    const settle = ({ id, charged }) => settleMediaTask(id, half(charged))
    const settled = await Promise.all([...tasks, ...tasks].map(settle))
    for (const [at, { id, charge, charged }] of tasks.entries()) {
      const back = [settled[at], settled[at + tasks.length]].map(({ refund }) => refund.credits)
      expect(back.sort()).toEqual([0, charged - half(charged)].sort())
      const [last] = (await getMediaTaskCharges(id)).filter((row) => row.id === charge)
      expect(last.credits).toBe(-half(charged))
      expect(sum((await draws(database, charge)).map(([, credits]) => credits))).toBe(half(charged))
    }
    expect(await violations(database)).toEqual(before)
    const fail = ({ id }) => updateMediaTaskById(id, { status: 'failed' })
    const failed = await Promise.all(tasks.map(fail))
    expect(failed.map(({ refund }) => refund.credits)).toEqual(tasks.map(({ charged }) => half(charged)))
    expect(await violations(database)).toEqual(before)
  })

  test('are refunded in a real database, those of translations too', async () => {
    const database = await TestDatabase.fixture()
    const before = await violations(database)
    const charges = await database.sql(
      `SELECT credit.id, -credits AS charged FROM credit JOIN "user" ON "user".id = user_id
       WHERE transaction_type = 'consume' AND status = 'active' AND "user".name LIKE 'user %'`,
    )
    expect(charges.length).toBeGreaterThan(50)
    const back = await Promise.all(charges.map(({ id }) => database.credits.refundCredits(id)))
    expect(back.map(({ refund }) => refund.credits)).toEqual(charges.map(({ charged }) => charged))
    expect(back.flatMap(({ refund }) => refund.skipped)).toEqual([])
    // A task whose translation was refunded has not failed, and a failed one has no active charge.
    expect(await violations(database)).toEqual(before)
  })

  test('return the last draws first', async () => {
    const database = await withGrants()
    const metadata = JSON.stringify({ type: 'media-task', taskId: 't', outputType: 'subtitle' })
    const charge = await appCharge(database, 'u', 10, metadata)
    await taskOf(database, charge)
    const before = JSON.parse((await creditRow(database, charge)).consumed_detail)
    const row = await database.credits.settleMediaTask('t', 6)
    expect(row.refund).toEqual({ credits: 4, spendable: 4, skipped: [] })
    expect(JSON.parse(row.consumedDetail)).toEqual([
      { ...before[0], creditsToConsume: 6 },
      { ...before[1], creditsToConsume: 2, creditsConsumed: 2, creditsAfter: 1 },
    ])
    expect(JSON.parse(row.metadata)).toEqual({
      ...JSON.parse(metadata),
      settled: { charged: 10, credits: 6 },
    })
    expect(await remaining(database)).toEqual({ a: 0, b: 1, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('are settled if their items have only a grant and a number', async () => {
    const database = await withGrants()
    const charge = await appCharge(database, 'u', 10)
    await taskOf(database, charge)
    const items = (await draws(database, charge)).map(([creditId, creditsConsumed]) => ({
      creditId,
      creditsConsumed,
    }))
    await database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', JSON.stringify(items), charge)
    await database.credits.settleMediaTask('t', 6)
    expect(await draws(database, charge)).toEqual([
      ['a', 4],
      ['b', 2],
    ])
    expect(await violations(database)).toEqual([])
  })

  postgres.test(
    "charges of the app's own transactions are refunded in part while the app continues to charge",
    async () => {
      const { clientOf } = require('../helpers/postgres')
      const ROUNDS = 8
      const database = await withGrants()
      const client = clientOf(database.url)
      for (let round = 0; round < ROUNDS; round++) {
        const charge = await appConsume(client, 'u', 6)
        await Promise.all([appConsume(client, 'u', 1), database.credits.refundCredits(charge, 4)])
      }
      await client.end()
      expect(await database.credits.getRemainingCredits('u')).toBe(57 - ROUNDS * 3)
      expect(await violations(database)).toEqual([])
    },
  )
})

describe("the app's own refund", () => {
  test.each([
    ['settled to 6', (credits) => credits.settleMediaTask('t', 6)],
    ['settled to 10', (credits) => credits.settleMediaTask('t', 10)],
    ['settled to 0', (credits) => credits.settleMediaTask('t', 0)],
    ['refunded', (credits, charge) => credits.refundCredits(charge)],
    ['refunded in part', (credits, charge) => credits.refundCredits(charge, 5)],
    [
      'settled and then refunded',
      (credits, charge) => credits.settleMediaTask('t', 3).then(() => credits.refundCredits(charge)),
    ],
  ])('of a charge that was %s gives back the rest', async (_, settle) => {
    const database = await withGrants()
    const charge = await appCharge(database, 'u', 10)
    await taskOf(database, charge)
    await settle(database.credits, charge)
    await appRefund(database, charge)
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect((await creditRow(database, charge)).status).toBe('deleted')
    expect(await violations(database)).toEqual([])
  })

  test('is final: afterwards nothing is settled or refunded', async () => {
    const database = await withGrants()
    const charge = await appCharge(database, 'u', 10)
    await taskOf(database, charge)
    await database.credits.settleMediaTask('t', 6)
    await appRefund(database, charge)
    const before = await database.everything()
    const nothing = { credits: 0, spendable: 0, skipped: [] }
    expect((await database.credits.settleMediaTask('t', 0)).refund).toEqual(nothing)
    expect((await database.credits.refundCredits(charge)).refund).toEqual(nothing)
    expect(await database.everything()).toEqual(before)
    await expect(database.credits.settleMediaTask('t', 5)).rejects.toMatchObject({
      code: 'SETTLE_CONFLICT',
      settled: 0,
      requested: 5,
    })
    const failed = await database.credits.updateMediaTaskById('t', { status: 'failed' })
    expect(failed.refund).toEqual(nothing)
    expect(await violations(database)).toEqual([])
  })
})
