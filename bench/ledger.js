'use strict'

/** Checks that the ledger is correct after a run. A fast wrong answer is not a result. */

const Database = require('./better-sqlite3')

/** In SQL that both databases understand, except for JSON. */
const factsOf = ({ draws, creditsConsumed, charged, isCharge }) => `
  SELECT
    (SELECT count(*) FROM ${charged}) AS tasks,
    (SELECT count(*) FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charges,
    (SELECT coalesce(-sum(credits), 0)
     FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charged,
    (SELECT coalesce(sum(credits - remaining_credits), 0)
     FROM credit WHERE transaction_type = 'grant') AS spent,
    (SELECT coalesce(sum(${creditsConsumed}), 0)
     FROM credit, ${draws} AS draw WHERE credit.status = 'active') AS drawn,
    (SELECT count(DISTINCT task.id)
     FROM ${charged} AS task JOIN credit AS charge
       ON charge.user_id = task.user_id AND ${isCharge}) AS "tasksWithTheirCharge"`

/** What is charged for: the table, and how its charge is found. */
const chargedBy = (metadata) => ({
  tasks: {
    charged: 'media_tasks',
    isCharge: `charge.id = task.credit_id AND ${metadata('taskId')} = task.id`,
  },
  orders: { charged: '"order"', isCharge: `${metadata('orderId')} = task.id` },
})

const SQLITE = {
  draws: 'json_each(credit.consumed_detail)',
  creditsConsumed: "json_extract(draw.value, '$.creditsConsumed')",
  charged: chargedBy((key) => `json_extract(charge.metadata, '$.${key}')`),
}

const POSTGRES = {
  draws: 'json_array_elements(credit.consumed_detail::json)',
  creditsConsumed: "(draw.value ->> 'creditsConsumed')::integer",
  charged: chargedBy((key) => `charge.metadata::json ->> '${key}'`),
}

const MYSQL = {
  draws: "JSON_TABLE(credit.consumed_detail, '$[*]' COLUMNS (consumed int PATH '$.creditsConsumed'))",
  creditsConsumed: 'draw.consumed',
  charged: chargedBy((key) => `json_value(charge.metadata, '$.${key}')`),
}

const factsAbout = ({ charged, ...dialect }, what) => factsOf({ ...dialect, ...charged[what] })

/** Throws unless the file contains exactly the confirmed tasks. */
function checkLedger(file, acknowledged, { failed = 0, what = 'tasks' } = {}) {
  const database = new Database(file)
  try {
    const integrity = database.pragma('integrity_check', { simple: true })
    return judge({ integrity, ...database.prepare(factsAbout(SQLITE, what)).get() }, acknowledged, failed)
  } finally {
    database.close()
  }
}

/** The same for PostgreSQL, with a client of postgres.js. */
async function checkPostgresLedger(sql, acknowledged, what = 'tasks') {
  const [row] = await sql.unsafe(factsAbout(POSTGRES, what))
  return judge(numbersOf(row), acknowledged)
}

/** The same for MySQL, with a connection of mysql2. */
async function checkMysqlLedger(connection, acknowledged) {
  const [[row]] = await connection.query(factsAbout(MYSQL, 'tasks'))
  return judge(numbersOf(row), acknowledged)
}

/** Sums are returned as text. */
const numbersOf = (row) => ({
  integrity: 'ok',
  ...Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)])),
})

/** The same for a libSQL server, with `@libsql/client`. */
async function checkRemoteLedger(client, acknowledged) {
  const { rows } = await client.execute(factsAbout(SQLITE, 'tasks'))
  // The server does not support `integrity_check`.
  return judge({ integrity: 'ok', ...rows[0] }, acknowledged)
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

module.exports = { checkLedger, checkMysqlLedger, checkPostgresLedger, checkRemoteLedger }
