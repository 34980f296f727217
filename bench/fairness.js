'use strict'

/**
 * How long the app's own client waits for a write while media-credits is under full load: `createMediaTask`
 * with a cost from many callers.
 *
 *   npm run bench:fairness                 builds, installs bench/'s packages, then runs this file
 *   npm run bench:fairness -- --seconds 3
 *
 *   --seconds N    measured time per scenario (10), after a second of warm-up
 *   --period N     milliseconds from one write of the app's own client to the next (20)
 *   --callers N    concurrent calls of media-credits (64)
 *   --users N      users of 5 grants each (1000)
 *   --dir PATH     where the database files go (the temporary folder)
 *
 * The table goes to stdout. If the ledger is wrong after a run, or a write is lost, the benchmark fails.
 */

const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')

const Database = require('./better-sqlite3')
const { readOptions, runCommand, scratchFolder } = require('./command')
const { load } = require('./contestants')
const { measureFor, measureWhile, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { checkLedger } = require('./ledger')
const { describeMachine, machineLines } = require('./machine')
const { CLIENTS, OWN_ROW, write, writeElsewhere } = require('./neighbour')
const { copyDurably, seed } = require('./seed')
const { count, fixed, table } = require('./table')
const { newTask } = require('./work')

const WARM_UP_SECONDS = 1

const SCENARIOS = [
  { where: 'alone' },
  { client: 'better-sqlite3', where: 'another process' },
  { client: 'libsql', where: 'same process' },
]

const COLUMNS = [
  "the app's own client",
  'writes done',
  'wait p50 ms',
  'wait p99 ms',
  'worst wait ms',
  'refused (SQLITE_BUSY)',
  'media-credits tasks/s',
  'its latency p99 ms',
]

const NOTES =
  'A wait is from asking for a transaction until its commit is acknowledged. In the same process it blocks the event loop.'

/** Loads media-credits while the other client writes. Runs in its own process. */
async function measure({ client, where, file, seconds, periodMs, callers, users }) {
  const credits = await load('media-credits').open({ file, durability: 'full' })
  let created = 0
  const createTask = () => credits.createTask(newTask(created++, users))
  await measureFor(WARM_UP_SECONDS, callers, createTask)

  const run = { client, file, seconds, periodMs }
  const writeThere = where === 'same process' ? write : writeElsewhere
  let isOver = false
  const writing = (client ? writeThere(run) : sleep(seconds * 1000)).finally(() => (isOver = true))
  const { latencies, elapsedMs } = await measureWhile(() => !isOver, callers, createTask)
  const own = await writing
  await credits.close()
  const tasksPerSecond = (latencies.length / elapsedMs) * 1000
  return { acknowledged: created, own, tasksPerSecond, p99: percentile(latencies, 0.99) }
}

async function seedWithOwnRow(file, users) {
  await seed(file, users)
  const database = new Database(file)
  database
    .prepare("INSERT INTO user (id, name, email, free_trial_used) VALUES (?, 'n', 'n@example.com', 0)")
    .run(OWN_ROW)
  // The last connection that closes a file checkpoints its log.
  database.close()
}

function checkOwnRow(file, expected) {
  const database = new Database(file)
  const written = database.prepare('SELECT free_trial_used FROM user WHERE id = ?').pluck().get(OWN_ROW)
  database.close()
  if (written !== expected) throw new Error(`the app's client wrote ${expected} times, ${written} are there`)
}

function row({ client, where, own, tasksPerSecond, p99 }) {
  const name = client ? `${CLIENTS[client].title}, ${where}` : where
  const load = [count(tasksPerSecond), fixed(p99, 1)]
  if (!own) return [name, '', '', '', '', '', ...load]
  const { latencies, refused } = own
  const waits = [0.5, 0.99, 1].map((share) =>
    latencies.length ? fixed(percentile(latencies, share), 1) : '',
  )
  return [name, count(latencies.length), ...waits, count(refused), ...load]
}

async function main() {
  const options = readOptions({ seconds: 10, period: 20, callers: 64, users: 1000 })
  const { seconds, period: periodMs, callers, users, dir } = options
  const folder = scratchFolder(dir)
  const machine = describeMachine(folder)
  const seeded = path.join(folder, 'seeded.db')
  await seedWithOwnRow(seeded, users)

  const rows = []
  for (const [at, scenario] of SCENARIOS.entries()) {
    const file = copyDurably(seeded, path.join(folder, `${at}.db`))
    const run = { ...scenario, file, seconds, periodMs, callers, users }
    const result = await runForked(__filename, run, 'media-credits')
    checkLedger(file, result.acknowledged)
    if (result.own) checkOwnRow(file, result.own.latencies.length)
    rows.push(row({ ...scenario, ...result }))
  }
  const { version } = require('./node_modules/@libsql/client/package.json')
  const header = [
    `A write of the app's own client every ${periodMs} ms, beside ${callers} callers of createMediaTask.`,
    ...machineLines(machine),
    `${users} users, ${seconds} s a run, durability full. @libsql/client ${version}.`,
  ]
  process.stdout.write(`\n${header.join(' ')}\n\n${table(COLUMNS, rows)}\n\n${NOTES}\n`)
}

// The measuring process runs this file too.
if (process.send) answerParent(measure)
else runCommand(main)
