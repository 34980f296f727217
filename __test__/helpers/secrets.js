'use strict'

const { inspect } = require('node:util')

/** All text that a logger might write. */
function written(thing) {
  const texts = [String(thing), inspect(thing, { showHidden: true, depth: 10 }), JSON.stringify(thing)]
  if (thing instanceof Error) {
    texts.push(thing.message, thing.stack, inspect(thing.cause), JSON.stringify(Object.entries(thing)))
  }
  return texts.join('\n')
}

function expectNoSecret(thing, secret) {
  const text = written(thing)
  expect(text).not.toContain(secret)
  expect(text).not.toContain(encodeURIComponent(secret))
}

module.exports = { expectNoSecret }
