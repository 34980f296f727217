'use strict'

/** Whether the ledger is right after a run. A fast wrong answer is no result. */

const Database = require('./better-sqlite3')

/** In the SQL of both databases, but for what is in JSON. */
const factsOf = ({ draws, creditsConsumed, taskId }) => `
  SELECT
    (SELECT count(*) FROM media_tasks) AS tasks,
    (SELECT count(*) FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charges,
    (SELECT coalesce(-sum(credits), 0)
     FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charged,
    (SELECT coalesce(sum(credits - remaining_credits), 0)
     FROM credit WHERE transaction_type = 'grant') AS spent,
    (SELECT coalesce(sum(${creditsConsumed}), 0)
     FROM credit, ${draws} AS draw WHERE credit.status = 'active') AS drawn,
    (SELECT count(DISTINCT task.id)
     FROM media_tasks AS task JOIN credit AS charge
       ON charge.id = task.credit_id AND charge.user_id = task.user_id
         AND ${taskId} = task.id) AS "tasksWithTheirCharge"`

const FACTS = factsOf({
  draws: 'json_each(credit.consumed_detail)',
  creditsConsumed: "json_extract(draw.value, '$.creditsConsumed')",
  taskId: "json_extract(charge.metadata, '$.taskId')",
})

const POSTGRES_FACTS = factsOf({
  draws: 'json_array_elements(credit.consumed_detail::json)',
  creditsConsumed: "(draw.value ->> 'creditsConsumed')::integer",
  taskId: "charge.metadata::json ->> 'taskId'",
})

/** Throws unless the file holds the tasks that were acknowledged, all of them and nothing else. */
function checkLedger(file, acknowledged, failed = 0) {
  const database = new Database(file)
  try {
    const integrity = database.pragma('integrity_check', { simple: true })
    return judge({ integrity, ...database.prepare(FACTS).get() }, acknowledged, failed)
  } finally {
    database.close()
  }
}

/** The same for PostgreSQL, asked with a client of postgres.js. */
async function checkPostgresLedger(sql, acknowledged) {
  const [row] = await sql.unsafe(POSTGRES_FACTS)
  // Its sums come as texts.
  const facts = Object.entries(row).map(([name, value]) => [name, Number(value)])
  return judge({ integrity: 'ok', ...Object.fromEntries(facts) }, acknowledged)
}

function judge(facts, acknowledged, failed = 0) {
  const { integrity, tasks, charges, charged, spent, drawn, tasksWithTheirCharge } = facts
  const right =
    integrity === 'ok' &&
    tasks === acknowledged &&
    tasksWithTheirCharge === acknowledged &&
    charges === acknowledged - failed &&
    spent === charged &&
    drawn === charged
  if (!right) throw new Error(`the ledger is wrong: ${JSON.stringify({ acknowledged, failed, ...facts })}`)
  return facts
}

module.exports = { checkLedger, checkPostgresLedger }
