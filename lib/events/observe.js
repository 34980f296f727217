'use strict'

/**
 * The effects of calls on the ledger, for `index.js` and `../opentelemetry.js`. They are derived from each
 * call and its reply.
 */

const { own } = require('../fields.js')
const { operations } = require('../operations.js')

/**
 * Observers of the calls of all connections: functions that get a call and may return a function to call at
 * its end.
 */
const observers = new Set()

/**
 * Passes a call to `own`, the connection's own observer if it has one, and to all others. Returns a function
 * to call at its end with its error or value, and the reply.
 */
function observe(own, call) {
  const ends = []
  for (const begin of own ? [own, ...observers] : observers) safely(() => ends.push(begin(call)))
  return (error, value, reply) => {
    for (const end of ends) safely(() => end?.(error, value, reply))
  }
}

/**
 * Runs code that must not affect a call. What it throws, synchronously or later, is an unhandled rejection.
 */
function safely(run) {
  new Promise((resolve) => resolve(run()))
}

const itemsOf = ({ operation, passed }) => own(operations[operation], 'moves')?.items(passed) ?? []

/** Whether a call takes or adds credits, if it succeeds. */
function moves(call) {
  const items = itemsOf(call)
  return {
    takes: items.some((item) => own(item, 'credits') > 0),
    gives: items.some((item) => own(item, 'gives') === true),
  }
}

/**
 * The changes made by a successful call: `{ event, … }` for each new charge and refund, and `moved` for another
 * change of a balance, such as by a grant, which has no event of its own.
 */
function effects(call, value, reply) {
  const { operation } = call
  const items = itemsOf(call)
  if (items.length === 0) return []
  const moved = own(reply, 'moved')
  if (moved) return [{ event: 'moved', ...moved }]
  const { id } = operations[operation].moves
  const effectOf = (row, at) => {
    const [task, credits] = [own(items[at], 'task'), own(items[at], 'credits')]
    // No such task, or an earlier call's row.
    if (!row || own(row, 'replayed')) return []
    const [userId, refund, collected] = [row.userId, own(row, 'refund'), own(row, 'collected')]
    const common = { creditId: row[id], ...(task && { task }), operation }
    if (refund?.credits > 0) {
      return { event: 'refunded', userId, credits: refund.credits, spendable: refund.spendable, ...common }
    }
    if (collected > 0) return { event: 'charged', userId, credits: collected, ...common }
    return credits > 0 ? { event: 'charged', userId, credits, ...common } : []
  }
  return [value].flat().flatMap(effectOf)
}

/** The rejection of a call; `undefined` if the error is not the ledger's. */
function refusal(call, error, reply) {
  if (own(own(reply, 'error'), 'family') !== 'ledger') return undefined
  const { operation } = call
  const [required, available] = [own(error, 'required'), own(error, 'available')]
  const item = itemsOf(call)[own(error, 'index') ?? 0]
  const [userId, task] = [own(item, 'userId'), own(item, 'task')]
  return {
    operation,
    code: error.code,
    ...(userId && { userId }),
    ...(task && { task }),
    ...(required !== undefined && { required, available }),
  }
}

module.exports = { effects, moves, observe, observers, refusal, safely }
