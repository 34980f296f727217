'use strict'

/**
 * The facade: it makes the promises, dates and errors of the caller's realm, because in Jest and in
 * vm contexts those that native code makes fail `instanceof`. No rule of the ledger is here; calls and
 * replies cross as JSON text (src/node/wire.rs says how).
 */

// Not the global one, which fake timers replace.
const { setImmediate } = require('node:timers')
const native = require('./native/binding.js')
const {
  AITaskStatus,
  CreditStatus,
  CreditTransactionScene,
  CreditTransactionType,
  calculateCreditExpirationTime,
  grantsFor,
} = require('./app-models.js')
const { audit, repair } = require('./audit.js')
const { eachOrAll, taskAndCost } = require('./batches.js')
const { MediaCreditsError, constant, errorAt, errorOf, invalidArgument } = require('./errors.js')
const { makeEvents } = require('./events/index.js')
const { fieldsOf, own, snapshot } = require('./fields.js')
const { historyInParts, listInParts } = require('./lists.js')
const { failStuck } = require('./stuck-tasks.js')
const { decodeRow, encodeFields, encodeList, encodeTaskAndCost, encodeValue, textOf } = require('./wire.js')

// ---- Operations: what each function passes, and what it makes of the reply ----

const rows = (reply) => reply.rows.map(decodeRow)
const rowsWithUsers = (reply) => {
  const found = rows(reply)
  if (!own(reply, 'users')) return found
  const users = new Map(reply.users.map(decodeRow).map((user) => [user.id, user]))
  for (const row of found) row.user = users.get(row.userId)
  return found
}
const all = (reply) => reply.all.map(row)
const value = (reply) => reply.value
const nothing = () => undefined
const counted = ({ value }) => ({ ...value, startedAt: new Date(value.startedAt) })

/** A row, with what else is known of it. */
function row(reply) {
  const found = decodeRow(reply.row)
  if (own(reply, 'replayed')) found.replayed = true
  if (own(reply, 'refund')) found.refund = decodeExpiry(reply.refund, 'regranted')
  return found
}

/** An object of which a part, if it is there, says when something expires. */
function decodeExpiry(object, part) {
  if (own(object, part)) object[part].expiresAt = new Date(object[part].expiresAt)
  return object
}

function quote(reply) {
  const found = decodeExpiry(reply.value, 'nextExpiry')
  for (const draw of found.draws) draw.expiresAt &&= new Date(draw.expiresAt)
  return found
}

function balance(found) {
  for (const grant of found.grants) grant.expiresAt &&= new Date(grant.expiresAt)
  return decodeExpiry(found, 'nextExpiry')
}

/** A time that no `Date` holds stays a number. */
function decodeFix(fix) {
  if (!fix.column.endsWith('At')) return fix
  const date = (time) => (typeof time === 'string' ? new Date(time) : time)
  return { ...fix, before: date(fix.before), after: date(fix.after) }
}

function statement(found) {
  for (const entry of found.entries) entry.at = new Date(entry.at)
  return found
}

const byId = (id) => [encodeValue(id)]
const queryAndPart = (query, offset, rows) => [encodeFields(query), encodeValue(offset), encodeValue(rows)]
const fieldsAndOptions = (fields, options) => [encodeFields(fields), encodeFields(options)]
const listAndOptions = (encodeItem) => (list, options) => [
  encodeList(list, encodeItem),
  encodeFields(options),
]

// Those of a kind of task, for its name in the functions' names.
const ofTasks = (name) => ({
  [`update${name}ById`]: {
    pass: (id, patch, options) => [encodeValue(id), encodeFields(patch), encodeFields(options)],
    result: row,
  },
  [`charge${name}`]: {
    pass: (id, charge, patch, options) => [
      encodeValue(id),
      encodeFields(charge),
      encodeFields(patch),
      encodeFields(options),
    ],
    result: row,
  },
  [`settle${name}`]: {
    pass: (id, finalCredits, options) => [encodeValue(id), encodeValue(finalCredits), encodeFields(options)],
    result: row,
  },
  [`find${name}ById`]: { pass: byId, result: row },
  [`get${name}Charges`]: { pass: byId, result: rows },
  [`findStuck${name}s`]: { pass: (query) => [encodeFields(query)], result: rows },
  [`failStuck${name}s`]: {
    pass: (query, atMost, skip) => [encodeFields(query), encodeValue(atMost), encodeValue(skip)],
    result: rows,
  },
})

