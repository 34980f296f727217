'use strict'

const mediaCredits = require('../../..')
const { FUNCTIONS } = require('../../../cli/adopt/model-functions')

const NAMES = Object.keys(FUNCTIONS)

test('adopt replaces only functions that the package exports', () => {
  expect(NAMES.filter((name) => typeof mediaCredits[name] !== 'function')).toEqual([])
})

test('a connection has each function that adopt replaces, except those that are marked as the module’s', async () => {
  const connection = mediaCredits.connect({ url: 'file::memory:' })
  const ofModule = NAMES.filter((name) => typeof connection[name] !== 'function')
  await connection.close()
  expect(ofModule).toEqual(NAMES.filter((name) => FUNCTIONS[name].isOfModule))
})
