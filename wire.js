'use strict'

/** Values as they cross to native code and back, as JSON text: src/node/wire.rs is the other end. */

const { types } = require('node:util')

/** A value that JSON has no word for becomes an object with one key. */
function encodeValue(value) {
  switch (typeof value) {
    case 'string':
      return wellFormed(value)
    case 'number':
      return Number.isFinite(value) ? value : { $number: String(value) }
    case 'boolean':
      return value
    case 'undefined':
      return { $undefined: true }
    case 'bigint':
      return { $bigint: String(value) }
    case 'object':
      return value === null ? null : encodeObject(value)
    default:
      return { $unsupported: `a ${typeof value}` }
  }
}

function encodeObject(value) {
  if (types.isDate(value)) {
    const time = value.getTime()
    return { $date: Number.isNaN(time) ? null : time }
  }
  if (types.isUint8Array(value)) return { $bytes: Buffer.from(value).toString('hex') }
  try {
    const json = JSON.stringify(value)
    if (json !== undefined) return { $json: wellFormed(json) }
  } catch {
    // A toJSON that throws, too.
  }
  return { $unsupported: "an object that JSON can't hold (circular, too deep, or a bigint in it)" }
}

/** A plain object whose keys are fields; anything else as a value, for the error to describe. */
function encodeFields(object) {
  if (typeof object !== 'object' || object === null || Array.isArray(object) || types.isDate(object)) {
    return encodeValue(object)
  }
  // Without a prototype, `__proto__` is a key like any other.
  const fields = Object.create(null)
  for (const key of Object.keys(object)) fields[wellFormed(key)] = encodeValue(object[key])
  return { $fields: fields }
}

/** A list of requests; anything else as a value, for the error to describe. */
function encodeList(list, encodeItem) {
  return Array.isArray(list) ? { $list: list.map((item) => encodeItem(item)) } : encodeValue(list)
}

/** An item of `createMediaTasks`: `{ task, costCredits }`. */
function encodeTaskAndCost(item) {
  const encoded = encodeFields(item)
  if (encoded?.$fields && 'task' in encoded.$fields) encoded.$fields.task = encodeFields(item.task)
  return encoded
}

/** Half a surrogate pair, as `slice` leaves it behind in a title with emoji, is no Unicode text. */
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
  if ('$date' in value) return new Date(value.$date)
  if ('$json' in value) return parseOr(value.$json)
  if ('$bytes' in value) return Buffer.from(value.$bytes, 'hex')
  return Number(value.$number)
}

/** A JSON column of an old row may hold something else. */
function parseOr(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

module.exports = { decodeRow, encodeFields, encodeList, encodeTaskAndCost, encodeValue }
