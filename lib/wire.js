'use strict'

/** Encodes and decodes values as JSON text for native code. src/node/wire.rs is the counterpart. */

const { types } = require('node:util')
const { UNREADABLE, isFields, lengthOf, look, own, snapshot, withoutFields } = require('./fields.js')

/** A longer text may not fit in one string with others, and no column holds one. */
const LONGEST_TEXT = 2 ** 28
/** The digits of a larger one are not repeated in messages. */
const LARGEST_BIGINT = 2n ** 256n
/** Longer lists are rejected before they are read. */
const LONGEST_LIST = 100_000

/** A `Date` may override `getTime`. */
const timeOf = (date) => Date.prototype.getTime.call(date)

/** A value that JSON lacks becomes an object with one key. */
function encodeValue(value) {
  switch (typeof value) {
    case 'string':
      return value.length > LONGEST_TEXT
        ? { $unsupported: `a text of ${value.length} characters` }
        : wellFormed(value)
    case 'number':
      return Number.isFinite(value) ? value : { $number: String(value) }
    case 'boolean':
      return value
    case 'undefined':
      return { $undefined: true }
    case 'bigint':
      return value > -LARGEST_BIGINT && value < LARGEST_BIGINT
        ? { $bigint: String(value) }
        : { $unsupported: 'a bigint of more than 256 bits' }
    case 'object':
      return value === null ? null : encodeObject(value)
    default:
      return { $unsupported: value === UNREADABLE ? "something that can't be read" : `a ${typeof value}` }
  }
}

function encodeObject(value, replace = withoutPollution()) {
  if (types.isDate(value)) {
    const time = timeOf(value)
    return { $date: Number.isNaN(time) ? null : time }
  }
  if (types.isUint8Array(value)) {
    const hex = look(() => Buffer.from(value).toString('hex'))
    return hex === UNREADABLE ? { $unsupported: 'more bytes than fit' } : { $bytes: hex }
  }
  const name = withoutFields(value)
  if (name) return { $unsupported: name }
  // A toJSON may throw, too.
  const json = look(() => JSON.stringify(value, replace))
  if (typeof json === 'string') return { $json: wellFormed(json) }
  return { $unsupported: "an object that JSON can't hold (circular, too deep, or a bigint in it)" }
}

/** Whether a library has added a `toJSON` to all lists, or to all objects including lists. */
const isPolluted = () => 'toJSON' in Array.prototype

/** For `JSON.stringify`: ignores a `toJSON` from a polluted prototype. */
function withoutPollution() {
  if (!isPolluted()) return undefined
  const polluted = [Object.prototype, Array.prototype].map((prototype) => own(prototype, 'toJSON'))
  return function replace(key, value) {
    const held = this[key]
    return typeof held === 'object' && held !== null && polluted.includes(held.toJSON) ? held : value
  }
}

/**
 * An option's value. JSON omits functions and symbols, as if they had not been passed; here they become null, which is
 * rejected.
 */
function encodeOption(value) {
  if (typeof value !== 'object' || value === null) return encodeValue(value)
  const replace = withoutPollution()
  return encodeObject(value, function withNull(key, held) {
    const kept = replace ? replace.call(this, key, held) : held
    return typeof kept === 'function' || typeof kept === 'symbol' ? null : kept
  })
}

/** An object of fields; anything else is encoded as a value, so that the error can describe it. */
function encodeFields(object, encodeField = encodeValue) {
  const taken = snapshot(object)
  if (!isFields(taken)) return encodeValue(taken)
  for (const key of Object.keys(taken)) {
    const encoded = encodeField(taken[key], key)
    const name = wellFormed(key)
    if (name !== key) delete taken[key]
    taken[name] = encoded
  }
  return { $fields: taken }
}

/** A list of requests; anything else is encoded as a value, so that the error can describe it. */
function encodeList(list, encodeItem) {
  const length = lengthOf(list)
  if (length === undefined) return encodeValue(snapshot(list))
  if (length > LONGEST_LIST) return { $unsupported: `a list of ${length} items` }
  const items = []
  // Includes holes.
  for (let at = 0; at < length; at++) items[at] = encodeItem(look(() => list[at]))
  return { $list: items }
}

/** For an object with one field that has its own encoding. */
const encodeFieldsWith = (name, encodeIt) => (object) =>
  encodeFields(object, (value, key) => (key === name ? encodeIt(value) : encodeValue(value)))

/** An item of `createMediaTasks`: `{ task, costCredits }`. */
const encodeTaskAndCost = encodeFieldsWith('task', encodeFields)

/** The options of a charge. Their `limits` are a list of objects. */
const encodeChargeOptions = encodeFieldsWith('limits', (limits) => encodeList(limits, encodeFields))

/** The options of all other calls. */
const encodeOptions = (options) => encodeFields(options, encodeOption)

/**
 * The JSON text of encoded values. `JSON.stringify` alone would call a `toJSON` on the prototypes of objects
 * and lists.
 */
function textOf(encoded) {
  if (!isPolluted() || typeof encoded !== 'object' || encoded === null) return JSON.stringify(encoded)
  const isArray = Array.isArray(encoded)
  let text = ''
  for (const key of Object.keys(encoded)) {
    if (text !== '') text += ','
    if (!isArray) text += `${JSON.stringify(key)}:`
    text += textOf(encoded[key])
  }
  return isArray ? `[${text}]` : `{${text}}`
}

/** Replaces lone surrogates, as `slice` leaves them in a title with emoji: they are invalid in UTF-8. */
function wellFormed(text) {
  return text.isWellFormed() ? text : text.toWellFormed()
}

function decodeRow(row) {
  if (row === null) return undefined
  for (const key of Object.keys(row)) {
    const value = row[key]
    if (typeof value === 'object' && value !== null) row[key] = decodeValue(value)
  }
  return row
}

function decodeValue(value) {
  if (Object.hasOwn(value, '$date')) return new Date(value.$date)
  if (Object.hasOwn(value, '$json')) return parseOr(value.$json)
  if (Object.hasOwn(value, '$bytes')) return Buffer.from(value.$bytes, 'hex')
  return Number(value.$number)
}

/** A JSON column of an old row may hold text that is not JSON. */
function parseOr(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

module.exports = {
  LONGEST_LIST,
  decodeRow,
  encodeChargeOptions,
  encodeFields,
  encodeFieldsWith,
  encodeList,
  encodeOption,
  encodeOptions,
  encodeTaskAndCost,
  encodeValue,
  textOf,
  timeOf,
}
