'use strict'

const { appCharge } = require('../helpers/app')
const { findings, kinds } = require('../helpers/books')
const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { atOnce, staysSound, values } = require('../helpers/calls')
const { KINDS, withTask } = require('../helpers/kinds')
const { creditRow } = require('../helpers/rows')

TestDatabase.reuse()

const MISMATCH = 'CHARGE_OWNER_MISMATCH'

/** Creates a task without a cost that names an existing charge. */
const CREATE = {
  MediaTask: ({ createMediaTask }, id, creditId) => createMediaTask(task(id, 'u', { creditId }), 0),
  AITask: ({ createAITask }, id, creditId) => createAITask(aiTask(id, 'u', { creditId })),
}
const ALL = Object.keys(KINDS)

describe.each(ALL)('the charge of a delivered %s', (kind) => {
  staysSound()

  /** Task `t` is delivered, and its charge of 10 paid. */
  async function withDelivered() {
    const opened = await withTask(kind)
    await opened.update({ status: KINDS[kind].delivered[0] })
    return opened
  }

  test.each(ALL)('is not refunded for a %s that names it at creation', async (other) => {
    const { database, charge, balance } = await withDelivered()
    const error = await refusal(database, () => CREATE[other](database.credits, 'free', charge))
    expect(error).toMatchObject({ code: MISMATCH, creditId: charge, retryable: false })
    expect(error.message).toContain('task "t"')
    expect(await balance()).toBe(90)
  })

  test.each(ALL)('is not refunded for a %s that names it later', async (other) => {
    const { database, charge } = await withDelivered()
    await CREATE[other](database.credits, 'free')
    for (const patch of [{ creditId: charge }, { creditId: charge, status: 'failed' }]) {
      const error = await refusal(database, () => database.credits[`update${other}ById`]('free', patch))
      expect(error).toMatchObject({ code: MISMATCH, creditId: charge })
    }
  })

  test.each(ALL)('is not refunded for a %s whose row other code has changed to name it', async (other) => {
    const { database, charge, balance } = await withDelivered()
    await CREATE[other](database.credits, 'free')
    await database.sql(`UPDATE ${KINDS[other].table} SET credit_id = ? WHERE id = 'free'`, charge)
    const { credits } = database
    for (const call of [
      () => credits[`update${other}ById`]('free', { status: 'failed' }),
      () => credits[`update${other}ById`]('free', { status: 'failed', creditId: charge }),
      () => credits[`settle${other}`]('free', 4),
      () => credits[`settle${other}`]('free', 0),
    ]) {
      expect(await refusal(database, call)).toMatchObject({ code: MISMATCH, creditId: charge })
    }
    // It detaches the charge, and can fail.
    await credits[`update${other}ById`]('free', { creditId: null })
    const { refund } = await credits[`update${other}ById`]('free', { status: 'failed' })
    expect(refund.credits).toBe(0)
    expect(await balance()).toBe(90)
  })

  test.each([
    ['no type', { taskId: 't' }],
    ["a type of the app's own", { type: 'subtitle', taskId: 't' }],
  ])('is not paid back for another one, if its metadata has the id and %s', async (_, metadata) => {
    const { database, update, balance } = await withDelivered()
    const { credits } = database
    const { id } = await credits.consumeCredits({ userId: 'u', credits: 20, metadata })
    await update({ creditId: id })
    await CREATE[kind](credits, 'free', id)
    const fail = () => credits[`update${kind}ById`]('free', { status: 'failed' })
    expect(await refusal(database, fail)).toMatchObject({ code: MISMATCH, creditId: id })
    expect(await balance()).toBe(70)
  })

  test('is refused for one item of a batch, and for a whole atomic batch', async () => {
    const { database, charge } = await withDelivered()
    const { createMediaTasks } = database.credits
    const items = [{}, { creditId: charge }].map((more, at) => ({
      task: task(`free ${at}`, 'u', more),
      costCredits: 0,
    }))
    const error = await refusal(database, () => createMediaTasks(items, { atomic: true }))
    expect(error).toMatchObject({ code: MISMATCH, index: 1 })
    const outcomes = await createMediaTasks(items)
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { reason: { code: MISMATCH } }])
  })

  test('is refunded by the task that was delivered with allowRefunded, and an audit finds nothing', async () => {
    const { database, charge, update, balance } = await withDelivered()
    await update({ status: 'failed' })
    await update({ status: KINDS[kind].delivered[0] }, { allowRefunded: true })
    expect(JSON.parse((await creditRow(database, charge)).metadata)).toMatchObject({
      taskId: 't',
      given: true,
    })
    expect(await balance()).toBe(100)
    expect(await findings(database.credits)).toEqual([])
  })
})

