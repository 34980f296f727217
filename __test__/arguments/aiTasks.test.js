'use strict'

const { TestDatabase, aiTask, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has 50 credits and a task `t` that cost 10 of them. */
const withTask = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  await database.credits.createAITask(aiTask('t', 'u', { costCredits: 10 }))
  return { database, ...database.credits }
})

describe('updateAITaskById refuses', () => {
  test.each([
    ['no id', undefined, {}, 'INVALID_ID'],
    ['no patch', 't', undefined, 'INVALID_ARGUMENT'],
    ['a patch that is text', 't', 'failed', 'INVALID_ARGUMENT'],
  ])('%s', async (_, id, patch, code) => {
    const { database, updateAITaskById } = withTask()
    expect(await refusal(database, () => updateAITaskById(id, patch))).toMatchObject({ code })
  })

  test.each([
    ['an empty list as ifStatus', { ifStatus: [] }, 'INVALID_ARGUMENT', 'ifStatus'],
    ['a number as ifStatus', { ifStatus: 5 }, 'INVALID_ARGUMENT', 'ifStatus'],
    ['text as ifUpdatedBefore', { ifUpdatedBefore: '2026' }, 'INVALID_DATE', 'ifUpdatedBefore'],
    ['text as allowRefunded', { allowRefunded: 'yes' }, 'INVALID_ARGUMENT', 'allowRefunded'],
    ['an unknown option', { if: 'pending' }, 'UNKNOWN_FIELD', 'if'],
  ])('%s', async (_, options, code, field) => {
    const { database, updateAITaskById } = withTask()
    const error = await refusal(database, () => updateAITaskById('t', { status: 'failed' }, options))
    expect(error).toMatchObject({ code, field })
  })
})

describe('getAITasks and getAITasksCount refuse', () => {
  test.each([
    ['null as userId', { userId: null }, 'INVALID_ID', 'userId'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID', 'userId'],
    ['an unknown filter', { model: 'flux' }, 'UNKNOWN_FIELD', 'model'],
  ])('%s', async (_, filter, code, field) => {
    const { database, getAITasks, getAITasksCount } = withTask()
    expect(await refusal(database, () => getAITasks(filter))).toMatchObject({ code, field })
    expect(await refusal(database, () => getAITasksCount(filter))).toMatchObject({ code, field })
  })

  test.each([
    ['page 0', { page: 0 }],
    ['a fraction as page', { page: 1.5 }],
    ['a page of "1.0"', { page: '1.0' }],
    ['null as page', { page: null }],
    ['a limit of 0', { limit: 0 }],
    ['a limit above all numbers', { limit: 2 ** 53 }],
    ['a negative limit', { limit: -1 }],
  ])('%s', async (_, paging) => {
    const { database, getAITasks, getAITasksCount } = withTask()
    const [field] = Object.keys(paging)
    const error = await refusal(database, () => getAITasks(paging))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field })
    // A count has no pages.
    expect(await refusal(database, () => getAITasksCount(paging))).toMatchObject({ code: 'UNKNOWN_FIELD' })
  })

  test.each([
    ['null', null],
    ['text', 'u'],
  ])('%s as a query', async (_, query) => {
    const { database, getAITasks, getAITasksCount } = withTask()
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
    const { database, findAITaskById, getAITaskCharges, settleAITask } = withTask()
    for (const call of [() => findAITaskById(id), () => getAITaskCharges(id), () => settleAITask(id, 1)]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'INVALID_ID', field: 'id' })
    }
  })
})
