'use strict'

const { TestDatabase, aiTask, refusal } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

/** User `u` has 50 credits and a task `t` that cost 10 of them. */
async function withTask() {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { creditId } = await database.credits.createAITask(aiTask('t', 'u', { costCredits: 10 }))
  return { database, ...database.credits, charge: creditId }
}

describe('createAITask refuses', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 't2'],
    ['an array', [aiTask('t2', 'u')]],
  ])('%s as a task', async (_, task) => {
    const { database, createAITask } = await withTask()
    const error = await refusal(database, () => createAITask(task))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'task' })
  })

  test.each(['mediaType', 'provider', 'model', 'prompt', 'status'])('a task without %s', async (field) => {
    const { database, createAITask } = await withTask()
    for (const more of [{ costCredits: 10 }, {}]) {
      const call = () => createAITask(aiTask('t2', 'u', { ...more, [field]: undefined }))
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'MISSING_FIELD', field, table: 'ai_task' })
    }
  })

  test.each([
    ['no id', { id: undefined }, 'INVALID_ID'],
    ['a number as id', { id: 5 }, 'INVALID_ID'],
    ['an empty id', { id: '' }, 'INVALID_ID'],
    ['no userId', { userId: undefined }, 'INVALID_ID'],
    ['null as userId', { userId: null }, 'INVALID_ID'],
    ['a negative cost', { costCredits: -1 }, 'INVALID_AMOUNT'],
    ['a fraction as cost', { costCredits: 0.5 }, 'INVALID_AMOUNT'],
    ['NaN as cost', { costCredits: NaN }, 'INVALID_AMOUNT'],
    ['Infinity as cost', { costCredits: Infinity }, 'INVALID_AMOUNT'],
    ['text as cost', { costCredits: '10' }, 'INVALID_AMOUNT'],
    ['true as cost', { costCredits: true }, 'INVALID_AMOUNT'],
    ['more than PostgreSQL holds as cost', { costCredits: 2_147_483_648 }, 'INVALID_AMOUNT'],
    ['null as mediaType', { mediaType: null }, 'INVALID_VALUE'],
    ['a Date as prompt', { prompt: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in the prompt', { prompt: 'a\0' }, 'INVALID_VALUE'],
    ['a function as options', { options: () => 5 }, 'INVALID_VALUE'],
    ['a number as deletedAt', { deletedAt: 5 }, 'INVALID_DATE'],
    ['a key of media tasks', { videoUrl: 'x' }, 'UNKNOWN_FIELD'],
    ['a column as the database names it', { media_type: 'image' }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 'x' }, 'UNKNOWN_FIELD'],
    ['a creditId beside a cost', { creditId: 'x' }, 'READ_ONLY_FIELD'],
    ['a status that keeps no charge', { status: 'failed' }, 'READ_ONLY_FIELD'],
    ['a user who is not there', { userId: 'nobody' }, 'USER_NOT_FOUND'],
    ['more than the balance', { costCredits: 41 }, 'INSUFFICIENT_CREDITS'],
    ['an id that is taken', { id: 't' }, 'TASK_EXISTS'],
  ])('%s', async (_, more, code) => {
    const { database, createAITask } = await withTask()
    const call = () => createAITask(aiTask('t2', 'u', { costCredits: 10, ...more }))
    const error = await refusal(database, call)
    expect(error).toMatchObject({ code, retryable: false })
    const [field] = Object.keys(more)
    expect(error.field ?? field).toBe(field)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['that is not there', 'nothing', 'CHARGE_NOT_FOUND'],
    ["that is another user's", 'of v', 'CHARGE_OWNER_MISMATCH'],
  ])('a charge %s, for a task without a cost', async (_, name, code) => {
    const { database, createAITask, consumeCredits } = await withTask()
    await database.user('v', 50)
    const { id } = await consumeCredits({ userId: 'v', credits: 5 })
    const creditId = name === 'of v' ? id : name
    const error = await refusal(database, () => createAITask(aiTask('t2', 'u', { creditId })))
    expect(error).toMatchObject({ code, creditId })
  })
})

describe('updateAITaskById refuses', () => {
  test.each([
    ['another id', { id: 'other' }, 'READ_ONLY_FIELD'],
    ['another user', { userId: 'v' }, 'READ_ONLY_FIELD'],
    ['a key of media tasks', { errorMessage: 'x' }, 'UNKNOWN_FIELD'],
    ['null as prompt', { prompt: null }, 'INVALID_VALUE'],
    ['a Date as status', { status: new Date(0) }, 'INVALID_VALUE'],
    ['text as deletedAt', { deletedAt: '2026' }, 'INVALID_DATE'],
    ['an empty creditId', { creditId: '' }, 'INVALID_ID'],
  ])('%s', async (_, patch, code) => {
    const { database, updateAITaskById } = await withTask()
    const error = await refusal(database, () => updateAITaskById('t', { status: 'failed', ...patch }))
    expect(error).toMatchObject({ code, field: Object.keys(patch)[0] })
  })

  test.each([
    ['no id', undefined, {}, 'INVALID_ID'],
    ['no patch', 't', undefined, 'INVALID_ARGUMENT'],
    ['a patch that is text', 't', 'failed', 'INVALID_ARGUMENT'],
  ])('%s', async (_, id, patch, code) => {
    const { database, updateAITaskById } = await withTask()
    expect(await refusal(database, () => updateAITaskById(id, patch))).toMatchObject({ code })
  })

  test.each([
    ['an empty list as ifStatus', { ifStatus: [] }, 'INVALID_ARGUMENT', 'ifStatus'],
    ['a number as ifStatus', { ifStatus: 5 }, 'INVALID_ARGUMENT', 'ifStatus'],
    ['text as ifUpdatedBefore', { ifUpdatedBefore: '2026' }, 'INVALID_DATE', 'ifUpdatedBefore'],
    ['text as allowRefunded', { allowRefunded: 'yes' }, 'INVALID_ARGUMENT', 'allowRefunded'],
    ['an unknown option', { if: 'pending' }, 'UNKNOWN_FIELD', 'if'],
  ])('%s', async (_, options, code, field) => {
    const { database, updateAITaskById } = await withTask()
    const error = await refusal(database, () => updateAITaskById('t', { status: 'failed' }, options))
    expect(error).toMatchObject({ code, field })
  })
})

