'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { staysSound, unchanging } = require('../helpers/calls')
const { KEYED } = require('../helpers/keyed')

const ATOMIC = { atomic: true }

/** Each batch function: the one for a single item, and how an item is made. */
const BATCHES = {
  createMediaTasks: { one: 'createMediaTask', item: ([task, costCredits]) => ({ task, costCredits }) },
  createAITasks: { one: 'createAITask', item: ([task]) => task },
  consumeCreditsBatch: { one: 'consumeCredits', item: ([parameters]) => parameters },
}

describe('every batch refuses', () => {
  staysSound()

  /** User `u` has 100 credits. Returns calls of each function with another value in place of the list or the options. */
  const opened = unchanging(async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const calls = Object.entries(BATCHES).map(([name, { one, item }]) => ({
      name,
      call: (options, list = [item(KEYED[one].args({}))]) => database.credits[name](list, options),
    }))
    return { database, calls }
  })

  test.each([
    ['text as atomic', { atomic: 'true' }, 'INVALID_ARGUMENT', 'atomic'],
    ['1 as atomic', { atomic: 1 }, 'INVALID_ARGUMENT', 'atomic'],
    ['0 as atomic', { atomic: 0 }, 'INVALID_ARGUMENT', 'atomic'],
    ['an object as atomic', { atomic: {} }, 'INVALID_ARGUMENT', 'atomic'],
    ['a function as atomic', { atomic: () => true }, 'INVALID_ARGUMENT', 'atomic'],
    ['text as replay', { ...ATOMIC, replay: 'true' }, 'INVALID_ARGUMENT', 'replay'],
    ['1 as replay', { ...ATOMIC, replay: 1 }, 'INVALID_ARGUMENT', 'replay'],
    ['an unknown option', { ...ATOMIC, retry: true }, 'UNKNOWN_FIELD', 'retry'],
    ['a guard', { ...ATOMIC, ifStatus: 'pending' }, 'UNKNOWN_FIELD', 'ifStatus'],
  ])('%s', async (_, options, code, field) => {
    const { database, calls } = opened()
    for (const { call } of calls) {
      expect(await refusal(database, () => call(options))).toMatchObject({ code, field })
    }
  })

  const ITEM = KEYED.consumeCredits.args({})[0]

  test.each([
    ['null', null],
    ['an object', {}],
    ['an item in place of a list', ITEM],
    ['an object that looks like a list', { length: 1, 0: ITEM }],
    ['a set', new Set([ITEM])],
    ['text', 'items'],
    ['a number', 5],
    ['a Date', new Date()],
    ['a function', () => [ITEM]],
  ])('%s as a list', async (_, list) => {
    const { database, calls } = opened()
    for (const { call, name } of calls) {
      for (const options of [undefined, ATOMIC]) {
        const error = await refusal(database, () => call(options, list))
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: name })
      }
    }
  })

  test('every batch refuses a call without a list', async () => {
    const { database, calls } = opened()
    for (const { name } of calls) {
      const error = await refusal(database, () => database.credits[name]())
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: name })
    }
  })
})
