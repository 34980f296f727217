'use strict'

/** The functions of a connection inside a transaction that the app has begun: `within(tx)`. */

const { look, own, snapshot } = require('../fields.js')
const { callText, functionsInside, readReply } = require('../functions.js')
const { textOf: jsonOf } = require('../wire.js')
const { askFirst, askNext } = require('./ask.js')
const { clientOf, isTransaction } = require('./clients.js')

/** The last call of each transaction. Calls take turns, because a client runs one statement after another. */
const turns = new WeakMap()

/** Runs a native call to its end: statements go to the client, and its replies go back. */
async function drive(call, client) {
  let answer = null
  for (;;) {
    const next = call.next(answer && jsonOf(answer))
    const reply = own(next, 'reply')
    if (typeof reply === 'string') return reply
    answer = await (answer ? askNext : askFirst)(client, next.statements)
    if (answer.end) return jsonOf({ error: answer.end })
  }
}

/** The functions inside `tx`, with the options of `connection()`. */
function within(method, connection, tx) {
  const client = clientOf(method, tx)
  return functionsInside(
    (name, operation) => (called, args) => send({ connection, tx, client, name, operation }, called, args),
  )
}

/**
 * Sends a call in a transaction. `called` is the function that the caller called: errors have the stack of
 * that call.
 */
async function send({ connection, tx, client, name, operation: { pass, result } }, called, args) {
  const caller = {}
  Error.captureStackTrace(caller, called)
  const passed = pass.map((encode, at) => encode(args[at]))
  const text = await takeTurns(tx, () =>
    drive(connection().callWithin(client.dialect, name, callText(called, name, passed)), client),
  )
  const { error, value } = readReply(caller, result, JSON.parse(text))
  if (error) throw error
  return value
}

/**
 * A function of `connection()` whose arguments may name the transaction in which it runs: `consumeCredits({
 * …, tx })`.
 */
function joining(connection, name, operation, alone) {
  return (called, args) => {
    const tx = look(() => own(args[0], 'tx'))
    if (!isTransaction(tx)) return alone(called, args)
    const { tx: _, ...first } = snapshot(args[0])
    const rest = [first, ...args.slice(1)]
    const join = async () =>
      send({ connection, tx, client: clientOf(called, tx), name, operation }, called, rest)
    return join()
  }
}

/** Runs `work` after all earlier calls in this transaction. */
function takeTurns(tx, work) {
  const turn = (turns.get(tx) ?? Promise.resolve()).then(work)
  turns.set(
    tx,
    turn.catch(() => {}),
  )
  return turn
}

module.exports = { joining, within }
