'use strict'

/**
 * What all functions of `lib/operations.js` share: arguments are encoded as text, and a reply's text is
 * decoded to the result.
 */

const { constant, errorAt, invalidArgument } = require('./errors.js')
const { own } = require('./fields.js')
const { operations } = require('./operations.js')
const { textOf } = require('./wire.js')

/** Functions of the native code, and functions made of them. */
const NATIVE = Object.entries(operations).filter(([, { pass }]) => pass)
const MADE = Object.entries(operations).flatMap(([name, { made }]) => (made ? [[name, made]] : []))

/** The same function with this name. */
const named = (name, method) => Object.defineProperty(method, 'name', constant(name))

/**
 * Gives `target` all functions. `makeCall(name, operation)` returns a function that makes the call, from the
 * method that the caller called (errors have the stack of that call) and its arguments.
 */
function makeFunctions(target, makeCall) {
  const calls = {}
  for (const [name, operation] of NATIVE) calls[name] = named(name, makeMethod(name, operation, makeCall))
  Object.assign(target, calls)
  for (const [name, made] of MADE) target[name] = named(name, made(calls))
}

function makeMethod(name, operation, makeCall) {
  const send = makeCall(name, operation)
  const call = (...args) => send(method, args)
  const method = operation.whole ? operation.whole(call) : call
  return method
}

const MAKE_CALL = Symbol('makeCall')
const CALLS = Symbol('calls')

/** A prototype whose functions are created when they are first used. */
function onDemand(entries, make) {
  const prototype = {}
  for (const [name, entry] of entries) {
    const get = function () {
      const value = make(this, name, entry)
      Object.defineProperty(this, name, { value, enumerable: true })
      return value
    }
    Object.defineProperty(prototype, name, { get, enumerable: true })
  }
  return prototype
}

const INSIDE = NATIVE.filter(([, { outside }]) => !outside)
const NATIVE_INSIDE = onDemand(INSIDE, (calls, name, operation) =>
  makeMethod(name, operation, calls[MAKE_CALL]),
)
const ALL_INSIDE = onDemand(new Map([...INSIDE, ...MADE]), (functions, name) => {
  const { made } = operations[name]
  return made ? made(functions[CALLS]) : functions[CALLS][name]
})

/** The functions inside a transaction. A transaction uses one or two of them. */
function functionsInside(makeCall) {
  const calls = Object.assign(Object.create(NATIVE_INSIDE), { [MAKE_CALL]: makeCall })
  return Object.assign(Object.create(ALL_INSIDE), { [CALLS]: calls })
}

/** The JSON text of a call's arguments. */
function callText(method, name, passed) {
  try {
    return textOf(passed)
  } catch {
    // The text would exceed the maximum length of a string.
    throw invalidArgument(method, name, 'called with less than fits into one string (512 MB)')
  }
}

/** Decodes a reply: an error with the caller's stack, or the value that `result` makes of it. */
function readReply(caller, result, reply) {
  // Both properties are set, because `Object.prototype` may have properties with these names.
  if (own(reply, 'error')) return { error: errorAt(caller, reply.error), value: undefined }
  return { error: undefined, value: result(reply) }
}

module.exports = { callText, functionsInside, makeFunctions, named, readReply }
