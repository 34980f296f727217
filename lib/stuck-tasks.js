'use strict'

/** Ends tasks that no worker has touched for a while, and holds that have ended. */

const { fieldsOf, own, snapshot } = require('./fields.js')

/**
 * Ends what `find` returns, oldest first, `BATCH` at a time. `find` checks the query and returns the next
 * ones. `end` returns the refund of one, an error, or nothing if it no longer needs to be ended. `list` is
 * the result's name for the ended ones.
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
      // An invalid limit is rejected by `find`.
      const room = Number.isInteger(limit) ? Math.min(BATCH, limit - ended.length) : 1
      // Those that could not be ended are returned again, so they are skipped.
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

/** Fails tasks that no worker works on. A task that was changed since it was listed is left alone. */
function failStuck(find, update) {
  async function fail({ id, userId, status, updatedAt }, { errorMessage, refundPolicy }) {
    // If `updatedAt` is not a time, the update fails with an error about it.
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

/** Refunds holds that have ended. One that was settled or kept since it was listed is left alone. */
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
