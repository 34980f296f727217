'use strict'

/** What a client says to statements, and whether it is in a transaction at all, which on SQLite and MySQL no statement tells. */

const { NOT_IN_TRANSACTION, describeError, endOf } = require('./clients.js')

/** Values of each kind, and what comes of them: whole numbers as such, whatever their size. */
const SAMPLE = "SELECT 1 AS a, 0.5 AS b, 'c' AS c, NULL AS d"
const SAMPLED = ['[1,0.5,"c",null]', '[{"$integer":"1"},0.5,"c",null]']

/**
 * Where a call goes back to whose writes fail in the middle (`src/storage/within/`): the app may go on, and commit. On
 * PostgreSQL a transaction in which a statement failed can't be committed.
 */
const SAVE = 'SAVEPOINT media_credits'

/** The rows of some statements, or the error; `end`: what a caller is told of a transaction that is none any more. */
async function ask(client, statements) {
  try {
    return { rows: await client.run(statements) }
  } catch (thrown) {
    const error = describeError(thrown)
    const end = endOf(error)
    return end ? { end } : { error }
  }
}

/** The same of the first statements of a call, which write nothing. */
async function askFirst(client, statements) {
  if (client.dialect === 'mysql') return askInside(client, statements)
  if (client.dialect !== 'sqlite') return ask(client, statements)
  const looked = lookOutside(client)
  // A client over a network sends them together. Outside a savepoint would begin a transaction; a client that passes on
  // what returns rows alone goes without.
  if (!client.pipelines && !(await looked)) await ask(client, [SAVE])
  const [outside, answer] = await Promise.all([looked, ask(client, [SAMPLE, ...statements])])
  if (!answer.rows) return outside ?? answer
  const [sample, ...rows] = answer.rows
  if (!SAMPLED.includes(sample.join())) return { error: changing(sample) }
  return outside ?? { rows }
}

/** The same of those that follow. A client of SQLite over a network gets the savepoint with what is written. */
async function askNext(client, statements) {
  const isSaved = client.dialect === 'sqlite' && client.pipelines && statements.some(isWrite)
  if (!isSaved) return ask(client, statements)
  const answer = await ask(client, [SAVE, ...statements])
  return answer.rows ? { rows: answer.rows.slice(1) } : answer
}

const isWrite = (statement) => /^(INSERT|UPDATE)/.test(statement.trimStart())

/** On MySQL a savepoint lasts as long as its transaction: outside of one it is gone with its statement. */
const SAVEPOINT = [SAVE, 'ROLLBACK TO SAVEPOINT media_credits']
const NO_SAVEPOINT = '1305'

async function askInside(client, statements) {
  const { error, end } = await ask(client, SAVEPOINT)
  if (error?.code === NO_SAVEPOINT) return { end: NOT_IN_TRANSACTION }
  return error || end ? { error, end } : ask(client, statements)
}

/**
 * SQLite refuses BEGIN inside a transaction alone. One that was rolled back behind the client's back, as a server does
 * with one that takes long, would else be a write by itself.
 */
async function lookOutside(client) {
  const { rows, error, end } = await ask(client, ['BEGIN'])
  if (rows) {
    // What other code has written in between stays.
    await ask(client, ['COMMIT'])
    return { end: NOT_IN_TRANSACTION }
  }
  if (end) return { end }
  // An error without a code is of a client that does not pass this statement on.
  const isInside = error.code === null || error.message.includes('within a transaction')
  return isInside ? undefined : { error }
}

const changing = (sample) => ({
  code: null,
  message:
    `the transaction's client returns ${sample.join() || 'nothing'} for ${SAMPLE}; let it return values as SQLite ` +
    "has them (libSQL: intMode 'number' or 'bigint'), and see docs/transactions.md",
  table: null,
  constraint: null,
  key: null,
})

module.exports = { askFirst, askNext }
