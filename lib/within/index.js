'use strict'

/** The functions of a connection inside a transaction that the app has begun: `within(tx)`. */

const { callText, makeFunctions, readReply } = require('../functions.js')
const { textOf: jsonOf } = require('../wire.js')
const { clientOf, describeError } = require('./clients.js')

/** Functions that are about the database, and not about the ledger. */
const NOT_WITHIN = new Set(['createTables', 'getDiagnostics', 'stats'])

/** Of each transaction the call that others wait for: they take turns, as one client runs one statement after another. */
const turns = new WeakMap()

/** Runs a native call to its end: statements go to the client, and what it says goes back. */
async function drive(call, client) {
  let said = null
  for (;;) {
    const { statements, reply } = call.next(said)
    if (typeof reply === 'string') return reply
    said = await say(statements, client)
  }
}

/** What the client says to some statements, as JSON text. */
async function say(statements, client) {
  try {
    const rows = client.pipelines
      ? await Promise.all(statements.map(client.run))
      : await inTurn(statements, client.run)
    return jsonOf({ rows: rows.map(textsOnly) })
  } catch (error) {
    return jsonOf({ error: describeError(error) })
  }
}

async function inTurn(statements, run) {
  const rows = []
  for (const statement of statements) rows.push(await run(statement))
  return rows
}

/** What is no text native code does not know. */
function textsOnly(rows) {
  if (rows === undefined) return []
  return rows.filter((text) => typeof text === 'string')
}

/** The functions inside `tx`; `connection()` has their options. */
function within(method, connection, tx) {
  const client = clientOf(method, tx)
  const target = {}
  makeFunctions(target, (name, { pass, result }) => {
    if (NOT_WITHIN.has(name)) return undefined
    return async (called, args) => {
      const caller = {}
      Error.captureStackTrace(caller, called)
      const passed = pass.map((encode, at) => encode(args[at]))
      const text = await takeTurns(tx, () => {
        return drive(connection().callWithin(client.dialect, name, callText(called, name, passed)), client)
      })
      const { error, value } = readReply(caller, result, JSON.parse(text))
      if (error) throw error
      return value
    }
  })
  return target
}

/** Runs `work` when all that came before in this transaction is done. */
function takeTurns(tx, work) {
  const turn = (turns.get(tx) ?? Promise.resolve()).then(work)
  turns.set(
    tx,
    turn.catch(() => {}),
  )
  return turn
}

module.exports = { within }
