'use strict'

/**
 * Runs a call's statements in a client, and checks that it is in a transaction. On SQLite and MySQL no
 * statement tells that.
 */

const { NOT_IN_TRANSACTION, describeError, endOf } = require('./clients.js')

/** Values of each type, to check that the client returns whole numbers of any size unchanged. */
const SAMPLE = "SELECT 1 AS a, 0.5 AS b, 'c' AS c, NULL AS d"
const SAMPLED = ['[1,0.5,"c",null]', '[{"$integer":"1"},0.5,"c",null]']

/**
 * The savepoint to which a call rolls back if its writes fail (`src/storage/within/`), because the app may go
 * on and commit. On PostgreSQL a transaction with a failed statement can't be committed anyway.
 */
const SAVE = 'SAVEPOINT media_credits'

/** The rows of statements, or the error; `end` is the caller's error if the transaction has ended. */
async function ask(client, statements) {
  try {
    return { rows: await client.run(statements) }
  } catch (thrown) {
    const error = describeError(thrown)
    const end = endOf(error)
    return end ? { end } : { error }
  }
}

/** The same for the first statements of a call, which write nothing. */
async function askFirst(client, statements) {
  if (client.dialect === 'mysql') return askInside(client, statements)
  if (client.dialect !== 'sqlite') return ask(client, statements)
  const looked = lookOutside(client)
  // A client over a network sends them together. Outside a transaction the savepoint would begin one.
  if (!client.pipelines && !(await looked)) {
    const { error, end } = await ask(client, [SAVE])
    if (end) return { end }
    if (error) return { error: withoutSavepoint(error) }
  }
  const [outside, answer] = await Promise.all([looked, ask(client, [SAMPLE, ...statements])])
  if (!answer.rows) return outside ?? answer
  const [sample, ...rows] = answer.rows
  if (!SAMPLED.includes(sample.join())) return { error: changing(sample) }
  return outside ?? { rows }
}

/** The same for later statements. A client of SQLite over a network gets the savepoint with the writes. */
async function askNext(client, statements) {
  const isSaved = client.dialect === 'sqlite' && client.pipelines && statements.some(isWrite)
  if (!isSaved) return ask(client, statements)
  const answer = await ask(client, [SAVE, ...statements])
  return answer.rows ? { rows: answer.rows.slice(1) } : answer
}

const isWrite = (statement) => /^(INSERT|UPDATE)/.test(statement.trimStart())

/** On MySQL a savepoint lasts as long as its transaction; outside one it disappears after its statement. */
const SAVEPOINT = [SAVE, 'ROLLBACK TO SAVEPOINT media_credits']
const NO_SAVEPOINT = '1305'

async function askInside(client, statements) {
  const { error, end } = await ask(client, SAVEPOINT)
  if (error?.code === NO_SAVEPOINT) return { end: NOT_IN_TRANSACTION }
  return error || end ? { error, end } : ask(client, statements)
}

/**
 * Checks that SQLite is in a transaction: only then does it reject BEGIN. After a server has rolled back a
 * slow transaction, further writes would be committed one by one.
 */
async function lookOutside(client) {
  const { rows, error, end } = await ask(client, ['BEGIN'])
  if (rows) {
    // Commits writes of other code in between.
    await ask(client, ['COMMIT'])
    return { end: NOT_IN_TRANSACTION }
  }
  if (end) return { end }
  // An error without a code comes from a client that does not run this statement.
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

/** Without it, the writes of a call that failed half-way could be committed. */
const withoutSavepoint = (error) => ({
  ...error,
  message:
    `the transaction's client does not run ${SAVE}: ${error.message}; let its query also run statements that ` +
    'return no rows, as in docs/transactions.md',
})

module.exports = { askFirst, askNext }