const operations = {
  createMediaTask: {
    pass: (task, costCredits, options) => [
      encodeFields(task),
      encodeValue(costCredits),
      encodeFields(options),
    ],
    result: row,
  },
  createMediaTasks: { pass: listAndOptions(encodeTaskAndCost), result: all },
  createAITask: { pass: fieldsAndOptions, result: row },
  createAITasks: { pass: listAndOptions(encodeFields), result: all },
  ...ofTasks('MediaTask'),
  ...ofTasks('AITask'),
  consumeCredits: { pass: fieldsAndOptions, result: row },
  consumeCreditsBatch: { pass: listAndOptions(encodeFields), result: all },
  refundCredits: {
    pass: (chargeId, credits, options) => [
      encodeValue(chargeId),
      encodeValue(credits),
      encodeFields(options),
    ],
    result: row,
  },
  createCredit: { pass: fieldsAndOptions, result: row },
  hasActiveMediaTask: { pass: byId, result: value },
  getActiveMediaTasks: { pass: byId, result: rows },
  getMediaTaskHistory: {
    pass: (userId, ...pageAndPart) => [userId, ...pageAndPart].map(encodeValue),
    result: (reply) => ({
      list: rows(reply),
      ...reply.page,
      totalPages: Math.ceil(reply.page.total / reply.page.limit),
    }),
    whole: historyInParts,
  },
  getRemainingCredits: { pass: byId, result: value },
  quoteCredits: { pass: (userId, credits) => [encodeValue(userId), encodeValue(credits)], result: quote },
  getBalance: { pass: byId, result: (reply) => balance(reply.value) },
  getStatement: {
    pass: (userId, query) => [encodeValue(userId), encodeFields(query)],
    result: (reply) => statement(reply.value),
  },
  auditLedger: { pass: (query, after) => [encodeFields(query), encodeValue(after)], result: value },
  repairLedger: {
    pass: (options, userIds) => [encodeFields(options), encodeList(userIds, encodeValue)],
    result: (reply) => reply.value.map(decodeFix),
  },
  getCredits: { pass: queryAndPart, result: rowsWithUsers, whole: listInParts },
  getCreditsCount: { pass: (query) => [encodeFields(query)], result: value },
  getAITasks: { pass: queryAndPart, result: rowsWithUsers, whole: listInParts },
  getAITasksCount: { pass: (query) => [encodeFields(query)], result: value },
  createTables: { pass: (options) => [encodeFields(options)], result: nothing },
  getDiagnostics: { pass: () => [], result: (reply) => decodeRow(reply.value) },
  stats: { pass: () => [], result: counted },
}

/** The functions of a connection that are made of its other functions. */
function compose(connection) {
  const { createMediaTask, createMediaTasks, createAITask, createAITasks } = connection
  const { consumeCredits, consumeCreditsBatch } = connection
  const auditLedger = audit(connection.auditLedger, connection.getCreditsCount)
  return {
    grantCreditsForUser: grantsFor(connection.createCredit),
    createMediaTasks: eachOrAll('createMediaTasks', createMediaTasks, taskAndCost(createMediaTask)),
    createAITasks: eachOrAll('createAITasks', createAITasks, createAITask),
    consumeCreditsBatch: eachOrAll('consumeCreditsBatch', consumeCreditsBatch, consumeCredits),
    auditLedger,
    repairLedger: repair(auditLedger, connection.repairLedger),
    failStuckMediaTasks: failStuck(connection.failStuckMediaTasks, connection.updateMediaTaskById),
    failStuckAITasks: failStuck(connection.failStuckAITasks, connection.updateAITaskById),
  }
}

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
    if (!isOpen) mailbox.open(settleReplies)
    isOpen = true
  })
}

/** When no call waits any more, nothing is left that keeps a process or this realm. */
function closeIfIdle() {
  if (!isOpen || pending.size > 0) return
  mailbox.close()
  isOpen = false
}

/** So many replies are settled before other things on the event loop get their turn. */
const REPLIES_AT_ONCE = 8

