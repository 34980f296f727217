'use strict'

/**
 * The CPU time of the ledger's rules: calls whose database replies at once with recorded results. A call of the
 * app's client is recorded once and replayed.
 */

const { within } = require('..')
const { openLibsql } = require('./contestants/drizzle-libsql')
const { connectOnce } = require('./postgres-databases')
const { median, withRange } = require('./report')
const { onCopy } = require('./seed')
const { table } = require('./table')
const { COST, userId } = require('./work')

const ROUNDS = 5
const charge = (client) =>
  within(client).consumeCredits({ userId: userId(3), credits: COST, scene: 'payment' })

/** A client that records its statements and results. */
function recorder({ dialect, query }) {
  const record = []
  const recording = async (sql) => {
    const answer = await query(sql).then(
      (rows) => ({ rows }),
      (error) => ({ error }),
    )
    record.push({ sql, ...answer })
    if (answer.error) throw answer.error
    return answer.rows
  }
  return { client: { dialect, query: recording }, record }
}

/** The record of a process's second call: the first one has read the schema. */
async function recorded(client) {
  const recording = recorder(client)
  await charge(recording.client)
  recording.record.length = 0
  const { id } = await charge(recording.client)
  return { dialect: client.dialect, id, record: recording.record }
}

/** A client that replays a record. Each charge gets another id. */
function player({ dialect, id, record }) {
  const ID = new RegExp(id.replace(/[0-9a-f]/g, '[0-9a-f]'))
  const answers = record.map(({ rows, error }) => {
    const text = JSON.stringify(rows)
    return { rows, error, text: text?.includes(id) ? text : undefined }
  })
  let [at, ownId] = [0, id]
  const query = async (sql) => {
    const { rows, error, text } = answers[at++ % answers.length]
    if (error) throw error
    ownId = ID.exec(sql)?.[0] ?? ownId
    return text === undefined ? rows : JSON.parse(text.replaceAll(id, ownId))
  }
  return { dialect, query }
}

async function cpuMicroseconds(calls, call) {
  const before = process.cpuUsage()
  for (let at = 0; at < calls; at++) await call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

/** A table: for each dialect, microseconds per call, without the time of the replay. */
async function measureRules({ databases, seeded }, { calls }) {
  const copy = await databases.copy()
  const sql = connectOnce(copy.url)
  const ofPostgres = await sql.begin((tx) =>
    recorded({ dialect: 'postgres', query: async (statement) => [...(await tx.unsafe(statement))] }),
  )
  await sql.end()
  await copy.drop()
  const ofSqlite = await onCopy(seeded, 'rules', async (file) => {
    const { run, close } = await openLibsql({ file, durability: 'full' })
    const result = await run((tx) =>
      recorded({ dialect: 'sqlite', query: (statement) => tx.values(statement) }),
    )
    await close()
    return result
  })
  const rows = []
  for (const call of [ofPostgres, ofSqlite]) {
    const client = player(call)
    const play = async () => {
      for (const { sql } of call.record) await client.query(sql).catch(() => {})
    }
    const runs = []
    // First both are run until their code is compiled.
    await cpuMicroseconds(calls, play)
    await cpuMicroseconds(calls, () => charge(client))
    for (let round = 0; round < ROUNDS; round++) {
      const playing = await cpuMicroseconds(calls, play)
      const all = await cpuMicroseconds(calls, () => charge(client))
      runs.push({ playing, rules: all - playing })
    }
    rows.push([
      call.dialect,
      call.record.length,
      withRange(runs, ({ rules }) => rules),
      Math.round(median(runs, ({ playing }) => playing)),
    ])
  }
  const title = `Processor time of \`within(tx).consumeCredits\` without a database and its client, ${calls} calls a round:`
  return `${title}\n\n${table(['dialect', 'statements', 'us a call', 'taken off: us for playing'], rows)}`
}

module.exports = { measureRules }
