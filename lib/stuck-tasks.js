'use strict'

/** Ends what no process takes care of any more: tasks that no worker has touched for a while, and holds that are over. */

const { fieldsOf, own, snapshot } = require('./fields.js')

/**
 * Ends what `find` finds, oldest first, `BATCH` at a time. `find` checks the query, and finds the next ones. `end` says
 * what came of one: nothing, if it need not be ended any more, and else its refund, or an error. `list` is what the ones that
 * were ended are called.
 */
function endAll(find, end, list) {
  const BATCH = 100
  return async function endEach(query) {
    const taken = snapshot(query)
    const { limit = 1000, ...options } = fieldsOf(taken)
    const outcome = { [list]: [], credits: 0, spendable: 0, errors: [] }
    const ended = outcome[list]
    const seen = new Set()
    let next
    do {
      // If the limit is none, the query is refused.
      const room = Number.isInteger(limit) ? Math.min(BATCH, limit - ended.length) : 1
      // Those that can't be ended are still there.
      const found = await find(taken, Math.max(1, room), outcome.errors.length)
      next = found.filter(({ id }) => !seen.has(id))
      const results = await Promise.all(next.map((row) => end(row, options)))
      for (const { id } of next) seen.add(id)
      for (const result of results) {
        if (own(result, 'error')) outcome.errors.push(result)
        else if (result) ended.push(result)
      }
    } while (next.length > 0 && ended.length < limit)
    for (const { refund } of ended) {
      outcome.credits += refund.credits
      outcome.spendable += refund.spendable
    }
    return outcome
  }
}

/** Fails tasks that no worker is busy with. A task that was changed since it was found is left alone. */
function failStuck(find, update) {
  async function fail({ id, userId, status, updatedAt }, { errorMessage, refundPolicy }) {
    // If `updatedAt` holds no time, the update refuses it, and says what is there.
    const before = updatedAt instanceof Date ? new Date(updatedAt.getTime() + 1) : new Date()
    const untouched = { ifStatus: status, ifUpdatedBefore: before, refundPolicy }
    try {
      const failed = await update(id, { status: 'failed', errorMessage }, untouched)
      return failed && { id, userId, status, refund: failed.refund }
    } catch (error) {
      return error.code === 'TASK_STATE_CONFLICT' ? undefined : { id, userId, error }
    }
  }
  return endAll(find, fail, 'tasks')
}

/** Gives back what holds took that are over. One that was settled or kept since it was found is left alone. */
function releaseOver(releaseHolds) {
  async function release({ id, userId, transactionNo }, { refundPolicy }) {
    try {
      const released = await releaseHolds({ refundPolicy }, 1, 0, id)
      return released && { id, userId, transactionNo, refund: released.refund }
    } catch (error) {
      return { id, userId, error }
    }
  }
  return endAll(releaseHolds, release, 'charges')
}

module.exports = { failStuck, releaseOver }
