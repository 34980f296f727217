'use strict'

const { connect, MediaCreditsError } = require('../..')
const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has a task `t` that cost 10 of 50 credits. */
const withTask = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 10)
  return { database, charge: creditId }
})

describe('refundPolicy refuses', () => {
  test.each([
    ['an unknown word', 'regrant'],
    ['an empty text', ''],
    ['null', null],
    ['a number', 30],
    ['true', true],
    ['an array', ['source']],
    ['an empty object', {}],
    ['JSON text', '{"regrantDays":30}'],
    ['a list', [30]],
    ['zero days', { regrantDays: 0 }],
    ['negative days', { regrantDays: -1 }],
    ['a fraction of days', { regrantDays: 1.5 }],
    ['more than a hundred years', { regrantDays: 36_501 }],
    ['NaN days', { regrantDays: NaN }],
    ['infinitely many days', { regrantDays: Infinity }],
    ['days as text', { regrantDays: '30' }],
    ['days that are null', { regrantDays: null }],
    ['days and an unknown key', { regrantDays: 30, scene: 'gift' }],
    ['days and a key with a function', { regrantDays: 30, scene: () => 'gift' }],
    ['a Date', new Date()],
    ['a function', () => 'source'],
  ])('%s', async (_, refundPolicy) => {
    const { database, charge } = withTask()
    const { updateMediaTaskById, settleMediaTask, refundCredits } = database.credits
    const expected = { code: 'INVALID_ARGUMENT', field: 'refundPolicy', retryable: false }
    const calls = [
      () => updateMediaTaskById('t', { status: 'failed' }, { refundPolicy }),
      () => updateMediaTaskById('t', { progress: 1 }, { refundPolicy }),
      () => settleMediaTask('t', 5, { refundPolicy }),
      () => refundCredits(charge, undefined, { refundPolicy }),
      () => refundCredits(charge, 5, { refundPolicy }),
    ]
    for (const call of calls) expect(await refusal(database, call)).toMatchObject(expected)
    const error = thrown(() => connect({ url: database.url, refundPolicy }))
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error).toMatchObject(expected)
  })
})

function thrown(call) {
  try {
    return call()
  } catch (error) {
    return error
  }
}