describe.each(ALL)('a %s refunds', (kind) => {
  staysSound()

  test.each([
    ['a charge that names no task', undefined],
    ['a charge with other metadata', { for: 'fun', taskId: 'other' }],
    ['a charge of its own step', { type: `${KINDS[kind].type}-step`, taskId: 'free' }],
  ])('%s, made before it', async (_, metadata) => {
    const { database, balance } = await withTask(kind)
    const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 5, metadata })
    expect(await CREATE[kind](database.credits, 'free', id)).toMatchObject({ creditId: id })
    const { refund } = await database.credits[`update${kind}ById`]('free', { status: 'failed' })
    expect(refund.credits).toBe(5)
    expect(await balance()).toBe(90)
  })

  test('an old charge of a deleted task that it has always named', async () => {
    const { database, balance } = await withTask(kind)
    await CREATE[kind](database.credits, 'heir')
    const metadata = JSON.stringify({ type: KINDS[kind].type, taskId: 'gone' })
    const id = await appCharge(database, 'u', 5, metadata)
    await database.sql(`UPDATE ${KINDS[kind].table} SET credit_id = ? WHERE id = 'heir'`, id)
    const { refund } = await database.credits[`update${kind}ById`]('heir', { status: 'failed', creditId: id })
    expect(refund.credits).toBe(5)
    expect(await balance()).toBe(90)
  })

  test('nothing for a charge that was refunded, made for any other task', async () => {
    const { database, charge, update, balance } = await withTask(kind)
    await update({ status: 'failed' })
    expect(await CREATE[kind](database.credits, 'retry', charge)).toMatchObject({ creditId: charge })
    const again = { status: KINDS[kind].delivered[0] }
    const { [`update${kind}ById`]: updateById } = database.credits
    expect((await refusal(database, () => updateById('retry', again))).code).toBe('TASK_REFUNDED')
    expect((await updateById('retry', { status: 'failed' })).refund.credits).toBe(0)
    expect(await balance()).toBe(100)
  })
})

describe('one charge that names no task, and several tasks that name it', () => {
  staysSound()

  test('refund once when 20 of them fail at once, for both kinds', async () => {
    const { database, balance } = await withTask('MediaTask')
    const { credits } = database
    const { id } = await credits.consumeCredits({ userId: 'u', credits: 20 })
    const kindOf = (at) => ALL[at % 2]
    await atOnce(20, (at) => CREATE[kindOf(at)](credits, `free ${at}`, id))
    const failed = await atOnce(20, (at) =>
      credits[`update${kindOf(at)}ById`](`free ${at}`, { status: 'failed' }),
    )
    const refunds = values(failed).map(({ refund }) => refund.credits)
    expect(refunds.sort()).toEqual([...Array(19).fill(0), 20])
    expect(await balance()).toBe(90)
  })

  test('are a finding of the audit if one is delivered and another one fails', async () => {
    const { database } = await withTask('MediaTask')
    const { credits } = database
    const { id } = await credits.consumeCredits({ userId: 'u', credits: 20 })
    for (const one of ['paid', 'free']) await CREATE.MediaTask(credits, one, id)
    await credits.updateMediaTaskById('paid', { status: 'completed' })
    await credits.updateMediaTaskById('free', { status: 'failed' })
    expect(await kinds(credits)).toEqual({ 'delivered-task-refunded': 1 })
    const [{ rows }] = await findings(credits)
    expect(rows.map((row) => row.id)).toEqual(['paid', id, 'free'])
  })

  test('need an active charge for a task that is created as delivered', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const { consumeCredits, createMediaTask, refundCredits } = database.credits
    const { id } = await consumeCredits({ userId: 'u', credits: 20 })
    const create = () => createMediaTask(task('t', 'u', { creditId: id, status: 'completed' }), 0)
    await refundCredits(id)
    expect(await refusal(database, create)).toMatchObject({ code: 'TASK_REFUNDED', creditId: id })
  })
})
