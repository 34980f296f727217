'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { staysSound, unchanging } = require('../helpers/calls')
const { KEYED } = require('../helpers/keyed')

const REPLAY = { replay: true }

const withUser = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  return database
})

describe('every call that can be replayed refuses', () => {
  staysSound()

  test.each([
    ['an unknown option', { retry: true }, 'UNKNOWN_FIELD', 'retry'],
    ['an unknown option beside it', { ...REPLAY, atomic: true }, 'UNKNOWN_FIELD', 'atomic'],
    ['a guard', { ...REPLAY, ifStatus: 'pending' }, 'UNKNOWN_FIELD', 'ifStatus'],
    ['an option named __proto__', { ['__proto__']: true }, 'UNKNOWN_FIELD', '__proto__'],
    ['text as replay', { replay: 'true' }, 'INVALID_ARGUMENT', 'replay'],
    ['1 as replay', { replay: 1 }, 'INVALID_ARGUMENT', 'replay'],
    ['0 as replay', { replay: 0 }, 'INVALID_ARGUMENT', 'replay'],
    ['NaN as replay', { replay: NaN }, 'INVALID_ARGUMENT', 'replay'],
    ['an object as replay', { replay: {} }, 'INVALID_ARGUMENT', 'replay'],
    ['a list as replay', { replay: [true] }, 'INVALID_ARGUMENT', 'replay'],
    ['a Date as replay', { replay: new Date() }, 'INVALID_ARGUMENT', 'replay'],
    ['a function as replay', { replay: () => true }, 'INVALID_ARGUMENT', 'replay'],
    ['null as options', null, 'INVALID_ARGUMENT', expect.stringContaining('options')],
    ['true as options', true, 'INVALID_ARGUMENT', expect.stringContaining('options')],
    ['text as options', 'replay', 'INVALID_ARGUMENT', expect.stringContaining('options')],
    ['a list as options', [REPLAY], 'INVALID_ARGUMENT', expect.stringContaining('options')],
    ['a function as options', () => REPLAY, 'INVALID_ARGUMENT', expect.stringContaining('options')],
  ])('%s', async (_, options, code, field) => {
    const database = withUser()
    for (const [name, { args }] of Object.entries(KEYED)) {
      const error = await refusal(database, () => database.credits[name](...args({}), options))
      expect(error).toMatchObject({ code, field, retryable: false })
    }
  })
})
