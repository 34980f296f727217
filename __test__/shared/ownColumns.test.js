'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { postgres } = require('../helpers/storage')

/** A fork's database: each row of `credit` has an organisation, and may have a seat. */
async function fork(options) {
  const database = await TestDatabase.fresh(options)
  await database.run(
    "ALTER TABLE credit ADD COLUMN org_id text NOT NULL DEFAULT 'none'",
    'ALTER TABLE credit ADD COLUMN seat integer',
    'ALTER TABLE credit ADD COLUMN external_no text',
    'CREATE UNIQUE INDEX credit_external_no ON credit (external_no)',
  )
  await database.user('u')
  return database
}

const own = ({ orgId, seat }) => ({ orgId, seat })
const OWN = { orgId: 'o', seat: 5 }

/** Makes the grants expire. */
const expire = (database) =>
  database.sql(
    "UPDATE credit SET expires_at = ? WHERE transaction_type = 'grant'",
    new Date(Date.now() - 60_000),
  )

describe("an app's own columns of credit", () => {
  const CHARGES = [
    ['consumeCredits', async ({ consumeCredits }) => consumeCredits({ userId: 'u', credits: 1, ...OWN })],
    [
      'consumeCreditsBatch',
      async ({ consumeCreditsBatch }) =>
        (await consumeCreditsBatch([{ userId: 'u', credits: 1, ...OWN }], { atomic: true }))[0],
    ],
    [
      'createMediaTask',
      async ({ createMediaTask, getMediaTaskCharges }) => {
        await createMediaTask(task('t', 'u'), 1, { charge: OWN })
        return (await getMediaTaskCharges('t'))[0]
      },
    ],
    [
      'createAITask',
      async ({ createAITask, getAITaskCharges }) => {
        await createAITask(aiTask('t', 'u', { costCredits: 1 }), { charge: OWN })
        return (await getAITaskCharges('t'))[0]
      },
    ],
    [
      'chargeMediaTask',
      async ({ createMediaTask, chargeMediaTask, getMediaTaskCharges }) => {
        await createMediaTask(task('t', 'u'), 0)
        await chargeMediaTask('t', { credits: 1, ...OWN })
        return (await getMediaTaskCharges('t'))[0]
      },
    ],
  ]

  test.each(CHARGES)('are written for a charge: %s', async (_, call) => {
    const database = await fork()
    await database.credits.createCredit({ userId: 'u', credits: 10, ...OWN })
    const charge = await call(database.credits)
    expect(charge).toMatchObject({ credits: -1, ...OWN })
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['by the failure of a task', ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' })],
    ['by a settlement', ({ settleMediaTask }) => settleMediaTask('t', 1)],
    ['by refundCredits', ({ refundCredits }, { creditId }) => refundCredits(creditId)],
  ])('are those of the grant that a new one is made of: %s', async (_, refund) => {
    const database = await fork({ refundPolicy: { regrantDays: 7 } })
    const { createCredit, createMediaTask, getCredits } = database.credits
    await createCredit({ userId: 'u', credits: 10, ...OWN, externalNo: '7' })
    const created = await createMediaTask(task('t', 'u'), 3, { charge: { orgId: 'another' } })
    await expire(database)
    const { refund: given } = await refund(database.credits, created)
    expect(given.regranted.credits).toBe(given.credits)
    const rows = await getCredits({ userId: 'u' })
    const regrant = rows.find(({ id }) => id === given.regranted.creditId)
    expect({ ...own(regrant), externalNo: regrant.externalNo }).toEqual({ ...OWN, externalNo: null })
    expect(await violations(database)).toEqual([])
  })

  test('are copied from each grant if they differ', async () => {
    const database = await fork({ refundPolicy: { regrantDays: 7 } })
    const { createCredit, consumeCredits, refundCredits, getCredits } = database.credits
    for (const orgId of ['o', 'p', 'o']) await createCredit({ userId: 'u', credits: 2, orgId })
    const charge = await consumeCredits({ userId: 'u', credits: 6 })
    await expire(database)
    const { refund } = await refundCredits(charge.id)
    expect(refund).toMatchObject({ credits: 6, spendable: 6, regranted: { credits: 6 } })
    const rows = new Map((await getCredits({ userId: 'u' })).map((row) => [row.id, row]))
    const made = refund.regranted.grants.map(({ creditId, credits }) => [rows.get(creditId).orgId, credits])
    expect(made).toEqual([
      ['o', 4],
      ['p', 2],
    ])
    expect(await violations(database)).toEqual([])
  })

  test('are copied from the charge if the grant was deleted', async () => {
    const database = await fork({ refundPolicy: { regrantDays: 7 } })
    const { createCredit, consumeCredits, refundCredits, getCredits } = database.credits
    const grant = await createCredit({ userId: 'u', credits: 10 })
    const charge = await consumeCredits({ userId: 'u', credits: 3, ...OWN })
    await database.sql('DELETE FROM credit WHERE id = ?', grant.id)
    const { refund } = await refundCredits(charge.id)
    const rows = await getCredits({ userId: 'u' })
    expect(own(rows.find(({ id }) => id === refund.regranted.creditId))).toEqual(OWN)
  })

  test.each([
    ['no column', { orgid: 'o' }, 'UNKNOWN_FIELD', 'orgid'],
    ['a column that the call fills in', { status: 'deleted' }, 'UNKNOWN_FIELD', 'status'],
    ['a value that the column can not hold', { seat: 'first' }, 'INVALID_VALUE', 'seat'],
    ['null where it is refused', { orgId: null }, 'INVALID_VALUE', 'orgId'],
  ])('are checked: %s', async (_, columns, code, field) => {
    const database = await fork()
    await database.credits.createCredit({ userId: 'u', credits: 10 })
    const { consumeCredits, createMediaTask, chargeMediaTask } = database.credits
    await createMediaTask(task('t', 'u'), 0)
    for (const call of [
      () => consumeCredits({ userId: 'u', credits: 1, ...columns }),
      () => createMediaTask(task('new', 'u'), 1, { charge: columns }),
      () => chargeMediaTask('t', { credits: 1, ...columns }),
    ]) {
      expect(await refusal(database, call)).toMatchObject({ code, field })
    }
  })

  postgres.test('that are missing are reported before credits move', async () => {
    const database = await fork()
    await database.sql('ALTER TABLE credit ALTER org_id DROP DEFAULT')
    await database.credits.createCredit({ userId: 'u', credits: 10, orgId: 'o' })
    const { consumeCredits, createMediaTask } = database.credits
    for (const call of [
      () => consumeCredits({ userId: 'u', credits: 1 }),
      () => createMediaTask(task('t', 'u'), 1),
    ]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'MISSING_FIELD', field: 'orgId' })
    }
    await createMediaTask(task('t', 'u'), 0)
    expect(await consumeCredits({ userId: 'u', credits: 1, orgId: 'o' })).toMatchObject({ orgId: 'o' })
    expect(await violations(database)).toEqual([])
  })
})
