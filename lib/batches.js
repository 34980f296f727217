'use strict'

/** Lists of requests: in one transaction, or each by itself. */

const { invalidArgument, unknownKeyOfItem } = require('./errors.js')
const { fieldsOf, isFields, lengthOf, look, snapshot } = require('./fields.js')
const { LONGEST_LIST } = require('./wire.js')

/**
 * With `{ atomic: true }`, all items run in one transaction. Otherwise each has its own outcome; they are
 * sent together, so they still share transactions.
 */
function eachOrAll(name, atomicBatch, one) {
  return async function batch(items, options) {
    const taken = snapshot(options)
    const areOptions = taken === undefined || isFields(taken)
    const { atomic, ...others } = fieldsOf(taken)
    const number = lengthOf(items) ?? 0
    // The native code rejects values that are neither lists nor options, and the options of an empty list.
    if ((atomic ?? false) !== false || number === 0 || !areOptions) return atomicBatch(items, taken)
    if (number > LONGEST_LIST) {
      throw invalidArgument(batch, name, `given a list of at most ${LONGEST_LIST} items`, number)
    }
    const calls = []
    // Also covers lists with holes.
    for (let at = 0; at < number; at++)
      calls[at] = one(
        look(() => items[at]),
        others,
      )
    return Promise.allSettled(calls)
  }
}

/** A single item of `createMediaTasks`. It has the same fields as in an atomic list. */
function taskAndCost(createMediaTask) {
  return async function create(item, options) {
    const taken = snapshot(item)
    if (!isFields(taken)) throw invalidArgument(create, 'an item of createMediaTasks', 'an object', taken)
    const { task, costCredits, ...others } = taken
    const unknown = Object.keys(others).find((key) => others[key] !== undefined)
    if (unknown !== undefined) throw unknownKeyOfItem(create, unknown)
    return createMediaTask(task, costCredits, options)
  }
}

module.exports = { eachOrAll, taskAndCost }
