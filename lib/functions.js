'use strict'

/**
 * What every function of `lib/operations.js` does, whatever carries its call: arguments to text, and a reply's text to its
 * result.
 */

const { constant, errorAt, invalidArgument } = require('./errors.js')
const { own } = require('./fields.js')
const { operations } = require('./operations.js')
const { textOf } = require('./wire.js')

/** Those that native code does, and those that are made of them. */
const NATIVE = Object.entries(operations).filter(([, { pass }]) => pass)
const MADE = Object.entries(operations).flatMap(([name, { made }]) => (made ? [[name, made]] : []))

/** The same function, by this name. */
const named = (name, method) => Object.defineProperty(method, 'name', constant(name))

/**
 * Gives `target` all functions. `makeCall` gives what crosses to native code, of the method that the caller called (errors
 * point at the line that did) and its arguments; `undefined`: there is no such function here. `name` gives a function its
 * name, which takes longer than to make it.
 */
function makeFunctions(target, makeCall, name = named) {
  const calls = {}
  for (const [key, operation] of NATIVE) {
    const send = makeCall(key, operation)
    if (!send) continue
    const call = (...args) => send(method, args)
    const method = name(key, operation.whole ? operation.whole(call) : call)
    calls[key] = method
  }
  Object.assign(target, calls)
  for (const [key, made] of MADE) target[key] = name(key, made(calls))
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
