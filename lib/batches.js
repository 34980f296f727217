'use strict'

/** Lists of requests: all in one transaction, or each for itself. */

const { invalidArgument, unknownField } = require('./errors.js')
const { fieldsOf, isFields, lengthOf, look, snapshot } = require('./fields.js')
const { LONGEST_LIST } = require('./wire.js')

/**
 * With `{ atomic: true }`, all items in one transaction. Else each for itself: sent together, they
 * share transactions anyway, and each has its own outcome.
 */
function eachOrAll(name, atomicBatch, one) {
  return async function batch(items, options) {
    const taken = snapshot(options)
    const areOptions = taken === undefined || isFields(taken)
    const { atomic, ...others } = fieldsOf(taken)
    const number = lengthOf(items) ?? 0
    // What is neither a list nor options is for the native code to refuse, and so are options for nothing.
    if ((atomic ?? false) !== false || number === 0 || !areOptions) return atomicBatch(items, taken)
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

module.exports = { eachOrAll, taskAndCost }
