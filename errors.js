'use strict'

/** Errors of the caller's realm: those that native code makes fail `instanceof` in Jest and in vm contexts. */

/** A call that was refused or failed. `docs/errors.md` lists every code. */
class MediaCreditsError extends Error {
  /** @param {{ code: string, message: string, retryable: boolean, details: object }} error */
  constructor({ code, message, retryable, details }) {
    super(message)
    this.code = code
    this.retryable = retryable
    Object.assign(this, details)
  }
}
Object.defineProperty(MediaCreditsError.prototype, 'name', {
  value: 'MediaCreditsError',
  configurable: true,
  writable: true,
})

/** The error that a reply describes, with the stack of whoever called. */
function errorAt(caller, description) {
  const error = new MediaCreditsError(description)
  const frames = String(caller.stack).split('\n').slice(1)
  const stack = [`${error.name}: ${error.message}`, ...frames].join('\n')
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  return error
}

/** As `errorAt`, of whoever called `method`. */
function errorOf(method, description) {
  const caller = {}
  Error.captureStackTrace(caller, method)
  return errorAt(caller, description)
}

/** The error of an argument of `method` that never gets to the native code. */
function invalidArgument(method, field, expected, given) {
  const message = `${field} must be ${expected}, got ${describe(given)}`
  return errorOf(method, { code: 'INVALID_ARGUMENT', message, retryable: false, details: { field } })
}

/** The error of a field that `method` fills in itself. */
function readOnlyField(method, field, reason) {
  const message = `${field} can't be set here: ${reason}`
  return errorOf(method, { code: 'READ_ONLY_FIELD', message, retryable: false, details: { field } })
}

/** What a message says of a value, as `src/domain/value.rs` does. */
function describe(value) {
  if (value === null) return 'null'
  const kind = typeof value
  if (kind === 'string') return `the text ${JSON.stringify(value.slice(0, 40))}`
  if (kind === 'function') return 'a function'
  if (kind === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}

module.exports = { MediaCreditsError, errorAt, errorOf, invalidArgument, readOnlyField }
