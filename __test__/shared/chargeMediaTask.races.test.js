'use strict'

const { appConsume } = require('../helpers/app')
const { TestDatabase } = require('../helpers/database')
const { atOnce, counted, inProcesses, outcome, staysSound, values } = require('../helpers/calls')
const { KINDS, withTask } = require('../helpers/kinds')
const { appClient } = require('../helpers/network')
const { byStorage, postgres } = require('../helpers/storage')

TestDatabase.reuse()

const CONFLICT = 'TASK_STATE_CONFLICT'
const INSUFFICIENT = 'INSUFFICIENT_CREDITS'
const FAIL = { status: 'failed' }

/** Draws one credit from the grant `g` with the app's own client, as its models do. */
const appSpends = (database, number) =>
  database.run(
    byStorage({ sqlite: 'BEGIN IMMEDIATE', postgres: 'BEGIN' }),
    [
      "UPDATE credit SET remaining_credits = remaining_credits - 1, updated_at = ? WHERE id = 'g'",
      new Date(),
    ],
    [
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
          created_at, updated_at, consumed_detail)
        VALUES (?, 'u', ?, 'consume', -1, 0, 'active', ?, ?, ?)`,
      ...[`app ${number}`, `app ${number}`, new Date(), new Date()],
      JSON.stringify([{ creditId: 'g', transactionNo: 'g', creditsConsumed: 1 }]),
    ],
    'COMMIT',
  )

describe.each(Object.entries(KINDS))('charge%s at the same moment:', (kind, { create, table, type }) => {
  staysSound()

  const [chargeTask, updateTask, listCharges] = [`charge${kind}`, `update${kind}ById`, `get${kind}Charges`]

  /** User `u` has tasks `t0`, `t1`, …, which cost nothing, and `credits` in one grant `g`. */
  async function withMany(tasks, credits) {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'g', credits, transactionNo: 'g' })
    await atOnce(tasks, (at) => create(database.credits, `t${at}`, 0, { status: 'extracted' }))
    return database
  }

  test('of 20 equal translations with ifStatus one is charged', async () => {
    const { database, step, update, balance, charges } = await withTask(kind)
    await update({ status: 'extracted' })
    const translate = { credits: 5, metadata: { type: `${type}-translation`, targetLanguage: 'fr' } }
    const settled = await atOnce(20, () =>
      step(translate, { status: 'translating' }, { ifStatus: 'extracted' }),
    )
    expect(counted(settled)).toEqual({ accepted: 1, [CONFLICT]: 19 })
    expect(await balance()).toBe(85)
    expect((await charges()).map(({ credits }) => credits)).toEqual([-10, -5])
    expect(await database.credits.getCreditsCount({ transactionType: 'consume' })).toBe(2)
  })

  test('of 20 charges with one transactionNo one is written', async () => {
    const { step, balance } = await withTask(kind)
    const settled = await atOnce(20, () => step({ credits: 5, transactionNo: 'mine' }))
    expect(counted(settled)).toEqual({ accepted: 1, CREDIT_EXISTS: 19 })
    expect(await balance()).toBe(85)
  })

  test('of 20 charges with one transactionNo for tasks of two users one is written', async () => {
    const database = await withMany(10, 100)
    await database.user('v', 100)
    await atOnce(10, (at) => create(database.credits, `v${at}`, 0, { userId: 'v' }))
    const settled = await atOnce(20, (number) => {
      const id = `${'tv'[number % 2]}${number >> 1}`
      return database.credits[chargeTask](id, { credits: 5, transactionNo: 'mine' })
    })
    expect(counted(settled)).toEqual({ accepted: 1, CREDIT_EXISTS: 19 })
    const { getRemainingCredits } = database.credits
    expect((await getRemainingCredits('u')) + (await getRemainingCredits('v'))).toBe(195)
  })

  test('steps of many tasks with too few credits are charged up to the balance', async () => {
    const database = await withMany(30, 100)
    const settled = await atOnce(30, (at) =>
      database.credits[chargeTask](`t${at}`, { credits: 7 }, { status: 'translating' }),
    )
    expect(counted(settled)).toEqual({ accepted: 14, [INSUFFICIENT]: 16 })
    for (const row of values(settled)) expect(row).toMatchObject({ status: 'translating' })
    const rows = await database.sql(`SELECT status, credit_id FROM ${table} WHERE credit_id IS NULL`)
    expect(rows).toEqual(Array(16).fill({ status: 'extracted', credit_id: null }))
    expect(await database.credits.getRemainingCredits('u')).toBe(2)
  })

  test('steps of one task with too few credits are charged up to the balance, and the last one is its charge', async () => {
    const { step, balance, charges, find } = await withTask(kind)
    const settled = await atOnce(30, () => step({ credits: 7 }))
    expect(counted(settled)).toEqual({ accepted: 12, [INSUFFICIENT]: 18 })
    expect(await balance()).toBe(6)
    const listed = await charges()
    expect(listed.length).toBe(13)
    const ids = values(settled).map(({ creditId }) => creditId)
    expect(new Set(ids)).toEqual(new Set(listed.slice(1).map(({ id }) => id)))
    expect(ids).toContain((await find()).creditId)
  })

  test('steps, charges and new tasks of one user never exceed the balance', async () => {
    const database = await withMany(20, 100)
    const kinds = [
      (at) => database.credits[chargeTask](`t${at}`, { credits: 3 }),
      () => database.credits.consumeCredits({ userId: 'u', credits: 3 }),
      (at) => create(database.credits, `new ${at}`, 3),
    ]
    const settled = await atOnce(60, (number) => kinds[number % 3](Math.floor(number / 3)))
    expect(counted(settled)).toEqual({ accepted: 33, [INSUFFICIENT]: 27 })
    expect(await database.credits.getRemainingCredits('u')).toBe(1)
  })

  test('steps and failures of the same tasks refund each charge at most once', async () => {
    const TASKS = 20
    const database = await withMany(TASKS, 1000)
    const settled = await atOnce(6 * TASKS, (number) => {
      const id = `t${number % TASKS}`
      return Math.floor(number / TASKS) % 2
        ? database.credits[updateTask](id, FAIL)
        : database.credits[chargeTask](id, { credits: 4 }, { status: 'translating' })
    })
    expect(counted(settled)).toEqual({ accepted: 6 * TASKS })
    const refunded = values(settled).reduce((sum, { refund }) => sum + (refund?.credits ?? 0), 0)
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - 3 * TASKS * 4 + refunded)
    expect(refunded % 4).toBe(0)
    for (let at = 0; at < TASKS; at++) {
      const charges = await database.credits[listCharges](`t${at}`)
      expect(charges.length).toBe(3)
    }
  })

  test('of a step and a failure with the same ifStatus exactly one happens', async () => {
    const TASKS = 40
    const database = await withMany(TASKS, 1000)
    const settled = await atOnce(2 * TASKS, (number) => {
      const at = number >> 1
      return (number + at) % 2
        ? database.credits[updateTask](`t${at}`, FAIL, { ifStatus: 'extracted' })
        : database.credits[chargeTask](`t${at}`, { credits: 4 }, { status: 'x' }, { ifStatus: 'extracted' })
    })
    for (let at = 0; at < TASKS; at++) {
      const ofTask = settled.slice(2 * at, 2 * at + 2).map(outcome)
      expect(ofTask.sort()).toEqual([CONFLICT, 'accepted'])
    }
    const [{ count }] = await database.sql(`SELECT COUNT(*) AS count FROM ${table} WHERE status = 'x'`)
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - 4 * count)
  })

  test('three processes with too few credits charge as many steps as fit, and each task once', async () => {
    const TASKS = 40
    const database = await withMany(TASKS, 100)
    const calls = Array.from({ length: TASKS }, (_, at) => [
      chargeTask,
      `t${at}`,
      { credits: 4 },
      { status: 'translating' },
      { ifStatus: 'extracted' },
    ])
    const outcomes = await inProcesses(database, calls, [...calls].reverse(), calls)
    const lines = outcomes.flat()
    expect(new Set(lines)).toEqual(new Set(['accepted', INSUFFICIENT, CONFLICT]))
    expect(lines.filter((line) => line === 'accepted').length).toBe(25)
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    const charged = await database.sql(`SELECT status FROM ${table} WHERE credit_id IS NOT NULL`)
    expect(charged).toEqual(Array(25).fill({ status: 'translating' }))
  })

  test("steps are charged while the app's own client draws on the same grant and writes the same tasks", async () => {
    const ROUNDS = 30
    const database = await withMany(ROUNDS, 1000)
    const steps = []
    for (let at = 0; at < ROUNDS; at++) {
      for (let step = 0; step < 2; step++) {
        steps.push(database.credits[chargeTask](`t${at}`, { credits: 3 }, { status: 'translating' }))
      }
      await appSpends(database, at)
      const progress = [
        `UPDATE ${table} SET deleted_at = ? WHERE id = ?`,
        new Date(5_000_000_000_000),
        `t${at}`,
      ]
      await database.run(progress)
      if (at % 3 === 0) steps.push(database.credits[updateTask](`t${at}`, FAIL))
    }
    const settled = await Promise.allSettled(steps)
    expect(counted(settled)).toEqual({ accepted: ROUNDS * 2 + ROUNDS / 3 })
    const refunded = values(settled).reduce((sum, { refund }) => sum + (refund?.credits ?? 0), 0)
    expect([...Array(11).keys()].map((failures) => 3 * failures)).toContain(refunded)
    const spent = ROUNDS * 2 * 3 + ROUNDS - refunded
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - spent)
    const [{ count }] = await database.sql(
      `SELECT COUNT(*) AS count FROM ${table} WHERE deleted_at IS NOT NULL`,
    )
    expect(count).toBe(ROUNDS)
  })

  postgres.test(
    "charges beside the app's own consumeCredits, which locks grants itself, lose no credit",
    async () => {
      const ROUNDS = 20
      const database = await TestDatabase.fresh()
      await database.user('u', ...Array(20).fill(10))
      await atOnce(ROUNDS, (at) => create(database.credits, `t${at}`, 0))
      const app = [appClient(database), appClient(database)].map(async (client) => {
        for (let at = 0; at < ROUNDS; at++) await appConsume(client, 'u', 3)
      })
      const steps = await atOnce(ROUNDS, (at) => database.credits[chargeTask](`t${at}`, { credits: 3 }))
      await Promise.all(app)
      expect(counted(steps)).toEqual({ accepted: ROUNDS })
      expect(await database.credits.getRemainingCredits('u')).toBe(200 - 3 * 3 * ROUNDS)
    },
  )
})
