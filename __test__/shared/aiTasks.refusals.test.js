'use strict'

const { TestDatabase, aiTask, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { violations } = require('../helpers/invariants')

/** User `u` has 50 credits and a task `t` that cost 10 of them. */
async function open() {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { creditId } = await database.credits.createAITask(aiTask('t', 'u', { costCredits: 10 }))
  return { database, ...database.credits, charge: creditId }
}

const withTask = unchanging(open)

describe('createAITask refuses', () => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['text', 't2'],
    ['an array', [aiTask('t2', 'u')]],
  ])('%s as a task', async (_, task) => {
    const { database, createAITask } = withTask()
    const error = await refusal(database, () => createAITask(task))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'task' })
  })

  test.each(['mediaType', 'provider', 'model', 'prompt', 'status'])('a task without %s', async (field) => {
    const { database, createAITask } = withTask()
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
    ['a cost above the largest integer of PostgreSQL', { costCredits: 2_147_483_648 }, 'INVALID_AMOUNT'],
    ['null as mediaType', { mediaType: null }, 'INVALID_VALUE'],
    ['a Date as prompt', { prompt: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in the prompt', { prompt: 'a\0' }, 'INVALID_VALUE'],
    ['a function as options', { options: () => 5 }, 'INVALID_VALUE'],
    ['a number as deletedAt', { deletedAt: 5 }, 'INVALID_DATE'],
    ['a key of media tasks', { videoUrl: 'x' }, 'UNKNOWN_FIELD'],
    ['the database name of a column', { media_type: 'image' }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 'x' }, 'UNKNOWN_FIELD'],
    ['a creditId beside a cost', { creditId: 'x' }, 'READ_ONLY_FIELD'],
    ['a failed status with a cost', { status: 'failed' }, 'READ_ONLY_FIELD'],
    ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND'],
    ['more than the balance', { costCredits: 41 }, 'INSUFFICIENT_CREDITS'],
    ['an id that is taken', { id: 't' }, 'TASK_EXISTS'],
  ])('%s', async (_, more, code) => {
    const { database, createAITask } = withTask()
    const call = () => createAITask(aiTask('t2', 'u', { costCredits: 10, ...more }))
    const error = await refusal(database, call)
    expect(error).toMatchObject({ code, retryable: false })
    const [field] = Object.keys(more)
    expect(error.field ?? field).toBe(field)
  })

  test.each([
    ['that does not exist', 'nothing', 'CHARGE_NOT_FOUND'],
    ["that is another user's", 'of v', 'CHARGE_OWNER_MISMATCH'],
  ])('a charge %s, for a task without a cost', async (_, name, code) => {
    const { database, createAITask, consumeCredits } = await open()
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
    const { database, updateAITaskById } = withTask()
    const error = await refusal(database, () => updateAITaskById('t', { status: 'failed', ...patch }))
    expect(error).toMatchObject({ code, field: Object.keys(patch)[0] })
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
    ['metadata that is not an object', { credits: 1, metadata: 'plain' }, {}, 'INVALID_ARGUMENT'],
    ['a creditId in the patch', { credits: 1 }, { creditId: 'x' }, 'READ_ONLY_FIELD'],
    ['a failure', { credits: 1 }, { status: 'failed' }, 'READ_ONLY_FIELD'],
    ['another user', { credits: 1 }, { userId: 'v' }, 'READ_ONLY_FIELD'],
    ['a key of media tasks', { credits: 1 }, { progress: 5 }, 'UNKNOWN_FIELD'],
  ])('%s', async (_, step, patch, code) => {
    const { database, chargeAITask } = withTask()
    expect(await refusal(database, () => chargeAITask('t', step, patch))).toMatchObject({ code })
  })

  test('a charge for a failed task without a new status', async () => {
    const { database, chargeAITask, updateAITaskById } = await open()
    await updateAITaskById('t', { status: 'failed' })
    await refusal(database, () => chargeAITask('t', { credits: 5 }))
    expect(await chargeAITask('t', { credits: 5 }, { status: 'pending' })).toMatchObject({
      status: 'pending',
    })
    expect(await violations(database)).toEqual([])
  })
})
