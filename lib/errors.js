'use strict'

/**
 * Errors in the caller's realm: those created by native code fail `instanceof` in Jest and in vm contexts.
 */

const { UNREADABLE, lengthOf } = require('./fields.js')

/** The descriptor of a writable property. It has no prototype, so that no polluted `get` or `set` applies. */
const constant = (value) => ({ __proto__: null, value, configurable: true, writable: true })

/** A call that was rejected or failed. `docs/errors.md` lists every code. */
class MediaCreditsError extends Error {
  /** @param {{ code: string, message: string, retryable: boolean, details: object }} error */
  constructor({ code, message, retryable, details }) {
    super(message)
    this.code = code
    this.retryable = retryable
    for (const [name, value] of Object.entries(details)) {
      // `resetsAt` is a time, or null.
      this[name] = name.endsWith('At') && value !== null ? new Date(value) : value
    }
  }
}
Object.defineProperty(MediaCreditsError.prototype, 'name', constant('MediaCreditsError'))

/** The error in a reply, with the caller's stack. */
function errorAt(caller, description) {
  const error = new MediaCreditsError(description)
  const frames = String(caller.stack).split('\n').slice(1)
  const stack = [`${error.name}: ${error.message}`, ...frames].join('\n')
  Object.defineProperty(error, 'stack', constant(stack))
  return error
}

/** The same, for the caller of `method`. */
function errorOf(method, description) {
  const caller = {}
  Error.captureStackTrace(caller, method)
  return errorAt(caller, description)
}

/** The error for an argument of `method` that can't be passed to native code. */
function invalidArgument(method, field, expected, ...given) {
  const got = given.map((value) => `, got ${describe(value)}`)
  const message = `${field} must be ${expected}${got.join('')}`
  return errorOf(method, { code: 'INVALID_ARGUMENT', message, retryable: false, details: { field } })
}

/** The error for a key of an item of `createMediaTasks`, with the native code's message. */
function unknownKeyOfItem(method, key) {
  const table = 'createMediaTasks'
  const field = shortened(key)
  const message =
    `unknown field ${JSON.stringify(field)}: ${table} has no such column or parameter; an item has a task and its ` +
    "costCredits; options are the call's last argument"
  return errorOf(method, { code: 'UNKNOWN_FIELD', message, retryable: false, details: { table, field } })
}

/** The error for a field that `method` fills in itself. */
function readOnlyField(method, field, reason) {
  const message = `${field} can't be set here: ${reason}`
  return errorOf(method, { code: 'READ_ONLY_FIELD', message, retryable: false, details: { field } })
}

/** How many characters of a value are repeated in a message. */
const SHOWN = 100

/** The beginning of a long text. */
const shortened = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)

/** A description of a value for messages, as in `src/domain/value.rs`. */
function describe(value) {
  if (value === null) return 'null'
  if (value === UNREADABLE) return "something that can't be read"
  const kind = typeof value
  if (kind === 'string') return `the text ${JSON.stringify(value.slice(0, 40))}`
  if (kind === 'function') return 'a function'
  if (kind === 'object') return lengthOf(value) === undefined ? 'an object' : 'an array'
  return shortened(String(value))
}

module.exports = {
  MediaCreditsError,
  constant,
  errorAt,
  errorOf,
  invalidArgument,
  readOnlyField,
  unknownKeyOfItem,
}
