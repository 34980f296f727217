'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const DAY_AGO = new Date(Date.now() - 86_400_000)

/** User `u` has tasks `t` and `a`, one of each kind, that were not updated for a day. */
const withStuck = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const { createMediaTask, createAITask } = database.credits
  await createMediaTask(task('t', 'u'), 10)
  const required = { mediaType: 'image', provider: 'p', model: 'm', prompt: 'a cat', status: 'pending' }
  await createAITask({ id: 'a', userId: 'u', ...required, costCredits: 10 })
  await database.run(
    ['UPDATE media_tasks SET updated_at = ?', DAY_AGO],
    ['UPDATE ai_task SET updated_at = ?', DAY_AGO],
  )
  return database
})

const FIND = ['findStuckMediaTasks', 'findStuckAITasks']
const FAIL = ['failStuckMediaTasks', 'failStuckAITasks']

describe('functions for stuck tasks refuse', () => {
  test.each([
    ['no query', undefined],
    ['null as a query', null],
    ['a number as a query', 5],
    ['a query without olderThanMs', {}],
    ['null as olderThanMs', { olderThanMs: null }],
    ['zero as olderThanMs', { olderThanMs: 0 }],
    ['a negative olderThanMs', { olderThanMs: -1 }],
    ['a fraction as olderThanMs', { olderThanMs: 0.5 }],
    ['NaN as olderThanMs', { olderThanMs: NaN }],
    ['Infinity as olderThanMs', { olderThanMs: Infinity }],
    ['text as olderThanMs', { olderThanMs: '60000' }],
    ['a Date as olderThanMs', { olderThanMs: DAY_AGO }],
    ['an empty list of statuses', { olderThanMs: 1, statuses: [] }],
    ['an empty status', { olderThanMs: 1, statuses: ['pending', ''] }],
    ['a number as a status', { olderThanMs: 1, statuses: ['pending', 5] }],
    ['null as statuses', { olderThanMs: 1, statuses: null }],
    ['an object as statuses', { olderThanMs: 1, statuses: { 0: 'pending' } }],
    ['zero as limit', { olderThanMs: 1, limit: 0 }],
    ['a negative limit', { olderThanMs: 1, limit: -1 }],
    ['a fraction as limit', { olderThanMs: 1, limit: 1.5 }],
    ['NaN as limit', { olderThanMs: 1, limit: NaN }],
    ['null as limit', { olderThanMs: 1, limit: null }],
    ['more than 1000 as limit', { olderThanMs: 1, limit: 1001 }],
  ])('%s', async (_, query) => {
    const database = withStuck()
    for (const name of [...FIND, ...FAIL]) {
      const error = await refusal(database, () => database.credits[name](query))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false })
      const wrong = Object.keys(query ?? {}).at(-1)
      if (wrong) expect(error.field).toBe(wrong)
    }
  })

  test.each([
    ['a fraction as limit, with more tasks than fit into a batch', { olderThanMs: 1, limit: 100.5 }],
    ['text as limit', { olderThanMs: 1, limit: '5' }],
    ['true as limit', { olderThanMs: 1, limit: true }],
    ['a list as limit', { olderThanMs: 1, limit: [3] }],
    ['Infinity as limit', { olderThanMs: 1, limit: Infinity }],
    ['an unknown refundPolicy', { olderThanMs: 1, refundPolicy: 'junk' }],
    ['null as refundPolicy', { olderThanMs: 1, refundPolicy: null }],
  ])('%s, before anything is failed', async (_, query) => {
    const database = withStuck()
    for (const name of FAIL) {
      const error = await refusal(database, () => database.credits[name](query))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: Object.keys(query).at(-1) })
    }
  })

  test('an errorMessage that is not text, or for AI tasks, which have no such column', async () => {
    const database = withStuck()
    const { failStuckMediaTasks, failStuckAITasks } = database.credits
    const number = () => failStuckMediaTasks({ olderThanMs: 1, errorMessage: 5 })
    expect(await refusal(database, number)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'errorMessage',
    })
    const text = () => failStuckAITasks({ olderThanMs: 1, errorMessage: 'timed out' })
    expect(await refusal(database, text)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'errorMessage' })
  })

  test('text as a query, with the name of the function', async () => {
    const database = withStuck()
    for (const name of [...FIND, ...FAIL]) {
      const error = await refusal(database, () => database.credits[name]('abc'))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: `${name}(query)` })
    }
  })

  test('an unknown option', async () => {
    const database = withStuck()
    for (const name of [...FIND, ...FAIL]) {
      const call = () => database.credits[name]({ olderThanMs: 1, olderThan: 5 })
      expect(await refusal(database, call)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'olderThan' })
    }
  })

  test.each([
    ['MediaTasks', ['extracted', 'completed', 'failed']],
    ['AITasks', ['success', 'failed', 'canceled']],
  ])('states in which no work is done on %s any more: %j', async (kind, over) => {
    const database = withStuck()
    for (const name of [`findStuck${kind}`, `failStuck${kind}`]) {
      for (const statuses of over.flatMap((status) => [[status], ['pending', status]])) {
        const error = await refusal(database, () => database.credits[name]({ olderThanMs: 1, statuses }))
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'statuses' })
        expect(error.message).toContain(`'${statuses.at(-1)}'`)
      }
    }
  })
})

describe('functions that find stuck tasks refuse', () => {
  test.each([
    ['text as limit', { limit: '5' }, 'INVALID_ARGUMENT', 'limit'],
    ['Infinity as limit', { limit: Infinity }, 'INVALID_ARGUMENT', 'limit'],
    ['an option of failStuckMediaTasks', { errorMessage: 'x' }, 'UNKNOWN_FIELD', 'errorMessage'],
    ['a refundPolicy', { refundPolicy: 'source' }, 'UNKNOWN_FIELD', 'refundPolicy'],
  ])('%s', async (_, option, code, field) => {
    const database = withStuck()
    for (const name of FIND) {
      const error = await refusal(database, () => database.credits[name]({ olderThanMs: 1, ...option }))
      expect(error).toMatchObject({ code, field })
    }
  })
})
