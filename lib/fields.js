'use strict'

/**
 * Objects that callers pass. Their own properties alone count, each read once: what some library has put on
 * `Object.prototype` is no argument of the call.
 */

const { types } = require('node:util')

/** Stands for what throws when it is looked at: a getter, a proxy. */
const UNREADABLE = Symbol("what can't be read")

/** The result of a look; `UNREADABLE` if it throws. */
function look(at) {
  try {
    return at()
  } catch {
    return UNREADABLE
  }
}

/** Objects that keep nothing in fields of their own: each would be taken for an empty object. */
const WITHOUT_FIELDS = [
  [types.isAnyArrayBuffer, 'a buffer'],
  [types.isMap, 'a Map'],
  [types.isSet, 'a Set'],
  [types.isWeakMap, 'a WeakMap'],
  [types.isWeakSet, 'a WeakSet'],
  [types.isPromise, 'a Promise'],
]

/** What an object is that has no fields; `undefined` of all others. */
function withoutFields(object) {
  for (const [is, name] of WITHOUT_FIELDS) if (is(object)) return name
  return undefined
}

/** The own fields of an object, without a prototype, so that `__proto__` is a key like any other. All else as it is. */
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

/** The fields of a snapshot; none of what has none. */
const fieldsOf = (taken) => (isFields(taken) ? taken : Object.create(null))

/** A property of an object itself. */
const own = (object, key) =>
  object !== undefined && object !== null && Object.hasOwn(object, key) ? object[key] : undefined

/** How long a list is; `undefined` of all else, and of a list that can't be read. */
function lengthOf(value) {
  const length = look(() => (Array.isArray(value) ? value.length : undefined))
  return length === UNREADABLE ? undefined : length
}

module.exports = { UNREADABLE, fieldsOf, isFields, lengthOf, look, own, snapshot, withoutFields }
