'use strict'

/**
 * All functions of a connection:
 *
 * - `pass`: how each argument is passed to native code. A function without it is made only of others.
 * - `result`: how the reply is decoded.
 * - `moves`, if it may move credits: for events and OpenTelemetry. `items` are the call's tasks, users and costs (the
 *   credits that a settlement draws are in its reply); `id` is the column of the returned row with the charge's id.
 * - `outside`: it concerns the database instead of the ledger, so `within(tx)` does not have it.
 * - `joins`: its first argument may have a `tx`, a transaction of the app in which it runs.
 * - `whole`: makes a function that reads long lists in parts, from one that reads a part.
 * - `made`: makes the function from native calls, its own and those of others.
 *
 * `npm run names` writes their names into the ES modules. `src/node/functions.rs` is the counterpart in Rust.
 */

const { grantsFor } = require('./app-models.js')
const { audit, repair } = require('./audit.js')
const { eachOrAll, taskAndCost } = require('./batches.js')
const { field, itemsOf, newAITask, newMediaTask, newTask, ofUser } = require('./events/items.js')
const { historyInParts, listInParts } = require('./lists.js')
const replies = require('./replies.js')
const { failStuck, releaseOver } = require('./stuck-tasks.js')
const wire = require('./wire.js')

const { all, nothing, row, rows, rowsWithUsers, value, valueWithTimes } = replies
const { encodeChargeOptions, encodeFieldsWith, encodeList, encodeOption, encodeTaskAndCost } = wire
const { encodeFields: fields, encodeOptions: options, encodeValue: one } = wire
/** Options, or the index that `userIds.map(getRemainingCredits)` passes. */
const fieldsOrIndex = (passed) => (typeof passed === 'number' ? one(undefined) : options(passed))
const list = (encodeItem) => (items) => encodeList(items, encodeItem)

// ---- Functions of both kinds of tasks ----

const updating = (kind) => ({
  pass: [one, fields, options],
  result: row,
  moves: {
    items: ([id, patch]) => [{ task: { kind, id }, gives: field(patch, 'status') === 'failed' }],
    id: 'creditId',
  },
})

const chargingStep = (kind) => ({
  pass: [one, fields, fields, encodeChargeOptions],
  result: row,
  moves: {
    items: ([id, charge]) => [{ task: { kind, id }, credits: field(charge, 'credits') }],
    id: 'creditId',
  },
})

const settling = (kind) => ({
  pass: [one, one, options],
  result: row,
  moves: { items: ([id]) => [{ task: { kind, id }, gives: true }], id: 'id' },
})

/** The reply has the change of the user's spendable credits. */
const moving = { items: () => [{ gives: true }] }

/** `made` gets the function that lists some tasks at a time, and the one that fails a task. */
const failingStuck = (made) => ({ pass: [options, one, one], result: rows, made })