describe('chargeAITask refuses', () => {
  test.each([
    ['a negative number of credits', { credits: -1 }, {}, 'INVALID_AMOUNT'],
    ['no credits', {}, {}, 'INVALID_AMOUNT'],
    ['more than the balance', { credits: 41 }, {}, 'INSUFFICIENT_CREDITS'],
    ['an unknown parameter', { credits: 1, cost: 1 }, {}, 'UNKNOWN_FIELD'],
    ['the type of a creation', { credits: 1, metadata: { type: 'ai-task' } }, {}, 'INVALID_ARGUMENT'],
    [
      'the type of a media task',
      { credits: 1, metadata: { type: 'media-task-step' } },
      {},
      'INVALID_ARGUMENT',
    ],
    ['metadata that is no object', { credits: 1, metadata: 'plain' }, {}, 'INVALID_ARGUMENT'],
    ['a creditId in the patch', { credits: 1 }, { creditId: 'x' }, 'READ_ONLY_FIELD'],
    ['a failure', { credits: 1 }, { status: 'failed' }, 'READ_ONLY_FIELD'],
    ['another user', { credits: 1 }, { userId: 'v' }, 'READ_ONLY_FIELD'],
    ['a key of media tasks', { credits: 1 }, { progress: 5 }, 'UNKNOWN_FIELD'],
  ])('%s', async (_, step, patch, code) => {
    const { database, chargeAITask } = await withTask()
    expect(await refusal(database, () => chargeAITask('t', step, patch))).toMatchObject({ code })
    expect(await violations(database)).toEqual([])
  })

  test('to charge a task that has failed, unless it is given another status', async () => {
    const { database, chargeAITask, updateAITaskById } = await withTask()
    await updateAITaskById('t', { status: 'failed' })
    await refusal(database, () => chargeAITask('t', { credits: 5 }))
    expect(await chargeAITask('t', { credits: 5 }, { status: 'pending' })).toMatchObject({
      status: 'pending',
    })
    expect(await violations(database)).toEqual([])
  })
})

describe('getAITasks and getAITasksCount refuse', () => {
  test.each([
    ['null as userId', { userId: null }, 'INVALID_ID', 'userId'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID', 'userId'],
    ['an unknown filter', { model: 'flux' }, 'UNKNOWN_FIELD', 'model'],
  ])('%s', async (_, filter, code, field) => {
    const { database, getAITasks, getAITasksCount } = await withTask()
    expect(await refusal(database, () => getAITasks(filter))).toMatchObject({ code, field })
    expect(await refusal(database, () => getAITasksCount(filter))).toMatchObject({ code, field })
  })

  test.each([
    ['page 0', { page: 0 }],
    ['a fraction as page', { page: 1.5 }],
    ['no whole number as page', { page: '1.0' }],
    ['null as page', { page: null }],
    ['a limit of 0', { limit: 0 }],
    ['a limit beyond all', { limit: 2 ** 53 }],
    ['a negative limit', { limit: -1 }],
  ])('%s', async (_, paging) => {
    const { database, getAITasks, getAITasksCount } = await withTask()
    const [field] = Object.keys(paging)
    const error = await refusal(database, () => getAITasks(paging))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field })
    // A number of rows has no pages.
    expect(await refusal(database, () => getAITasksCount(paging))).toMatchObject({ code: 'UNKNOWN_FIELD' })
  })

  test.each([
    ['null', null],
    ['text', 'u'],
  ])('%s as a query', async (_, query) => {
    const { database, getAITasks, getAITasksCount } = await withTask()
    for (const call of [() => getAITasks(query), () => getAITasksCount(query)]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })
})

describe('findAITaskById and getAITaskCharges refuse', () => {
  test.each([
    ['no id', undefined],
    ['an empty id', ''],
    ['a number as id', 5],
    ['an id of 256 characters', 'x'.repeat(256)],
    ['an id with NUL', 't\0'],
  ])('%s', async (_, id) => {
    const { database, findAITaskById, getAITaskCharges, settleAITask } = await withTask()
    for (const call of [() => findAITaskById(id), () => getAITaskCharges(id), () => settleAITask(id, 1)]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'INVALID_ID', field: 'id' })
    }
  })
})