function settleReplies() {
  const { letters, again } = mailbox.fetch(REPLIES_AT_ONCE)
  if (again) setImmediate(settleReplies)
  for (let at = 0; at < letters.length; at += 3) {
    const request = pending.get(letters[at])
    // A reply without a request must not keep the other replies from their callers.
    if (!request) continue
    const [follows, text] = [letters[at + 1], letters[at + 2]]
    if (follows) {
      keepPart(request, text)
      continue
    }
    pending.delete(letters[at])
    settle(request, text)
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

function settle({ resolve, reject, result, caller, observer, parts, broken }, text) {
  let error, value
  try {
    if (broken) throw broken
    const reply = JSON.parse(text)
    if (parts) reply.rows = [...parts, reply.rows].flat()
    if (own(reply, 'error')) error = errorAt(caller, reply.error)
    else value = result(reply)
  } catch (unreadable) {
    // Whatever is wrong with this reply, the others must be settled.
    error = unreadable
  }
  observer?.(error, value)
  if (error) reject(error)
  else resolve(value)
}

// ---- Connections ----

/** A connection. Its functions may be taken off it: `const { createMediaTask } = connect()`. */
class MediaCredits {
  /** Use `connect()`. */
  constructor(connection, url) {
    publish(this, () => connection, url)
  }
}

/** Gives `target` all functions of a connection to `url`; `connection()` is asked for it at each call. */
function publish(target, connection, url) {
  const submit = (method, number, name, passed) =>
    connection().submit(mailbox, number, name, callText(method, name, passed))
  // What an event asks is nobody's call.
  const ask = (name, passed) => request(ask, value, (number) => submit(ask, number, name, passed))
  const events = makeEvents({ connection: target, url, ask })
  for (const [name, { pass, result, whole }] of Object.entries(operations)) {
    const call = (...args) =>
      request(method, result, (number) => {
        const passed = pass(...args)
        submit(method, number, name, passed)
        return events.observed(name, passed)
      })
    const method = whole ? whole(call) : call
    target[name] = Object.defineProperty(method, 'name', constant(name))
  }
  Object.assign(target, compose(target), events.functions)
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

/** The arguments of a call as text. */
function callText(method, name, passed) {
  try {
    return textOf(passed)
  } catch {
    // The text would be longer than any string can be.
    throw invalidArgument(method, name, 'called with less than fits into one string (512 MB)')
  }
}

function connect(options = {}) {
  const given = snapshot(options)
  return new MediaCredits(newConnection(connect, given), fieldsOf(given).url)
}

function newConnection(method, options) {
  const variable = (name) => own(process.env, name) ?? ''
  const passed = encodeFields(options)
  const environment = {
    url: variable('DATABASE_URL'),
    provider: variable('DATABASE_PROVIDER'),
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

let defaultConnection

// On the default connection, under the app's own names.
const {
  createMediaTask,
  createMediaTasks,
  updateMediaTaskById,
  chargeMediaTask,
  settleMediaTask,
  findMediaTaskById,
  getMediaTaskCharges,
  hasActiveMediaTask,
  getActiveMediaTasks,
  getMediaTaskHistory,
  findStuckMediaTasks,
  failStuckMediaTasks,
  createAITask,
  createAITasks,
  updateAITaskById,
  chargeAITask,
  settleAITask,
  findAITaskById,
  getAITaskCharges,
  getAITasks,
  getAITasksCount,
  findStuckAITasks,
  failStuckAITasks,
  consumeCredits,
  consumeCreditsBatch,
  refundCredits,
  createCredit,
  grantCreditsForUser,
  getRemainingCredits,
  getBalance,
  getStatement,
  quoteCredits,
  getCredits,
  getCreditsCount,
  auditLedger,
  repairLedger,
  createTables,
  getDiagnostics,
  stats,
  on,
  once,
  off,
  close,
} = publish({}, () => (defaultConnection ??= newConnection(newConnection, {})))

// Name by name: `import { createMediaTask } from 'media-credits'` finds only names that stand here.
module.exports = {
  connect,
  MediaCredits,
  MediaCreditsError,
  AITaskStatus,
  CreditStatus,
  CreditTransactionScene,
  CreditTransactionType,
  calculateCreditExpirationTime,
  createMediaTask,
  createMediaTasks,
  updateMediaTaskById,
  chargeMediaTask,
  settleMediaTask,
  findMediaTaskById,
  getMediaTaskCharges,
  hasActiveMediaTask,
  getActiveMediaTasks,
  getMediaTaskHistory,
  findStuckMediaTasks,
  failStuckMediaTasks,
  createAITask,
  createAITasks,
  updateAITaskById,
  chargeAITask,
  settleAITask,
  findAITaskById,
  getAITaskCharges,
  getAITasks,
  getAITasksCount,
  findStuckAITasks,
  failStuckAITasks,
  consumeCredits,
  consumeCreditsBatch,
  refundCredits,
  createCredit,
  grantCreditsForUser,
  getRemainingCredits,
  getBalance,
  getStatement,
  quoteCredits,
  getCredits,
  getCreditsCount,
  auditLedger,
  repairLedger,
  createTables,
  getDiagnostics,
  stats,
  on,
  once,
  off,
  close,
}
