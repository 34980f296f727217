'use strict'

/** Fails the tasks that no worker has touched for a while. */

const { fieldsOf, own, snapshot } = require('./fields.js')

/**
 * Fails tasks that no worker is busy with, oldest first, `BATCH` at a time. `find` checks the query, and
 * finds the next ones.
 */
function failStuck(find, update) {
  const BATCH = 100
  return async function failStuckTasks(query) {
    const taken = snapshot(query)
    const { errorMessage, refundPolicy, limit = 1000 } = fieldsOf(taken)
    const outcome = { tasks: [], credits: 0, spendable: 0, errors: [] }
    const seen = new Set()
    let stuck
    do {
      // If the limit is none, the query is refused.
      const room = Number.isInteger(limit) ? Math.min(BATCH, limit - outcome.tasks.length) : 1
      // Those that can't be failed are still there.
      const found = await find(taken, Math.max(1, room), outcome.errors.length)
      stuck = found.filter(({ id }) => !seen.has(id))
      const failed = await Promise.all(
        stuck.map((task) => fail(task, update, { errorMessage, refundPolicy })),
      )
      for (const { id } of stuck) seen.add(id)
      for (const result of failed) {
        if (own(result, 'error')) outcome.errors.push(result)
        else if (result) outcome.tasks.push(result)
      }
    } while (stuck.length > 0 && outcome.tasks.length < limit)
    for (const { refund } of outcome.tasks) {
      outcome.credits += refund.credits
      outcome.spendable += refund.spendable
    }
    return outcome
  }
}

/** Fails a task, unless it was changed since it was found: then it is nothing. */
async function fail({ id, userId, status, updatedAt }, update, { errorMessage, refundPolicy }) {
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

module.exports = { failStuck }
