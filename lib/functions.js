'use strict'

/**
 * What every function of `lib/operations.js` does, whatever carries its call: arguments to text, and a reply's text to its
 * result.
 */

const { constant, errorAt, invalidArgument } = require('./errors.js')
const { own } = require('./fields.js')
const { operations } = require('./operations.js')
const { textOf } = require('./wire.js')

/** The same function, by this name. */
const named = (name, method) => Object.defineProperty(method, 'name', constant(name))

/**
 * Gives `target` all functions. `makeCall` gives what crosses to native code, of the method that the caller called (errors
 * point at the line that did) and its arguments; `undefined`: there is no such function here.
 */
function makeFunctions(target, makeCall) {
  const calls = {}
  for (const [name, operation] of Object.entries(operations)) {
    const send = operation.pass && makeCall(name, operation)
    if (!send) continue
    const call = (...args) => send(method, args)
    const method = named(name, operation.whole ? operation.whole(call) : call)
    calls[name] = method
  }
  for (const [name, { made }] of Object.entries(operations)) {
    if (made) target[name] = named(name, made(calls))
    else if (calls[name]) target[name] = calls[name]
  }
}

/** The arguments of a call as text. */
function callText(method, name, passed) {
  try {
    return textOf(passed)
  } catch {
    // The text would be longer than any string can be.
    throw invalidArgument(method, name, 'called with less than fits into one string (512 MB)')
  }
}

/** What a reply says: an error with the caller's stack, or what `result` makes of it. */
function readReply(caller, result, reply) {
  // Both are said: what is left out may stand on Object.prototype.
  if (own(reply, 'error')) return { error: errorAt(caller, reply.error), value: undefined }
  return { error: undefined, value: result(reply) }
}

module.exports = { callText, makeFunctions, named, readReply }
