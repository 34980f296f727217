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
 * point at the line that did) and its arguments.
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

/** A prototype whose functions are made when they are first asked for, each by its entry. */
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

/** The functions that a transaction has, of which it needs one or two. */
function functionsInside(makeCall) {
  const calls = Object.assign(Object.create(NATIVE_INSIDE), { [MAKE_CALL]: makeCall })
  return Object.assign(Object.create(ALL_INSIDE), { [CALLS]: calls })
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

module.exports = { callText, functionsInside, makeFunctions, named, readReply }
