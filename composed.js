'use strict'

/** Functions of a connection that are made of its other functions. */

const { grantsFor } = require('./app-models.js')
const { invalidArgument, unknownField } = require('./errors.js')
const { fieldsOf, isFields, lengthOf, look, own, snapshot } = require('./fields.js')
const { LONGEST_LIST } = require('./wire.js')

/** Makes them, for `connection`, which has all the others. */
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

/**
 * With `{ atomic: true }`, all items in one transaction. Else each for itself: sent together, they
 * share transactions anyway, and each has its own outcome.
 */
function eachOrAll(name, together, one) {
  return async function batch(items, options) {
    const taken = snapshot(options)
    const areOptions = taken === undefined || isFields(taken)
    const { atomic, ...others } = fieldsOf(taken)
    const number = lengthOf(items) ?? 0
    // What is neither a list nor options is for the native code to refuse, and so are options for nothing.
    if ((atomic ?? false) !== false || number === 0 || !areOptions) return together(items, taken)
    if (number > LONGEST_LIST) {
      throw invalidArgument(batch, name, `given a list of at most ${LONGEST_LIST} items`, number)
    }
    const calls = []
    // A list with holes too.
    for (let at = 0; at < number; at++)
      calls[at] = one(
        look(() => items[at]),
        others,
      )
    return Promise.allSettled(calls)
  }
}

/** An item of `createMediaTasks` for itself: what it may have is what it may have in an atomic list. */
function taskAndCost(createMediaTask) {
  return async function create(item, options) {
    const taken = snapshot(item)
    if (!isFields(taken)) throw invalidArgument(create, 'an item of createMediaTasks', 'an object', taken)
    const { task, costCredits, ...others } = taken
    const unknown = Object.keys(others).find((key) => others[key] !== undefined)
    if (unknown !== undefined) throw unknownField(create, 'createMediaTasks', unknown)
    return createMediaTask(task, costCredits, options)
  }
}

/** Audits some users after others, so that memory and snapshots stay small however many there are. */
function audit(auditSome, getCreditsCount) {
  return async function* auditLedger(query) {
    const taken = snapshot(query)
    const { onProgress, ...passed } = fieldsOf(taken)
    const listens = typeof onProgress === 'function'
    const { userId, limit = Infinity } = passed
    const progress = { users: 0, rows: 0, totalRows: 0 }
    let found = 0
    let next
    do {
      const page = await auditSome(listens ? passed : taken, next)
      if (listens) {
        if (next === undefined) progress.totalRows = await getCreditsCount({ userId })
        progress.users += page.users
        progress.rows += page.rows
        onProgress({ ...progress })
      }
      for (const finding of page.findings) {
        yield finding
        if (++found >= limit) return
      }
      next = page.next
    } while (next !== null)
  }
}

/** What can be right in one way only. */
const REPAIRABLE = ['refunded-more-than-once', 'failed-task-charged', 'wrong-time-unit']

/** Repairs the books of those users in whose an audit finds what can be repaired. */
function repair(auditLedger, repairBooks) {
  /** Users whose books are read at once, where nothing is written. */
  const SOME = 100
  return async function repairLedger(options) {
    const taken = snapshot(options)
    const { apply, userId } = fieldsOf(taken)
    // It refuses what is wrong with the options before anything is read. No user is not all users.
    const isUnknown = 'userId' in fieldsOf(taken) && userId === undefined
    await repairBooks(isUnknown ? { ...taken, userId: null } : taken)
    const found = new Set()
    for await (const finding of auditLedger({ userId })) {
      if (REPAIRABLE.includes(finding.kind)) found.add(finding.userId)
    }
    const userIds = [...found]
    const changes = []
    for (const size = apply ? userIds.length : SOME; userIds.length > 0;) {
      changes.push(...(await repairBooks({ apply }, userIds.splice(0, size))))
    }
    return { applied: apply === true, changes }
  }
}

/**
 * Fails tasks that nobody works on any more, oldest first, `BATCH` at a time. `find` checks the query, and
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

/** Fails a task, unless somebody has touched it since it was found: then it is nothing. */
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

module.exports = { compose }
