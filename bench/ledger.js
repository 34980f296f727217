'use strict'

/** Whether the ledger is right after a run. A fast wrong answer is no result. */

const Database = require('better-sqlite3')

const FACTS = `
  SELECT
    (SELECT count(*) FROM media_tasks) AS tasks,
    (SELECT count(*) FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charges,
    (SELECT -total(credits) FROM credit WHERE transaction_type = 'consume' AND status = 'active') AS charged,
    (SELECT total(credits - remaining_credits) FROM credit WHERE transaction_type = 'grant') AS spent,
    (SELECT total(json_extract(draw.value, '$.creditsConsumed'))
     FROM credit, json_each(credit.consumed_detail) AS draw WHERE credit.status = 'active') AS drawn,
    (SELECT count(DISTINCT task.id)
     FROM media_tasks AS task JOIN credit AS charge
       ON charge.id = task.credit_id AND charge.user_id = task.user_id
         AND json_extract(charge.metadata, '$.taskId') = task.id) AS tasksWithTheirCharge`

/** Throws unless the file holds the tasks that were acknowledged, all of them and nothing else. */
function checkLedger(file, acknowledged, failed = 0) {
  const database = new Database(file)
  try {
    const integrity = database.pragma('integrity_check', { simple: true })
    const facts = database.prepare(FACTS).get()
    const { tasks, charges, charged, spent, drawn, tasksWithTheirCharge } = facts
    const right =
      integrity === 'ok' &&
      tasks === acknowledged &&
      tasksWithTheirCharge === acknowledged &&
      charges === acknowledged - failed &&
      spent === charged &&
      drawn === charged
    if (!right)
      throw new Error(`the ledger is wrong: ${JSON.stringify({ acknowledged, failed, integrity, ...facts })}`)
    return facts
  } finally {
    database.close()
  }
}

module.exports = { checkLedger }
