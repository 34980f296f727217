'use strict'

/** Values of each type, for tests of the values that an argument refuses. */

const VALUES = {
  nothing: undefined,
  null: null,
  zero: 0,
  'a number': 5,
  'a negative number': -1,
  'a fraction': 1.5,
  'a number beyond all': 2 ** 53,
  NaN,
  Infinity,
  'a bigint': 5n,
  'a vast bigint': 2n ** 70n,
  true: true,
  'an empty text': '',
  'a text': 'a',
  digits: '5',
  'a text with NUL': 'a\0',
  'a text of 256 characters': 'a'.repeat(256),
  'a list': ['a'],
  'an empty list': [],
  'an object': { a: 1 },
  'an empty object': {},
  'a Date': new Date(9e12),
  'an invalid Date': new Date(NaN),
  'a symbol': Symbol('a'),
  'a function': () => 'a',
  bytes: Buffer.from('a'),
  'a Map': new Map([['a', 1]]),
  'a promise': Promise.resolve('a'),
}

/** The values that some kinds of arguments accept. */
const TAKES = {
  // A text column, which accepts JSON and digits too.
  column: [
    ...[
      'nothing',
      'null',
      'true',
      'zero',
      'a number',
      'a negative number',
      'a fraction',
      'a number beyond all',
    ],
    ...[
      'a bigint',
      'an empty text',
      'a text',
      'digits',
      'a text of 256 characters',
      'a list',
      'an empty list',
    ],
    ...['an object', 'an empty object'],
  ],
  id: ['a text', 'digits'],
  text: ['an empty text', 'a text', 'digits', 'a text of 256 characters'],
  amount: ['a number', 'a bigint'],
  date: ['a Date'],
  object: ['an object', 'an empty object'],
  none: ['nothing', 'null'],
}

/** The codes of values that a text column refuses. */
const NO_VALUE = { other: 'INVALID_VALUE', 'an invalid Date': 'INVALID_DATE' }

/**
 * Makes a call with each value except those that `takes` names, and expects the error: its code, or codes by the
 * name of the value, with `other` for the rest.
 */
async function refusesAllBut(takes, { code, field }, call) {
  const codes = typeof code === 'string' ? { other: code } : code
  const found = {}
  const expected = {}
  for (const [what, value] of Object.entries(VALUES)) {
    if (takes.includes(what)) continue
    expected[what] = [codes[what] ?? codes.other, field]
    found[what] = await call(value).then(
      () => 'accepted',
      (error) => [error.code, error.field],
    )
  }
  expect(found).toEqual(expected)
}

module.exports = { NO_VALUE, TAKES, refusesAllBut }
