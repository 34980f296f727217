'use strict'

const { TestDatabase, aiTask, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  await database.credits.createMediaTask(task('t', 'u'), 0)
  await database.credits.createAITask(aiTask('t', 'u'))
  return database
})

/** Each function that takes limits. */
const CALLS = [
  (credits, options) => credits.createMediaTask(task('new', 'u'), 1, options),
  (credits, options) => credits.createMediaTask(task('new', 'u'), 0, options),
  (credits, options) =>
    credits.createMediaTasks([{ task: task('new', 'u'), costCredits: 1 }], { atomic: true, ...options }),
  (credits, options) => credits.createMediaTasks([], options),
  (credits, options) => credits.chargeMediaTask('t', { credits: 1 }, {}, options),
  (credits, options) => credits.createAITask(aiTask('new', 'u', { costCredits: 1 }), options),
  (credits, options) =>
    credits.createAITasks([aiTask('new', 'u', { costCredits: 1 })], { atomic: true, ...options }),
  (credits, options) => credits.chargeAITask('t', { credits: 1 }, {}, options),
  (credits, options) => credits.consumeCredits({ userId: 'u', credits: 1 }, options),
  (credits, options) =>
    credits.consumeCreditsBatch([{ userId: 'u', credits: 1 }], { atomic: true, ...options }),
]

const refusals = (limits, calls = CALLS) =>
  Promise.all(
    calls.map((call) =>
      call(opened().credits, { limits }).then(
        () => ['accepted'],
        ({ code, field }) => [code, field],
      ),
    ),
  )

const DAY = { credits: 5, per: 'day' }
const throwing = { credits: 5, get per() { throw new Error('no') } } // prettier-ignore

describe('every function that takes limits refuses', () => {
  test.each([
    ['text', 'day', 'INVALID_ARGUMENT', 'limits'],
    ['a limit without a list', DAY, 'INVALID_ARGUMENT', 'limits'],
    ['a number', 5, 'INVALID_ARGUMENT', 'limits'],
    ['a set', new Set([DAY]), 'INVALID_ARGUMENT', 'limits'],
    ['eleven limits', Array(11).fill(DAY), 'INVALID_ARGUMENT', 'limits'],
    ['null in the list', [null], 'INVALID_ARGUMENT', 'limits[0]'],
    ['a list in the list', [DAY, [DAY]], 'INVALID_ARGUMENT', 'limits[1]'],
    ['a limit without credits', [{ per: 'day' }], 'INVALID_ARGUMENT', 'limits[0].credits'],
    ['credits as text', [{ ...DAY, credits: '5' }], 'INVALID_ARGUMENT', 'limits[0].credits'],
    ['credits that are NaN', [{ ...DAY, credits: NaN }], 'INVALID_ARGUMENT', 'limits[0].credits'],
    ['credits below zero', [{ ...DAY, credits: -1 }], 'INVALID_ARGUMENT', 'limits[0].credits'],
    ['credits above all numbers', [{ ...DAY, credits: 2 ** 53 }], 'INVALID_ARGUMENT', 'limits[0].credits'],
    ['a limit without a period', [{ credits: 5 }], 'INVALID_ARGUMENT', 'limits[0].per'],
    ['an unknown period', [{ ...DAY, per: 'year' }], 'INVALID_ARGUMENT', 'limits[0].per'],
    ['a period of 0', [{ ...DAY, per: 0 }], 'INVALID_ARGUMENT', 'limits[0].per'],
    ['an infinite period', [{ ...DAY, per: Infinity }], 'INVALID_ARGUMENT', 'limits[0].per'],
    ['a period that throws', [throwing], 'INVALID_ARGUMENT', 'limits[0].per'],
    ['since as a number', [{ ...DAY, since: 5 }], 'INVALID_DATE', 'limits[0].since'],
    ['since as text', [{ ...DAY, since: '2026-01-01' }], 'INVALID_DATE', 'limits[0].since'],
    ['an invalid since', [{ ...DAY, since: new Date(NaN) }], 'INVALID_DATE', 'limits[0].since'],
    [
      'a since after all times',
      [{ ...DAY, since: new Date(8.64e15) }],
      'INVALID_ARGUMENT',
      'limits[0].since',
    ],
    ['a list of scenes', [{ ...DAY, scene: ['gift'] }], 'INVALID_ARGUMENT', 'limits[0].scene'],
    ['an unknown zone', [{ ...DAY, timeZone: 'Mars/Olympus' }], 'INVALID_ARGUMENT', 'limits[0].timeZone'],
    ['a path as a zone', [{ ...DAY, timeZone: '../../etc' }], 'INVALID_ARGUMENT', 'limits[0].timeZone'],
    ['an offset as a zone', [{ ...DAY, timeZone: '+02:00' }], 'INVALID_ARGUMENT', 'limits[0].timeZone'],
    ['an unknown key', [{ ...DAY, max: 5 }], 'UNKNOWN_FIELD', 'max'],
  ])('%s', async (_, limits, code, field) => {
    expect(await refusals(limits)).toEqual(CALLS.map(() => [code, field]))
  })
})

test('functions that charge nothing refuse limits', async () => {
  const calls = [
    (credits, options) => credits.createCredit({ userId: 'u', credits: 1 }, options),
    (credits, options) => credits.quoteCredits('u', 1, options),
    (credits, options) => credits.getBalance('u', options),
    (credits, options) => credits.updateMediaTaskById('t', {}, options),
    (credits, options) => credits.settleMediaTask('t', 0, options),
    (credits, options) => credits.consumeCredits({ userId: 'u', credits: 1, ...options }),
  ]
  const expected = calls.map(() => ['UNKNOWN_FIELD', 'limits'])
  expect(await refusals([DAY], calls)).toEqual(expected)
})
