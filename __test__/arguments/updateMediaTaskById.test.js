'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has task `t`, which cost 10 of 50 credits. */
const withTask = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  await database.credits.createMediaTask(task('t', 'u'), 10)
  return { database, update: database.credits.updateMediaTaskById }
})

describe('updateMediaTaskById refuses', () => {
  test.each([
    ['no id', undefined],
    ['an empty id', ''],
    ['a number as id', 5],
    ['null as id', null],
    ['an id of 256 characters', 'x'.repeat(256)],
    ['an id with NUL', 't\0'],
  ])('%s', async (_, id) => {
    const { database, update } = withTask()
    const error = await refusal(database, () => update(id, { status: 'failed' }))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'id' })
  })

  test.each([
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['text', 'failed', 'the text "failed"'],
    ['a number', 5, '5'],
    ['an array', [{ status: 'failed' }], 'an array'],
    ['a function', () => 'failed', 'a function'],
  ])('%s as a patch', async (_, patch, given) => {
    const { database, update } = withTask()
    const error = await refusal(database, () => update('t', patch))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'patch' })
    expect(error.message).toBe(`patch must be an object, got ${given}`)
  })

  test.each([
    ['null', null],
    ['a number', 0],
  ])('%s as options', async (_, options) => {
    const { database, update } = withTask()
    const error = await refusal(database, () => update('t', { progress: 5 }, options))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'updateMediaTaskById(options)' })
  })
})
