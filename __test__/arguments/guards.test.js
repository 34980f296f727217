'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { staysSound, unchanging } = require('../helpers/calls')
const { aiTask } = require('../helpers/keyed')

/** User `u` has a task `t` of each kind that cost 10 of 100 credits. */
const withTasks = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 60, 40)
  await database.credits.createMediaTask(task('t', 'u'), 10)
  await database.credits.createAITask(aiTask('t', 'u', { costCredits: 10 }))
  return database
})

const PATCH = { status: 'processing' }
const STEP = { credits: 5 }
// Each call that takes guards: with a task's id and options.
const CALLS = [
  ['updateMediaTaskById', ({ credits }, id, options) => credits.updateMediaTaskById(id, PATCH, options)],
  ['updateAITaskById', ({ credits }, id, options) => credits.updateAITaskById(id, PATCH, options)],
  ['chargeMediaTask', ({ credits }, id, options) => credits.chargeMediaTask(id, STEP, PATCH, options)],
  ['chargeAITask', ({ credits }, id, options) => credits.chargeAITask(id, STEP, PATCH, options)],
]

describe('every call that takes guards refuses', () => {
  staysSound()

  test.each([
    ['a number as ifStatus', { ifStatus: 5 }],
    ['NaN as ifStatus', { ifStatus: NaN }],
    ['a bigint as ifStatus', { ifStatus: 5n }],
    ['true as ifStatus', { ifStatus: true }],
    ['an object as ifStatus', { ifStatus: {} }],
    ['a Date as ifStatus', { ifStatus: new Date() }],
    ['a function as ifStatus', { ifStatus: () => 'pending' }],
    ['a symbol as ifStatus', { ifStatus: Symbol('pending') }],
    ['bytes as ifStatus', { ifStatus: Buffer.from('pending') }],
    ['a set as ifStatus', { ifStatus: new Set(['pending']) }],
    ['empty text as ifStatus', { ifStatus: '' }],
    ['text with NUL as ifStatus', { ifStatus: 'pending\0' }],
    ['an empty list as ifStatus', { ifStatus: [] }],
    ['a list with empty text as ifStatus', { ifStatus: ['pending', ''] }],
    ['a list with null as ifStatus', { ifStatus: ['pending', null] }],
    ['a list with a number as ifStatus', { ifStatus: ['pending', 5] }],
    ['a list of lists as ifStatus', { ifStatus: [['pending']] }],
    ['a list with a function as ifStatus', { ifStatus: ['pending', () => 'pending'] }],
    ['a number as ifUpdatedBefore', { ifUpdatedBefore: Date.now() }, 'INVALID_DATE'],
    ['NaN as ifUpdatedBefore', { ifUpdatedBefore: NaN }, 'INVALID_DATE'],
    ['text as ifUpdatedBefore', { ifUpdatedBefore: new Date().toISOString() }, 'INVALID_DATE'],
    ['an invalid Date as ifUpdatedBefore', { ifUpdatedBefore: new Date(NaN) }, 'INVALID_DATE'],
    ['true as ifUpdatedBefore', { ifUpdatedBefore: true }, 'INVALID_DATE'],
    ['an object as ifUpdatedBefore', { ifUpdatedBefore: {} }, 'INVALID_DATE'],
    ['a list as ifUpdatedBefore', { ifUpdatedBefore: [new Date()] }, 'INVALID_DATE'],
    ['a function as ifUpdatedBefore', { ifUpdatedBefore: () => new Date() }, 'INVALID_DATE'],
    ['an unknown option', { ifstatus: 'pending' }, 'UNKNOWN_FIELD'],
    ['an option of another function', { replay: true }, 'UNKNOWN_FIELD'],
    ['an option named __proto__', { ['__proto__']: 'pending' }, 'UNKNOWN_FIELD'],
  ])('%s', async (_, options, code = 'INVALID_ARGUMENT') => {
    const database = withTasks()
    for (const [, call] of CALLS) {
      for (const id of ['t', 'no task']) {
        const error = await refusal(database, () => call(database, id, options))
        expect(error).toMatchObject({ code, field: Object.keys(options)[0], retryable: false })
      }
    }
  })

  test.each([
    [null],
    [5],
    [NaN],
    ['pending'],
    [true],
    [['pending']],
    [new Date(0)],
    [() => ({})],
    [Symbol('x')],
  ])('%p as options', async (options) => {
    const database = withTasks()
    for (const [name, call] of CALLS) {
      const error = await refusal(database, () => call(database, 't', options))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: `${name}(options)` })
    }
  })
})
