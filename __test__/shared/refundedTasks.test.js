'use strict'

const { appRefund } = require('../helpers/app')
const { TestDatabase, refusal } = require('../helpers/database')
const { atOnce, counted, inProcesses, outcome, staysSound } = require('../helpers/calls')
const { KINDS, withTask } = require('../helpers/kinds')
const { creditRow } = require('../helpers/rows')

TestDatabase.reuse()

const NOTHING = { credits: 0, spendable: 0, skipped: [] }
const REFUNDED = 'TASK_REFUNDED'

describe.each(Object.keys(KINDS))('a refunded %s', (kind) => {
  staysSound()

  const { delivered, others } = KINDS[kind]

  describe.each(delivered)("can't be delivered as %p", (status) => {
    test.each([
      ['without other fields', () => ({})],
      ['with its result', () => ({ [kind === 'AITask' ? 'taskResult' : 'subtitleRaw']: 'result' })],
      ['with its own creditId', (charge) => ({ creditId: charge })],
      ['with creditId undefined', () => ({ creditId: undefined })],
    ])('%s', async (_, patch) => {
      const { database, update, charge } = await withTask(kind)
      await update({ status: 'failed' })
      const error = await refusal(database, () => update({ status, ...patch(charge) }))
      expect(error).toMatchObject({ code: REFUNDED, taskId: 't', creditId: charge, retryable: false })
    })

    const FAIL = { status: 'failed' }

    test.each([
      [
        'it made progress since',
        async ({ update }) => {
          await update(FAIL)
          await update({ status: 'processing' })
        },
      ],
      [
        'it was delivered before',
        async ({ update }) => {
          await update({ status })
          await update(FAIL)
        },
      ],
      [
        'a part of its charge was returned before',
        async ({ settle, update }) => {
          await settle(4)
          await update(FAIL)
        },
      ],
      ['its charge was settled to nothing', ({ settle }) => settle(0)],
      ['its charge was refunded by itself', ({ database, charge }) => database.credits.refundCredits(charge)],
      ["the app's own code refunded it", ({ database, charge }) => appRefund(database, charge)],
    ])('if %s', async (_, live) => {
      const opened = await withTask(kind)
      await live(opened)
      const { database, update, charge } = opened
      const error = await refusal(database, () => update({ status }))
      expect(error).toMatchObject({ code: REFUNDED, taskId: 't', creditId: charge })
    })

    test('unless allowRefunded is true', async () => {
      const { database, update, balance, charge } = await withTask(kind)
      await update({ status: 'failed' })
      for (const allowRefunded of [false, undefined]) {
        const error = await refusal(database, () => update({ status }, { allowRefunded }))
        expect(error.code).toBe(REFUNDED)
      }
      const row = await update({ status }, { allowRefunded: true })
      expect(row).toMatchObject({ status, creditId: charge })
      expect(row).not.toHaveProperty('refund')
      expect(await balance()).toBe(100)
      expect(await creditRow(database, charge)).toMatchObject({ status: 'deleted' })
      // The option holds for one call.
      expect(await refusal(database, () => update({ status }))).toMatchObject({ code: REFUNDED })
    })

    test('until it is charged again', async () => {
      const { update, step, balance, charge } = await withTask(kind)
      await update({ status: 'failed' })
      const { creditId } = await step({ credits: 7 }, { status: 'processing' })
      expect(creditId).not.toBe(charge)
      expect(await update({ status })).toMatchObject({ status, creditId })
      expect(await balance()).toBe(93)
      expect((await update({ status: 'failed' })).refund).toEqual({ credits: 7, spendable: 7, skipped: [] })
    })

    test('until the app charges it again', async () => {
      const { database, update, balance } = await withTask(kind)
      await update({ status: 'failed' })
      const charge = await database.credits.consumeCredits({ userId: 'u', credits: 7 })
      const row = await update({ status, creditId: charge.id })
      expect(row).toMatchObject({ status, creditId: charge.id })
      expect(await balance()).toBe(93)
    })

    test('until a free step', async () => {
      const { update, step, balance } = await withTask(kind)
      await update({ status: 'failed' })
      await step({ credits: 0 }, { status: 'processing' })
      expect(await update({ status })).toMatchObject({ status, creditId: null })
      expect(await balance()).toBe(100)
    })

    test('with a charge of another user, even with allowRefunded', async () => {
      const { database, update } = await withTask(kind)
      await database.user('v', 50)
      const { id } = await database.credits.consumeCredits({ userId: 'v', credits: 5 })
      await update({ status: 'failed' })
      for (const [creditId, code] of [
        [id, 'CHARGE_OWNER_MISMATCH'],
        ['nothing', 'CHARGE_NOT_FOUND'],
      ]) {
        const call = () => update({ status, creditId }, { allowRefunded: true })
        expect(await refusal(database, call)).toMatchObject({ code, creditId })
      }
    })

    test.each([
      ['was never charged', 0, async () => {}],
      ['was never charged, and failed', 0, async ({ update }) => update({ status: 'failed' })],
      ['was charged', 10, async () => {}],
      ['was settled', 10, async ({ settle }) => settle(4)],
      [
        'was charged for a step, after its first charge went back',
        10,
        ({ database, charge, step }) =>
          step({ credits: 5 }).then(() => database.credits.refundCredits(charge)),
      ],
      [
        'failed and lost the row of its charge',
        10,
        async ({ update, database, charge }) => {
          await update({ status: 'failed' })
          await database.sql('DELETE FROM credit WHERE id = ?', charge)
        },
      ],
    ])('but one that %s can', async (_, cost, live) => {
      const opened = await withTask(kind, cost)
      await live(opened)
      const before = await opened.balance()
      const row = await opened.update({ status })
      expect(row).toMatchObject({ id: 't', status })
      expect(row).not.toHaveProperty('refund')
      expect(await opened.balance()).toBe(before)
    })
  })

  test('can change in other fields, and to any other status', async () => {
    const { update, balance } = await withTask(kind)
    await update({ status: 'failed' })
    const text = kind === 'AITask' ? { taskInfo: 'late' } : { progress: 90, title: 'late' }
    expect(await update(text)).toMatchObject({ ...text, status: 'failed' })
    for (const status of others) expect(await update({ status, ...text })).toMatchObject({ status })
    expect(await balance()).toBe(100)
  })

  test('refunds nothing when it fails again, after any other status', async () => {
    const { update, balance } = await withTask(kind)
    expect((await update({ status: 'failed' })).refund.credits).toBe(10)
    for (const between of ['failed', 'processing', delivered[0]]) {
      await update({ status: between }, { allowRefunded: true })
      expect((await update({ status: 'failed' })).refund).toEqual(NOTHING)
    }
    expect(await balance()).toBe(100)
  })

  test.each([
    ['a number as allowRefunded', { allowRefunded: 1 }],
    ['text as allowRefunded', { allowRefunded: 'true' }],
    ['NaN as allowRefunded', { allowRefunded: NaN }],
    ['an object as allowRefunded', { allowRefunded: {} }],
    ['a list as allowRefunded', { allowRefunded: [true] }],
    ['a function as allowRefunded', { allowRefunded: () => true }],
  ])('is refused with %s', async (_, options) => {
    const { database, update } = await withTask(kind)
    await update({ status: 'failed' })
    const error = await refusal(database, () => update({ status: delivered[0] }, options))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'allowRefunded' })
  })

  test('is checked for its guards first', async () => {
    const { database, update } = await withTask(kind)
    await update({ status: 'failed' })
    const call = () => update({ status: delivered[0] }, { ifStatus: 'processing' })
    expect(await refusal(database, call)).toMatchObject({ code: 'TASK_STATE_CONFLICT', status: 'failed' })
  })
})

