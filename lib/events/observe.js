'use strict'

/**
 * What calls do to the ledger, for what observes them: `index.js` and `../opentelemetry.js`. It is read from a call
 * and its reply as they cross.
 */

const { own } = require('../fields.js')
const { operations } = require('../operations.js')

/** Observers of the calls of all connections: functions that take a call and may return what to do at its end. */
const observers = new Set()

/**
 * Tells `own`, a connection's own observer if it has one, and all others that a call was sent. Returns what must be
 * told of its end: its error or its value, and the reply.
 */
function observe(own, call) {
  const ends = []
  for (const begin of own ? [own, ...observers] : observers) safely(() => ends.push(begin(call)))
  return (error, value, reply) => {
    for (const end of ends) safely(() => end?.(error, value, reply))
  }
}

/** Runs what must not harm a call. What it throws, now or later, is an unhandled rejection. */
function safely(run) {
  new Promise((resolve) => resolve(run()))
}

const itemsOf = ({ operation, passed }) => own(operations[operation], 'moves')?.items(passed) ?? []

/** Whether a call takes credits or gives some, if it succeeds. */
function moves(call) {
  const items = itemsOf(call)
  return {
    takes: items.some((item) => own(item, 'credits') > 0),
    gives: items.some((item) => own(item, 'gives') === true),
  }
}

/**
 * What a call that succeeded changed: `{ event, … }` for each charge, refund and grant that is new, and for another
 * change of a balance, of which nothing but that is told (`moved`).
 */
function effects(call, value, reply) {
  const { operation } = call
  const items = itemsOf(call)
  if (items.length === 0) return []
  const moved = own(reply, 'moved')
  if (moved) return [{ event: 'moved', ...moved }]
  const { id, isGrant } = operations[operation].moves
  const effectOf = (row, at) => {
    const [task, credits] = [own(items[at], 'task'), own(items[at], 'credits')]
    // No such task, or what was there before.
    if (!row || own(row, 'replayed')) return []
    const [userId, refund, collected] = [row.userId, own(row, 'refund'), own(row, 'collected')]
    const common = { creditId: row[id], ...(task && { task }), operation }
    if (isGrant) {
      const credits = spendable(row)
      return { event: 'granted', userId, credits, spendable: credits }
    }
    if (refund?.credits > 0) {
      return { event: 'refunded', userId, credits: refund.credits, spendable: refund.spendable, ...common }
    }
    if (collected > 0) return { event: 'charged', userId, credits: collected, ...common }
    return credits > 0 ? { event: 'charged', userId, credits, ...common } : []
  }
  return [value].flat().flatMap(effectOf)
}

/** How much of a new grant can be spent now: an estimate, by this clock, for balances that are watched. */
function spendable({ status, expiresAt, remainingCredits }) {
  return status === 'active' && (expiresAt === null || expiresAt > Date.now()) ? remainingCredits : 0
}

/** What a call was refused, or `undefined` if its error is not the ledger's. */
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
