'use strict'

/** Reads of rows without the package. */

/** A row of `credit`. */
async function creditRow(database, id) {
  const [row] = await database.sql('SELECT * FROM credit WHERE id = ?', id)
  return row
}

/** The remaining credits of each grant, by its id. */
async function remaining(database) {
  const grants = await database.sql("SELECT * FROM credit WHERE transaction_type = 'grant'")
  return Object.fromEntries(grants.map((grant) => [grant.id, grant.remaining_credits]))
}

/** The draws of a charge: the id of each grant and the credits, in order. */
async function draws(database, chargeId) {
  const { consumed_detail: detail } = await creditRow(database, chargeId)
  return JSON.parse(detail).map((draw) => [draw.creditId, draw.creditsConsumed])
}

/** The number of calls by outcome: `accepted`, or the code of the error. */
function counted(settled) {
  const count = {}
  for (const { reason } of settled) {
    const what = reason ? (reason.code ?? reason.message) : 'accepted'
    count[what] = (count[what] ?? 0) + 1
  }
  return count
}

module.exports = { counted, creditRow, draws, remaining }