describe.each(Object.entries(KINDS))(
  'a worker finishes a %s while a watchdog fails it:',
  (kind, { create, delivered }) => {
    staysSound()

    const TASKS = 60
    const FAIL = { status: 'failed' }
    const FINISH = { status: delivered[0] }
    const update = `update${kind}ById`

    /** User `u` has this many tasks `t0`, `t1`, … of 3 credits, all processing. */
    async function withMany() {
      const database = await TestDatabase.fresh()
      await database.user('u', 100, 100)
      await atOnce(TASKS, (at) => create(database.credits, `t${at}`, 3, { status: 'processing' }))
      return database
    }

    /** For each task: the results of the worker and the watchdog, its status, and whether its charge is active. */
    async function ends(database, finished, failed) {
      const { credit, ai_task: aiTasks, media_tasks: mediaTasks } = await database.everything()
      const rows = new Map([...mediaTasks, ...aiTasks].map((row) => [row.id, row]))
      const statusOf = new Map(credit.map(({ id, status }) => [id, status]))
      const balance = await database.credits.getRemainingCredits('u')
      const all = finished.map((told, at) => {
        const { status, credit_id: charge } = rows.get(`t${at}`)
        return `${told}, ${failed[at]}: ${status}, ${statusOf.get(charge)}`
      })
      const kept = all.filter((end) => end.endsWith('active')).length
      expect(balance).toBe(200 - 3 * kept)
      return new Set(all)
    }

    const FINISHED = `accepted, TASK_STATE_CONFLICT: ${delivered[0]}, active`
    const FAILED = [`${REFUNDED}, accepted: failed, deleted`, 'accepted, accepted: failed, deleted']

    test('the first one wins if the watchdog uses ifStatus', async () => {
      const database = await withMany()
      const settled = await atOnce(2 * TASKS, (number) => {
        const [id, fails] = [`t${number >> 1}`, (number + (number >> 1)) % 2]
        return fails
          ? database.credits[update](id, FAIL, { ifStatus: 'processing' })
          : database.credits[update](id, FINISH)
      })
      const told = (fails) =>
        settled.filter((_, number) => (number + (number >> 1)) % 2 === fails).map(outcome)
      const seen = await ends(database, told(0), told(1))
      for (const end of seen) expect([FINISHED, FAILED[0]]).toContain(end)
      // Each of them is first for half of the tasks.
      expect(seen.size).toBe(2)
    })

    test('without guards each task fails in the end and is refunded once', async () => {
      const database = await withMany()
      const settled = await atOnce(3 * TASKS, (number) => {
        const at = Math.floor(number / 3)
        return database.credits[update](`t${at}`, (number + at) % 3 === 0 ? FINISH : FAIL)
      })
      expect(Object.keys(counted(settled)).sort()).toEqual([REFUNDED, 'accepted'])
      expect(await database.credits.getRemainingCredits('u')).toBe(200)
      const refunds = settled.map(({ value }) => value?.refund?.credits ?? 0)
      expect(refunds.reduce((sum, credits) => sum + credits)).toBe(3 * TASKS)
    })

    test('in two processes either the delivery or the failure wins', async () => {
      const database = await withMany()
      const calls = (patch, options) =>
        Array.from({ length: TASKS }, (_, at) => [update, `t${at}`, patch, ...options])
      const [finished, failed] = await inProcesses(
        database,
        calls(FINISH, []),
        calls(FAIL, [{ ifStatus: 'processing' }]).reverse(),
      )
      const seen = await ends(database, finished, failed.reverse())
      for (const end of seen) expect([FINISHED, FAILED[0]]).toContain(end)
    })

    test('in two processes without guards each task fails in the end', async () => {
      const database = await withMany()
      const calls = (patch) => Array.from({ length: TASKS }, (_, at) => [update, `t${at}`, patch])
      const [finished, failed] = await inProcesses(database, calls(FINISH), calls(FAIL).reverse())
      const seen = await ends(database, finished, failed.reverse())
      for (const end of seen) expect(FAILED).toContain(end)
    })

    test('while a step is charged, a paid task is delivered or refunded', async () => {
      const database = await withMany()
      const kinds = [
        (id) => database.credits[`charge${kind}`](id, { credits: 1 }, {}, { ifStatus: 'processing' }),
        (id) => database.credits[update](id, FAIL, { ifStatus: 'processing' }),
        (id) => database.credits[update](id, FINISH, { ifStatus: 'processing' }),
      ]
      const settled = await atOnce(3 * TASKS, (number) => {
        const at = Math.floor(number / 3)
        return kinds[(number + at) % 3](`t${at}`)
      })
      expect(new Set(settled.map(outcome))).toEqual(new Set(['accepted', 'TASK_STATE_CONFLICT']))
      const { ai_task: aiTasks, media_tasks: mediaTasks } = await database.everything()
      const statuses = new Set([...mediaTasks, ...aiTasks].map(({ status }) => status))
      expect(statuses).toEqual(new Set(['failed', delivered[0]]))
    })
  },
)
