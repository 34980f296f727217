'use strict'

/** What tests ask of rows behind the package's back. */

/** A row of `credit`. */
async function creditRow(database, id) {
  const [row] = await database.sql('SELECT * FROM credit WHERE id = ?', id)
  return row
}

/** What is left of each grant, by its id. */
async function remaining(database) {
  const grants = await database.sql("SELECT * FROM credit WHERE transaction_type = 'grant'")
  return Object.fromEntries(grants.map((grant) => [grant.id, grant.remaining_credits]))
}

/** What a charge drew: the id of each grant and a number of credits, in order. */
async function draws(database, chargeId) {
  const { consumed_detail: detail } = await creditRow(database, chargeId)
  return JSON.parse(detail).map((draw) => [draw.creditId, draw.creditsConsumed])
}

/** How many calls came out how: `accepted`, or the code of the error. */
function counted(settled) {
  const count = {}
  for (const { reason } of settled) {
    const what = reason ? (reason.code ?? reason.message) : 'accepted'
    count[what] = (count[what] ?? 0) + 1
  }
  return count
}

module.exports = { counted, creditRow, draws, remaining }
