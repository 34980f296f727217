'use strict'

/** Functions of a connection that are made of its other functions. */

/** Makes them, for `connection`, which has all the others. */
function compose(connection) {
  const { createMediaTask, createMediaTasks, createAITask, createAITasks } = connection
  const { consumeCredits, consumeCreditsBatch } = connection
  return {
    createMediaTasks: eachOrAll(createMediaTasks, (item, options) =>
      createMediaTask(item?.task, item?.costCredits, options),
    ),
    createAITasks: eachOrAll(createAITasks, createAITask),
    consumeCreditsBatch: eachOrAll(consumeCreditsBatch, consumeCredits),
    failStuckMediaTasks: failStuck(connection.findStuckMediaTasks, connection.updateMediaTaskById),
    failStuckAITasks: failStuck(connection.findStuckAITasks, connection.updateAITaskById),
  }
}

/**
 * With `{ atomic: true }`, all items in one transaction. Else each for itself: sent together, they
 * share transactions anyway, and each has its own outcome.
 */
function eachOrAll(together, one) {
  return async function batch(items, options) {
    const { atomic = false, ...others } = Object(options)
    // What is neither is for the native code to refuse.
    if (atomic !== false || !Array.isArray(items)) return together(items, options)
    return Promise.allSettled(items.map((item) => one(item, others)))
  }
}

/** Fails tasks that nobody works on any more, oldest first, `BATCH` at a time. */
function failStuck(find, update) {
  const BATCH = 100
  const MOST_FOUND = 1000
  return async function failStuckTasks(options) {
    const { errorMessage, refundPolicy, limit = MOST_FOUND, ...query } = Object(options)
    const outcome = { tasks: [], credits: 0, spendable: 0, errors: [] }
    const seen = new Set()
    let stuck
    do {
      const room = Math.min(BATCH, limit - outcome.tasks.length)
      // Those that can't be failed are found again each time.
      const found = await find({
        ...query,
        limit: Number.isInteger(room) ? Math.min(MOST_FOUND, room + outcome.errors.length) : limit,
      })
      stuck = found.filter(({ id }) => !seen.has(id)).slice(0, room)
      const failed = await Promise.all(
        stuck.map((task) => fail(task, update, { errorMessage, refundPolicy })),
      )
      for (const { id } of stuck) seen.add(id)
      for (const result of failed) {
        if (result?.error) outcome.errors.push(result)
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

/** Fails a task, unless somebody has touched it since it was found: then it is nothing. */
async function fail({ id, userId, status, updatedAt }, update, { errorMessage, refundPolicy }) {
  const untouched = { ifStatus: status, ifUpdatedBefore: new Date(updatedAt.getTime() + 1), refundPolicy }
  try {
    const failed = await update(id, { status: 'failed', errorMessage }, untouched)
    return failed && { id, userId, status, refund: failed.refund }
  } catch (error) {
    return error.code === 'TASK_STATE_CONFLICT' ? undefined : { id, userId, error }
  }
}

module.exports = { compose }