const operations = {
  createMediaTask: {
    pass: [fields, one, encodeChargeOptions],
    result: row,
    moves: { items: ([task, credits]) => [newTask('media', task, credits)], id: 'creditId' },
  },
  createMediaTasks: {
    pass: [list(encodeTaskAndCost), encodeChargeOptions],
    result: all,
    moves: { items: ([tasks]) => itemsOf(tasks, newMediaTask), id: 'creditId' },
    made: ({ createMediaTask, createMediaTasks }) =>
      eachOrAll('createMediaTasks', createMediaTasks, taskAndCost(createMediaTask)),
  },
  createAITask: {
    pass: [fields, encodeChargeOptions],
    joins: true,
    result: row,
    moves: { items: ([task]) => [newAITask(task)], id: 'creditId' },
  },
  createAITasks: {
    pass: [list(fields), encodeChargeOptions],
    result: all,
    moves: { items: ([tasks]) => itemsOf(tasks, newAITask), id: 'creditId' },
    made: ({ createAITask, createAITasks }) => eachOrAll('createAITasks', createAITasks, createAITask),
  },
  updateMediaTaskById: updating('media'),
  chargeMediaTask: chargingStep('media'),
  settleMediaTask: settling('media'),
  findMediaTaskById: { pass: [one], result: row },
  getMediaTaskCharges: { pass: [one], result: rows },
  findStuckMediaTasks: { pass: [fields], result: rows },
  failStuckMediaTasks: failingStuck((calls) =>
    failStuck(calls.failStuckMediaTasks, calls.updateMediaTaskById),
  ),
  updateAITaskById: updating('ai'),
  chargeAITask: chargingStep('ai'),
  settleAITask: settling('ai'),
  findAITaskById: { pass: [one], result: row },
  getAITaskCharges: { pass: [one], result: rows },
  findStuckAITasks: { pass: [fields], result: rows },
  failStuckAITasks: failingStuck((calls) => failStuck(calls.failStuckAITasks, calls.updateAITaskById)),
  hasActiveMediaTask: { pass: [one], result: value },
  getActiveMediaTasks: { pass: [one], result: rows },
  getMediaTaskHistory: { pass: [one, one, one, one, one], result: replies.page, whole: historyInParts },
  getAITasks: { pass: [fields, one, one], result: rowsWithUsers, whole: listInParts },
  getAITasksCount: { pass: [fields], result: value },
  consumeCredits: {
    pass: [fields, encodeChargeOptions],
    joins: true,
    result: row,
    moves: { items: ([charge]) => [ofUser(charge)], id: 'id' },
  },
  consumeCreditsBatch: {
    pass: [list(fields), encodeChargeOptions],
    result: all,
    moves: { items: ([charges]) => itemsOf(charges, ofUser), id: 'id' },
    made: ({ consumeCredits, consumeCreditsBatch }) =>
      eachOrAll('consumeCreditsBatch', consumeCreditsBatch, consumeCredits),
  },
  settleCredits: {
    pass: [one, one, options],
    result: row,
    moves: { items: () => [{ gives: true }], id: 'id' },
  },
  keepCharge: { pass: [one], result: row },
  releaseHolds: {
    pass: [options, one, one, one],
    result: replies.rowsOrRow,
    moves: { items: ([, , , id]) => (typeof id === 'string' ? [{ gives: true }] : []), id: 'id' },
    made: ({ releaseHolds }) => releaseOver(releaseHolds),
  },
  refundCredits: {
    pass: [one, one, options],
    result: row,
    moves: { items: () => [{ gives: true }], id: 'id' },
  },
  createCredit: {
    pass: [fields, fields],
    joins: true,
    result: row,
    moves: { items: ([grant]) => [{ userId: field(grant, 'userId'), gives: true }] },
  },
  grantCreditsForUser: { made: ({ createCredit }) => grantsFor(createCredit) },
  renewGrants: { pass: [encodeFieldsWith('rollover', encodeOption)], result: row, moves: moving },
  extendGrant: { pass: [one, one], result: row, moves: moving },
  claimTopUp: { pass: [encodeFieldsWith('atMost', encodeOption)], result: replies.topUp },
  confirmTopUp: { pass: [one], result: row, moves: moving },
  abandonTopUp: { pass: [one], result: row },
  listTopUps: { pass: [fields], result: rows },
  revokeGrants: { pass: [fields, fields], result: value, moves: moving },
  restoreGrants: { pass: [one, fields], result: value, moves: moving },
  getRemainingCredits: { pass: [one, fieldsOrIndex], result: value },
  getBalance: { pass: [one, fieldsOrIndex], result: valueWithTimes },
  getStatement: { pass: [one, fields], result: valueWithTimes },
  quoteCredits: { pass: [one, one, fields], result: valueWithTimes },
  listExpiring: { pass: [fields], result: valueWithTimes },
  getCredits: { pass: [fields, one, one], result: rowsWithUsers, whole: listInParts },
  getCreditsCount: { pass: [fields], result: value },
  auditLedger: {
    pass: [fields, one],
    result: value,
    made: ({ auditLedger, getCreditsCount }) => audit(auditLedger, getCreditsCount),
  },
  repairLedger: {
    pass: [fields, list(one)],
    result: replies.fixes,
    made: ({ auditLedger, repairLedger }) => repair(auditLedger, repairLedger),
  },
  createTables: { pass: [fields], result: nothing, outside: true },
  getDiagnostics: { pass: [], result: replies.valueAsRow, outside: true },
  stats: { pass: [], result: valueWithTimes, outside: true },
}

module.exports = { operations }
