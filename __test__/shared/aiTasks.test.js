'use strict'

const { TestDatabase, aiTask, refusal, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { counted, creditRow, draws, remaining } = require('../helpers/rows')

TestDatabase.reuse()

const NOTHING = { credits: 0, spendable: 0, skipped: [] }
const COST = { costCredits: 10 }

/** User `u` has grants `a`, drawn on first, and `b`. */
async function withUser(options) {
  const database = await TestDatabase.fresh(options)
  const soon = new Date(Date.now() + DAY_MS)
  await database.user('u', { id: 'a', credits: 4, expiresAt: soon, transactionNo: '71' })
  await database.credits.createCredit({
    ...{ id: 'b', userId: 'u', credits: 50, transactionNo: '72', transactionScene: 'gift' },
  })
  return { database, ...database.credits }
}

/** As above, with task `t` that cost 10. */
async function withTask() {
  const made = await withUser()
  const { creditId } = await made.createAITask(aiTask('t', 'u', COST))
  return { ...made, charge: creditId }
}

describe('createAITask', () => {
  test('returns the whole row', async () => {
    const { database, createAITask, findAITaskById } = await withUser()
    const before = Date.now()
    const passed = { ...COST, taskId: 'p1', options: '{"width":512}' }
    const row = await createAITask(aiTask('t', 'u', passed))
    expect(row).toEqual({
      ...aiTask('t', 'u', passed),
      createdAt: expect.any(Date),
      updatedAt: row.createdAt,
      deletedAt: null,
      taskInfo: null,
      taskResult: null,
      creditId: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    })
    expect(row.createdAt.getTime()).toBeGreaterThanOrEqual(before)
    expect(row.createdAt.getTime()).toBeLessThanOrEqual(Date.now())
    expect(await findAITaskById('t')).toEqual(row)
    expect(await findAITaskById('no task')).toBeUndefined()
    expect(await violations(database)).toEqual([])
  })

  test('writes the charge as the app does', async () => {
    const { database, createAITask } = await withUser()
    const row = await createAITask(aiTask('t', 'u', { ...COST, mediaType: 'video', scene: 'image-to-video' }))
    const charge = await creditRow(database, row.creditId)
    const { consumed_detail: detail, ...columns } = charge
    expect(columns).toEqual({
      id: row.creditId,
      user_id: 'u',
      user_email: null,
      order_no: null,
      subscription_no: null,
      transaction_no: expect.stringMatching(/^\d{15,19}$/),
      transaction_type: 'consume',
      transaction_scene: 'image-to-video',
      credits: -10,
      remaining_credits: 0,
      description: 'generate video',
      expires_at: null,
      status: 'active',
      created_at: row.createdAt.getTime(),
      updated_at: row.createdAt.getTime(),
      deleted_at: null,
      // As text: the keys and their order are the app's.
      metadata: '{"type":"ai-task","mediaType":"video","taskId":"t"}',
    })
    expect(JSON.parse(detail)).toMatchObject([
      { creditId: 'a', transactionNo: '71', creditsToConsume: 10, creditsConsumed: 4, batchNo: 1 },
      { creditId: 'b', transactionNo: '72', creditsToConsume: 6, creditsConsumed: 6, batchNo: 2 },
    ])
    expect(await remaining(database)).toEqual({ a: 0, b: 44 })
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['0', { costCredits: 0 }],
    ['left out', {}],
    ['undefined', { costCredits: undefined }],
  ])('with a cost that is %s charges nothing', async (_, cost) => {
    const { database, createAITask } = await withUser()
    const row = await createAITask(aiTask('t', 'u', cost))
    expect(row).toMatchObject({ costCredits: 0, creditId: null })
    expect(await remaining(database)).toEqual({ a: 4, b: 50 })
    expect((await database.everything()).credit.length).toBe(2)
  })

  test('without a scene leaves the scene of task and charge empty', async () => {
    const { database, createAITask } = await withUser()
    const row = await createAITask(aiTask('t', 'u', { ...COST, scene: undefined }))
    expect(row.scene).toBe('')
    expect((await creditRow(database, row.creditId)).transaction_scene ?? '').toBe('')
    expect(await violations(database)).toEqual([])
  })

  test('writes objects as JSON text, and returns them', async () => {
    const { database, createAITask, findAITaskById } = await withUser()
    const options = { width: 512, tags: ['a', '"b"'], nothing: null }
    const row = await createAITask(aiTask('t', 'u', { options, taskInfo: ['x'], taskResult: 'text' }))
    const text = { options: JSON.stringify(options), taskInfo: '["x"]', taskResult: 'text' }
    expect(row).toMatchObject(text)
    expect(await findAITaskById('t')).toMatchObject(text)
    expect(await violations(database)).toEqual([])
  })

  test('accepts a creditId of the same user for a task that costs nothing', async () => {
    const { database, createAITask, updateAITaskById, consumeCredits } = await withUser()
    const { id } = await consumeCredits({ userId: 'u', credits: 5 })
    expect(await createAITask(aiTask('t', 'u', { creditId: id }))).toMatchObject({ creditId: id })
    expect((await updateAITaskById('t', { status: 'failed' })).refund.credits).toBe(5)
    expect(await violations(database)).toEqual([])
  })

  test('with too few credits creates nothing', async () => {
    const { database, createAITask } = await withUser()
    const call = () => createAITask(aiTask('t', 'u', { costCredits: 55 }))
    const expected = { code: 'INSUFFICIENT_CREDITS', required: 55, available: 54 }
    expect(await refusal(database, call)).toMatchObject(expected)
    expect(await violations(database)).toEqual([])
  })
})

describe('createAITask with replay', () => {
  const REPLAY = { replay: true }

  test('writes nothing the second time and returns the current task', async () => {
    const { database, createAITask, updateAITaskById, settleAITask, chargeAITask } = await withUser()
    const same = () => createAITask(aiTask('t', 'u', COST), REPLAY)
    const first = await same()
    expect(first).not.toHaveProperty('replayed')
    const changes = [
      () => updateAITaskById('t', { status: 'processing' }),
      () => settleAITask('t', 3),
      () => chargeAITask('t', { credits: 2 }),
      () => updateAITaskById('t', { status: 'failed' }),
    ]
    for (const change of changes) {
      await change()
      const before = await database.everything()
      expect(await same()).toEqual({ ...(await database.credits.findAITaskById('t')), replayed: true })
      expect(await database.everything()).toEqual(before)
      expect(await violations(database)).toEqual([])
    }
  })

  test.each([
    ['another cost', { costCredits: 11 }],
    ['no cost', { costCredits: 0 }],
    ['another user', { ...COST, userId: 'v' }],
  ])('and %s is a conflict', async (_, more) => {
    const { database, createAITask } = await withUser()
    await database.user('v', 50)
    await createAITask(aiTask('t', 'u', COST), REPLAY)
    const error = await refusal(database, () => createAITask(aiTask('t', 'u', more), REPLAY))
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', field: 'id', value: 't' })
  })

  test('charges once for 20 concurrent calls', async () => {
    const { database, createAITask } = await withUser()
    const calls = Array.from({ length: 20 }, () => createAITask(aiTask('t', 'u', COST), REPLAY))
    const rows = await Promise.all(calls)
    expect(rows.filter(({ replayed }) => replayed).length).toBe(19)
    expect(await remaining(database)).toEqual({ a: 0, b: 44 })
    expect(await violations(database)).toEqual([])
  })
})

describe('updateAITaskById', () => {
  test('changes only the fields that are passed', async () => {
    const { database, updateAITaskById, findAITaskById } = await withTask()
    const before = await findAITaskById('t')
    const patch = { status: 'processing', taskId: 'p1', taskInfo: { progress: 5 }, prompt: undefined }
    const row = await updateAITaskById('t', patch)
    expect(row).toEqual({
      ...before,
      status: 'processing',
      taskId: 'p1',
      taskInfo: '{"progress":5}',
      updatedAt: expect.any(Date),
    })
    expect(await findAITaskById('t')).toEqual(row)
    expect(await violations(database)).toEqual([])
  })

  test('refunds once when a task fails', async () => {
    const { database, updateAITaskById, charge } = await withTask()
    const row = await updateAITaskById('t', { status: 'failed', taskResult: { error: 'nsfw' } })
    expect(row).toMatchObject({ status: 'failed', creditId: charge })
    expect(row.refund).toEqual({ credits: 10, spendable: 10, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 50 })
    expect((await creditRow(database, charge)).status).toBe('deleted')
    expect((await updateAITaskById('t', { status: 'failed' })).refund).toEqual(NOTHING)
    expect(await remaining(database)).toEqual({ a: 4, b: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('refunds once for 20 concurrent failures', async () => {
    const { database, updateAITaskById } = await withTask()
    const fail = () => updateAITaskById('t', { status: 'failed' })
    const rows = await Promise.all(Array.from({ length: 20 }, fail))
    expect(rows.map(({ refund }) => refund.credits).sort()).toEqual([...Array(19).fill(0), 10])
    expect(await violations(database)).toEqual([])
  })

  test.each(['canceled', 'success', 'processing', 'of a fork'])(
    'refunds nothing for the status %s',
    async (status) => {
      const { database, updateAITaskById, settleAITask, charge } = await withTask()
      const row = await updateAITaskById('t', { status })
      expect(row.status).toBe(status)
      expect(row).not.toHaveProperty('refund')
      expect((await creditRow(database, charge)).status).toBe('active')
      expect(await remaining(database)).toEqual({ a: 0, b: 44 })
      // Settling the task returns credits.
      expect((await settleAITask('t', 0)).refund.credits).toBe(10)
      expect(await violations(database)).toEqual([])
    },
  )

  test('refuses to deliver a refunded task without allowRefunded', async () => {
    const { database, updateAITaskById, charge } = await withTask()
    await updateAITaskById('t', { status: 'failed' })
    const error = await refusal(database, () => updateAITaskById('t', { status: 'success' }))
    expect(error).toMatchObject({ code: 'TASK_REFUNDED', taskId: 't', creditId: charge })
    expect(await updateAITaskById('t', { status: 'processing' })).toMatchObject({ status: 'processing' })
    await refusal(database, () => updateAITaskById('t', { status: 'success' }))
    const given = await updateAITaskById('t', { status: 'success' }, { allowRefunded: true })
    expect(given.status).toBe('success')
    expect(await violations(database)).toEqual([])
  })

  test('changes a task only if its guards hold', async () => {
    const { database, updateAITaskById } = await withTask()
    const { updatedAt } = await updateAITaskById('t', { status: 'processing' })
    const late = { status: 'failed' }
    for (const guards of [
      { ifStatus: 'pending' },
      { ifStatus: ['pending', 'success'] },
      { ifUpdatedBefore: updatedAt },
      { ifStatus: 'processing', ifUpdatedBefore: new Date(0) },
    ]) {
      const error = await refusal(database, () => updateAITaskById('t', late, guards))
      expect(error).toMatchObject({ code: 'TASK_STATE_CONFLICT', taskId: 't', status: 'processing' })
    }
    const guards = { ifStatus: ['pending', 'processing'], ifUpdatedBefore: new Date(updatedAt.getTime() + 1) }
    expect((await updateAITaskById('t', late, guards)).refund.credits).toBe(10)
    expect(await violations(database)).toEqual([])
  })

  test('lets one of 20 workers claim a task', async () => {
    const { database, updateAITaskById } = await withTask()
    const claim = (_, at) =>
      updateAITaskById('t', { status: 'processing', taskId: `${at}` }, { ifStatus: 'pending' })
    const settled = await Promise.allSettled(Array.from({ length: 20 }, claim))
    expect(counted(settled)).toEqual({ accepted: 1, TASK_STATE_CONFLICT: 19 })
    expect(await violations(database)).toEqual([])
  })

  test('regrants credits of expired grants with refundPolicy regrantDays', async () => {
    const { database, settleAITask, updateAITaskById } = await withTask()
    await database.sql('UPDATE credit SET expires_at = ?', new Date(Date.now() - DAY_MS))
    const policy = { refundPolicy: { regrantDays: 7 } }
    const settled = await settleAITask('t', 8, policy)
    expect(settled.refund).toMatchObject({ credits: 2, spendable: 2, regranted: { credits: 2 } })
    const { refund } = await updateAITaskById('t', { status: 'failed' }, policy)
    expect(refund).toMatchObject({ credits: 8, spendable: 8, regranted: { credits: 8 } })
    expect(await database.credits.getRemainingCredits('u')).toBe(10)
    expect(await violations(database)).toEqual([])
  })

  test('returns undefined for a task that does not exist', async () => {
    const { database, updateAITaskById } = await withTask()
    const before = await database.everything()
    expect(await updateAITaskById('no task', { status: 'failed' })).toBeUndefined()
    expect(await database.everything()).toEqual(before)
  })

  test.each([
    ["another user's charge", 'v', 'CHARGE_OWNER_MISMATCH'],
    ['a charge that does not exist', 'nothing', 'CHARGE_NOT_FOUND'],
    ['a grant', 'a', 'CHARGE_NOT_FOUND'],
  ])('refuses %s', async (_, name, code) => {
    const { database, updateAITaskById, consumeCredits } = await withTask()
    await database.user('v', 50)
    const { id } = await consumeCredits({ userId: 'v', credits: 5 })
    const creditId = name === 'v' ? id : name
    const error = await refusal(database, () => updateAITaskById('t', { status: 'failed', creditId }))
    expect(error).toMatchObject({ code, creditId })
    expect(await violations(database)).toEqual([])
  })
})

describe('the charges of an AI task', () => {
  test('are the charge of its creation and those of its steps, oldest first', async () => {
    const { database, chargeAITask, updateAITaskById, getAITaskCharges, charge } = await withTask()
    const step = {
      credits: 5,
      scene: 'upscale',
      description: 'upscale',
      metadata: { type: 'ai-task-upscale', factor: 2 },
    }
    const row = await chargeAITask('t', step, { status: 'processing' }, { ifStatus: 'pending' })
    expect(row).toMatchObject({ status: 'processing', costCredits: 10, creditId: expect.any(String) })
    expect(row.creditId).not.toBe(charge)
    const again = await refusal(database, () =>
      chargeAITask('t', step, { status: 'processing' }, { ifStatus: 'pending' }),
    )
    expect(again).toMatchObject({ code: 'TASK_STATE_CONFLICT', status: 'processing' })
    await chargeAITask('t', { credits: 3 })
    const charges = await getAITaskCharges('t')
    expect(charges.map(({ credits, transactionScene }) => [credits, transactionScene])).toEqual([
      [-10, 'text-to-image'],
      [-5, 'upscale'],
      [-3, 'payment'],
    ])
    expect(charges.map(({ metadata }) => JSON.parse(metadata))).toEqual([
      { type: 'ai-task', mediaType: 'image', taskId: 't' },
      { type: 'ai-task-upscale', factor: 2, taskId: 't' },
      { type: 'ai-task-step', taskId: 't' },
    ])
    // Only the last step.
    expect((await updateAITaskById('t', { status: 'failed' })).refund.credits).toBe(3)
    expect((await getAITaskCharges('t')).map(({ status }) => status)).toEqual(['active', 'active', 'deleted'])
    expect(await getAITaskCharges('no task')).toEqual([])
    expect(await violations(database)).toEqual([])
  })

  test('have nothing to refund if the last step is free', async () => {
    const { database, chargeAITask, updateAITaskById } = await withTask()
    expect(await chargeAITask('t', { credits: 0 })).toMatchObject({ creditId: null })
    expect((await updateAITaskById('t', { status: 'failed' })).refund).toEqual(NOTHING)
    expect(await remaining(database)).toEqual({ a: 0, b: 44 })
    expect(await violations(database)).toEqual([])
  })

  test.each(["it's", '"quoted"', 'back\\slash', '100%', 'a_b', 'täsk 💥', '{"taskId":"t"}', '[t]'])(
    'are found by the id %p',
    async (id) => {
      const { database, createAITask, chargeAITask, getAITaskCharges } = await withTask()
      await createAITask(aiTask(id, 'u', { costCredits: 7 }))
      await chargeAITask(id, { credits: 2 })
      expect((await getAITaskCharges(id)).map(({ credits }) => credits)).toEqual([-7, -2])
      expect((await getAITaskCharges('t')).map(({ credits }) => credits)).toEqual([-10])
      expect(await violations(database)).toEqual([])
    },
  )
})

describe('settleAITask', () => {
  test('returns the difference once, last drawn first', async () => {
    const { database, settleAITask, updateAITaskById, charge } = await withTask()
    const row = await settleAITask('t', 3)
    expect(row).toMatchObject({ id: charge, credits: -3, status: 'active' })
    expect(row.refund).toEqual({ credits: 7, spendable: 7, skipped: [] })
    expect(JSON.parse(row.metadata)).toEqual({
      ...{ type: 'ai-task', mediaType: 'image', taskId: 't' },
      settled: { charged: 10, credits: 3 },
    })
    expect(await draws(database, charge)).toEqual([['a', 3]])
    expect(await remaining(database)).toEqual({ a: 1, b: 50 })
    const before = await database.everything()
    expect((await settleAITask('t', 3)).refund).toEqual(NOTHING)
    expect(await database.everything()).toEqual(before)
    const conflict = { code: 'SETTLE_CONFLICT', settled: 3, requested: 4 }
    expect(await refusal(database, () => settleAITask('t', 4))).toMatchObject(conflict)
    const exceeds = { code: 'SETTLE_EXCEEDS_CHARGE', charged: 10, requested: 11 }
    expect(await refusal(database, () => settleAITask('t', 11))).toMatchObject(exceeds)
    expect((await updateAITaskById('t', { status: 'failed' })).refund.credits).toBe(3)
    expect(await violations(database)).toEqual([])
  })

  test('refuses a task without a charge, and returns undefined for one that does not exist', async () => {
    const { database, createAITask, settleAITask } = await withTask()
    await createAITask(aiTask('free', 'u'))
    expect(await refusal(database, () => settleAITask('free', 0))).toMatchObject({ code: 'CHARGE_NOT_FOUND' })
    expect(await settleAITask('no task', 0)).toBeUndefined()
  })

  test('does not change costCredits, the cost at creation', async () => {
    const { database, settleAITask, findAITaskById } = await withTask()
    await settleAITask('t', 3)
    expect(await findAITaskById('t')).toMatchObject({ costCredits: 10 })
    expect(await violations(database)).toEqual([])
  })
})
