'use strict'

/**
 * Objects that callers pass. Only own properties count, and each is read once: properties that a library has
 * put on `Object.prototype` are not arguments.
 */

const { types } = require('node:util')

/** Stands for a value that throws when it is read, such as a getter or a proxy. */
const UNREADABLE = Symbol("what can't be read")

/** The result of `at()`; `UNREADABLE` if it throws. */
function look(at) {
  try {
    return at()
  } catch {
    return UNREADABLE
  }
}

/** Objects without own fields, which would be taken for empty objects. */
const WITHOUT_FIELDS = [
  [types.isAnyArrayBuffer, 'a buffer'],
  [types.isMap, 'a Map'],
  [types.isSet, 'a Set'],
  [types.isWeakMap, 'a WeakMap'],
  [types.isWeakSet, 'a WeakSet'],
  [types.isPromise, 'a Promise'],
]

/** The name of such an object; `undefined` for all others. */
function withoutFields(object) {
  for (const [is, name] of WITHOUT_FIELDS) if (is(object)) return name
  return undefined
}

/**
 * The own fields of an object, without a prototype, so that `__proto__` is an ordinary key. Other values as
 * they are.
 */
function snapshot(value) {
  if (typeof value !== 'object' || value === null) return value
  try {
    if (Array.isArray(value) || types.isDate(value) || ArrayBuffer.isView(value)) return value
    if (withoutFields(value)) return value
    const fields = Object.create(null)
    for (const key of Object.keys(value)) {
      try {
        fields[key] = value[key]
      } catch {
        fields[key] = UNREADABLE
      }
    }
    return fields
  } catch {
    return UNREADABLE
  }
}

/** Whether a snapshot has fields. */
function isFields(taken) {
  const isBare = () => Object.getPrototypeOf(taken) === null
  return typeof taken === 'object' && taken !== null && look(isBare) === true
}

/** The fields of a snapshot; an empty object if it has none. */
const fieldsOf = (taken) => (isFields(taken) ? taken : Object.create(null))

/** An own property of an object. */
const own = (object, key) =>
  object !== undefined && object !== null && Object.hasOwn(object, key) ? object[key] : undefined

/** The length of a list; `undefined` for other values, and for a list that can't be read. */
function lengthOf(value) {
  const length = look(() => (Array.isArray(value) ? value.length : undefined))
  return length === UNREADABLE ? undefined : length
}

module.exports = { UNREADABLE, fieldsOf, isFields, lengthOf, look, own, snapshot, withoutFields }
