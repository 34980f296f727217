'use strict'

/**
 * Sends calls to native code and answers their callers: promises, dates and errors are of the caller's realm,
 * because in Jest and in vm contexts those that native code makes fail `instanceof`. Calls and replies cross as
 * JSON text (src/node/wire.rs says how).
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

/** Requests that wait for a reply, by number. */
const pending = new Map()
let lastRequest = 0
const mailbox = new native.Mailbox()
let isOpen = false

function nextRequest() {
  do lastRequest = (lastRequest + 1) >>> 0
  while (pending.has(lastRequest))
  return lastRequest
}

/**
 * Sends a request. `send` gets its number and must see to it that a reply comes; it may return a function that is
 * told of the error or the value right before the promise is.
 * `method` is what the caller called: errors point at the line that did.
 */
function request(method, result, send) {
  const caller = {}
  Error.captureStackTrace(caller, method)
  return new Promise((resolve, reject) => {
    const number = nextRequest()
    const observer = send(number)
    // The reply can't come before this function returns: it waits for the event loop.
    pending.set(number, { resolve, reject, result, caller, observer })
    if (!isOpen) mailbox.open(fetchReplies)
    isOpen = true
  })
}

/** When no call waits any more, nothing is left that keeps a process or this realm. */
function closeIfIdle() {
  if (!isOpen || pending.size > 0) return
  mailbox.close()
  isOpen = false
}

/** How many replies are handed over before other things on the event loop get their turn. */
const REPLIES_AT_ONCE = 8

function fetchReplies() {
  const { replies, again } = mailbox.fetch(REPLIES_AT_ONCE)
  if (again) setImmediate(fetchReplies)
  for (let at = 0; at < replies.length; at += 3) {
    const request = pending.get(replies[at])
    // A reply without a request must not keep the other replies from their callers.
    if (!request) continue
    const [follows, text] = [replies[at + 1], replies[at + 2]]
    if (follows) {
      keepPart(request, text)
      continue
    }
    pending.delete(replies[at])
    answerCaller(request, text)
  }
  // Not at once: a caller that goes on with another call needs it still.
  if (!again && pending.size === 0) setImmediate(closeIfIdle)
}

/** Rows of a long list, of which more follow. */
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
    // Whatever is wrong with this reply, the others must be handed over.
    error = unreadable
  }
  observer?.(error, value, reply)
  if (error) reject(error)
  else resolve(value)
}

// ---- Connections ----

/** Gives `target` all functions of a connection; `connection()` is asked for it at each call. */
function publish(target, connection) {
  const submit = (method, number, name, passed) =>
    connection().submit(mailbox, number, name, callText(method, name, passed))
  // An internal read, which is not observed.
  const ask = (name, passed) => request(ask, value, (number) => submit(ask, number, name, passed))
  const events = makeEvents({ connection: target, system: () => connection().system, ask })
  makeFunctions(target, (name, operation) => {
    const { pass, result, joins } = operation
    const alone = (method, args) =>
      request(method, result, (number) => {
        const passed = pass.map((encode, at) => encode(args[at]))
        submit(method, number, name, passed)
        return events.observed(name, passed)
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

/** The environment's variables with such names. The native code would also see what a prototype has. */
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
    // What PostgreSQL's own clients read, for what the URL leaves out.
    postgres: variables((name) => name.startsWith('PG')),
    log: variable('MEDIA_CREDITS_LOG'),
  }
  const connection = new native.Connection(callText(method, 'connect', [passed]), environment)
  const { problem } = connection
  if (problem) throw errorOf(method, JSON.parse(problem).error)
  return connection
}

module.exports = { newConnection, publish }
