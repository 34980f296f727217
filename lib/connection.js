'use strict'

/**
 * Sends calls to native code and settles their promises. Promises, dates and errors are created here, in the
 * caller's realm: in Jest and in vm contexts, those created by native code fail `instanceof`. Calls and
 * replies are JSON text (see src/node/wire.rs).
 */

// Not the global one, which fake timers replace.
const { setImmediate } = require('node:timers')
const { errorOf } = require('./errors.js')
const { makeEvents } = require('./events/index.js')
const { own } = require('./fields.js')
const { callText, makeFunctions, named, readReply } = require('./functions.js')
const native = require('./native/binding.js')
const { nothing, value } = require('./replies.js')
const { joining, within } = require('./within/index.js')
const { encodeOptions } = require('./wire.js')

// ---- Requests and their replies ----

/**
 * Requests that wait for a reply, by number, and the numbers that are free. Not a `Map`: each time that one is
 * rehashed, its former table keeps the next one in memory, and with it the requests, until a major collection.
 */
const pending = []
const free = []
const mailbox = new native.Mailbox()
let isOpen = false

const isIdle = () => free.length === pending.length

/**
 * Sends a request. `send` gets its number and must ensure that a reply comes, or throw before it has sent anything; it
 * may return a function that is called with the error or the value just before the promise settles. `method` is the
 * function that the caller called: errors have the stack of that call.
 */
function request(method, result, send) {
  const caller = {}
  Error.captureStackTrace(caller, method)
  return new Promise((resolve, reject) => {
    const number = free.pop() ?? pending.push(undefined) - 1
    let observer
    try {
      observer = send(number)
    } catch (error) {
      free.push(number)
      throw error
    }
    // The reply can't come before this function returns, since it waits for the event loop.
    pending[number] = { resolve, reject, result, caller, observer }
    if (!isOpen) mailbox.open(fetchReplies)
    isOpen = true
  })
}

/** When no call waits, nothing is left that keeps the process or this realm alive. */
function closeIfIdle() {
  if (!isOpen || !isIdle()) return
  mailbox.close()
  isOpen = false
}

/** How many replies are handled before the event loop continues. */
const REPLIES_AT_ONCE = 8

function fetchReplies() {
  const { replies, again } = mailbox.fetch(REPLIES_AT_ONCE)
  if (again) setImmediate(fetchReplies)
  for (let at = 0; at < replies.length; at += 3) {
    const number = replies[at]
    const request = pending[number]
    // A reply without a request must not stop the other replies.
    if (!request) continue
    const [follows, text] = [replies[at + 1], replies[at + 2]]
    if (follows) {
      keepPart(request, text)
      continue
    }
    pending[number] = undefined
    free.push(number)
    answerCaller(request, text)
  }
  // Not at once, because a caller may go on with another call.
  if (!again && isIdle()) setImmediate(closeIfIdle)
}

/** Keeps rows of a long list until the rest has arrived. */
function keepPart(request, text) {
  try {
    request.parts ??= []
    request.parts.push(JSON.parse(text).rows)
  } catch (broken) {
    request.broken = broken
  }
}

function answerCaller({ resolve, reject, result, caller, observer, parts, broken }, text) {
  let error, reply, value
  try {
    if (broken) throw broken
    reply = JSON.parse(text)
    if (parts) reply.rows = [...parts, reply.rows].flat()
    ;({ error, value } = readReply(caller, result, reply))
  } catch (unreadable) {
    // Whatever is wrong with this reply, the others must be handled.
    error = unreadable
  }
  observer?.(error, value, reply)
  if (error) reject(error)
  else resolve(value)
}

// ---- Connections ----

/** Gives `target` all functions of a connection. `connection()` is called for each call. */
function publish(target, connection) {
  // An internal read, which is not observed.
  const ask = (name, passed) =>
    request(ask, value, (number) => connection().submit(mailbox, number, name, callText(ask, name, passed)))
  const events = makeEvents({ connection: target, system: () => connection().system, ask })
  makeFunctions(target, (name, operation) => {
    const { pass, result, joins } = operation
    const alone = (method, args) =>
      request(method, result, (number) => {
        const passed = pass.map((encode, at) => encode(args[at]))
        const text = callText(method, name, passed)
        const to = connection()
        const observer = events.observed(name, passed)
        to.submit(mailbox, number, name, text)
        return observer
      })
    return joins ? joining(connection, name, operation, alone) : alone
  })
  Object.assign(target, events.functions)
  const inside = named('within', (tx) => within(inside, connection, tx))
  target.within = inside
  const close = () => request(close, nothing, (number) => connection().close(mailbox, number))
  target.close = close
  return target
}

/** The environment variables whose names match. Native code would also see properties of prototypes. */
function variables(is) {
  const found = Object.create(null)
  for (const name of Object.keys(process.env)) if (is(name)) found[name] = process.env[name]
  return found
}

function newConnection(method, options) {
  const variable = (name) => own(process.env, name) ?? ''
  const passed = encodeOptions(options)
  const environment = {
    url: variable('DATABASE_URL'),
    provider: variable('DATABASE_PROVIDER'),
    authToken: variable('DATABASE_AUTH_TOKEN'),
    schema: variable('DB_SCHEMA'),
    maxConnections: variable('DB_MAX_CONNECTIONS'),
    // Variables of PostgreSQL's clients, for parts that the URL leaves out.
    postgres: variables((name) => name.startsWith('PG')),
    log: variable('MEDIA_CREDITS_LOG'),
  }
  const connection = new native.Connection(callText(method, 'connect', [passed]), environment)
  const { problem } = connection
  if (problem) throw errorOf(method, JSON.parse(problem).error)
  return connection
}

module.exports = { newConnection, publish }
