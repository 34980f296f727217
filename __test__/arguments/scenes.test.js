'use strict'

const { connect, MediaCreditsError } = require('../..')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  await database.credits.createMediaTask(task('t', 'u'), 0)
  await database.credits.createAITask(aiTask('t', 'u'))
  return database
})

/** Each function that takes these options. */
const CALLS = {
  createMediaTask: (credits, options) => credits.createMediaTask(task('new', 'u'), 1, options),
  'createMediaTask without a cost': (credits, options) =>
    credits.createMediaTask(task('new', 'u'), 0, options),
  createMediaTasks: (credits, options) =>
    credits.createMediaTasks([{ task: task('new', 'u'), costCredits: 1 }], { atomic: true, ...options }),
  'createMediaTasks with an empty list': (credits, options) => credits.createMediaTasks([], options),
  chargeMediaTask: (credits, options) => credits.chargeMediaTask('t', { credits: 1 }, {}, options),
  createAITask: (credits, options) => credits.createAITask(aiTask('new', 'u', { costCredits: 1 }), options),
  createAITasks: (credits, options) =>
    credits.createAITasks([aiTask('new', 'u', { costCredits: 1 })], { atomic: true, ...options }),
  chargeAITask: (credits, options) => credits.chargeAITask('t', { credits: 1 }, {}, options),
  consumeCredits: (credits, options) => credits.consumeCredits({ userId: 'u', credits: 1 }, options),
  consumeCreditsBatch: (credits, options) =>
    credits.consumeCreditsBatch([{ userId: 'u', credits: 1 }], { atomic: true, ...options }),
  quoteCredits: (credits, options) => credits.quoteCredits('u', 1, options),
  getRemainingCredits: (credits, options) => credits.getRemainingCredits('u', options),
  getBalance: (credits, options) => credits.getBalance('u', options),
}

const throwing = Object.defineProperty([], 0, { enumerable: true, get: () => Reflect.ownKeys(1) })

/** The outcome of each call with these options. */
const errorsOf = (options) =>
  Promise.all(Object.values(CALLS).map((call) => call(opened().credits, options).catch((error) => error)))

describe('every function that takes scenes refuses', () => {
  test.each([
    ['text', { scenes: 'gift' }, 'scenes'],
    ['no scene', { scenes: [] }, 'scenes'],
    ['an empty scene', { scenes: [''] }, 'scenes'],
    ['a scene with NUL', { scenes: ['a\0'] }, 'scenes'],
    ['null among scenes', { scenes: [null] }, 'scenes'],
    ['a list in a list', { scenes: [['gift']] }, 'scenes'],
    ['a set', { scenes: new Set(['gift']) }, 'scenes'],
    ['a promise', { scenes: Promise.resolve(['gift']) }, 'scenes'],
    ['true', { exceptScenes: true }, 'exceptScenes'],
    ['a number', { exceptScenes: 1 }, 'exceptScenes'],
    ['an object', { exceptScenes: { gift: true } }, 'exceptScenes'],
    ['1001 scenes', { exceptScenes: Array(1001).fill('gift') }, 'exceptScenes'],
    ['a list that throws when it is read', { scenes: throwing }, 'scenes'],
    ['both', { scenes: ['gift'], exceptScenes: ['gift'] }, 'exceptScenes'],
  ])('%s', async (_, options, field) => {
    const code = 'INVALID_ARGUMENT'
    const errors = await errorsOf(options)
    expect(errors.map((error) => [error.code, error.field])).toEqual(errors.map(() => [code, field]))
  })

  test('an unknown option', async () => {
    const errors = await errorsOf({ scene: ['gift'] })
    expect(errors.map(({ code, field }) => [code, field])).toEqual(
      errors.map(() => ['UNKNOWN_FIELD', 'scene']),
    )
  })
})

describe('drawOrder refuses', () => {
  test.each([
    ['null', null],
    ['text', 'expiry'],
    ['no key', []],
    ['an unknown key', ['scene']],
    ['a key twice', ['age', 'age']],
    ['an empty list of scenes', [{ scenes: [] }]],
    ['scenes as text', [{ scenes: 'gift' }]],
    ['an object without a key', [{}]],
    ['a scene twice', [{ scenes: ['gift', 'payment', 'gift'] }]],
    ['a scene in two keys', [{ scenes: ['gift'] }, 'age', { scenes: ['payment', 'gift'] }]],
    ['a function in place of scenes', [{ scenes: () => ['gift'] }]],
    ['an object', { scenes: ['gift'] }],
    ['eleven keys', Array.from({ length: 11 }, (_, at) => ({ scenes: [`${at}`] }))],
    ['a function', () => ['age']],
  ])('%s', (_, drawOrder) => {
    const error = errorOf(drawOrder)
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'drawOrder', retryable: false })
  })

  test.each([
    ['beside scenes', [{ scenes: ['gift'], most: 1 }]],
    ['in place of scenes', ['age', { most: ['gift'] }]],
    ['with a function, beside scenes,', [{ scenes: ['gift'], most: () => 1 }]],
  ])('an unknown field %s', (_, drawOrder) => {
    expect(errorOf(drawOrder)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'most', retryable: false })
  })

  function errorOf(drawOrder) {
    try {
      return connect({ url: opened().url, drawOrder })
    } catch (error) {
      return error
    }
  }
})
