'use strict'

/**
 * Submits over HTTP: the example app's own route, built by `next build` and run by `next start`, with this package,
 * with the app's own models, corrected, on its own client (Drizzle on libSQL), or with models that do nothing, as a floor.
 * The apps differ only in `src/shared/models/`: the others have the files of bench/next/models and bench/next/floor.
 *
 *   npm run bench:next
 *   npm run bench:next -- --seconds 8 --rounds 5 --connections 64 --users 1000 --dir PATH
 *
 * The load comes from autocannon, on the same machine, and posts what the page posts. The work of a task
 * stays in the first step of the mock provider. After each run the ledger is checked.
 */

const { randomUUID } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const autocannon = require('autocannon')
const { build, copyTo, environment, install, makeTables, next } = require('../scripts/example')
const { assertEngines, freePort, serving } = require('../scripts/serving')
const Database = require('./better-sqlite3')
const { readOptions, runCommand, scratchFolder } = require('./command')
const { CONTESTANTS } = require('./contestants')
const { checkLedger } = require('./ledger')
const { describeMachine, machineLines } = require('./machine')
const { median, rateWithRange, tasksPerSecond, withRange } = require('./report')
const { runRounds } = require('./rounds')
const { copyDurably } = require('./seed')
const { fixed, table } = require('./table')

const titles = (contestants) =>
  Object.fromEntries(Object.entries(contestants).map(([name, { title }]) => [name, title]))

/** How many engines of this package each server has. */
const ENGINES = { 'media-credits': 1, 'drizzle-libsql': 0, floor: 0 }
const NAMES = Object.keys(ENGINES)
const TITLES = { ...titles(CONTESTANTS), floor: 'models that do nothing: the floor' }
/** The models of the other apps. */
const MODELS = { 'drizzle-libsql': 'next/models', floor: 'next/floor' }
/** The modules that the second app's models use, and their folder in it. */
const BENCH = 'src/bench'
const PARTS = [
  'work.js',
  'contestants/drizzle-models.js',
  'contestants/drizzle-schema.js',
  'contestants/drizzle-sqlite.js',
]

/** Longer than in the other benchmarks, because the server has to warm up a route. */
const WARM_UP_SECONDS = 5
/** More than a run can spend. */
const CREDITS_OF_A_GRANT = 1_000_000
const HOUR_MS = 3_600_000

async function main() {
  const options = readOptions({ seconds: 8, rounds: 5, connections: 64, users: 1000 })
  const folder = scratchFolder(options.dir)
  const machine = describeMachine(folder)
  const apps = await buildApps(folder)
  const seeded = path.join(folder, 'seeded.db')
  const cookies = await signUp(apps['media-credits'], seeded, options.users)
  const results = await runRounds(NAMES, options.rounds, (name) =>
    runOnce(name, apps[name], seeded, { ...options, cookies }),
  )
  process.stdout.write(report(machine, options, results))
}

async function buildApps(folder) {
  const apps = Object.fromEntries(NAMES.map((name) => [name, path.join(folder, name)]))
  const { 'media-credits': ours, 'drizzle-libsql': theirs } = apps
  copyTo(ours)
  install(ours)
  for (const [name, models] of Object.entries(MODELS)) {
    fs.cpSync(ours, apps[name], { recursive: true, verbatimSymlinks: true })
    fs.cpSync(path.join(__dirname, models), path.join(apps[name], 'src/shared/models'), { recursive: true })
  }
  for (const part of PARTS) fs.cpSync(path.join(__dirname, part), path.join(theirs, BENCH, part))
  // The app's own files are ES modules.
  fs.writeFileSync(path.join(theirs, BENCH, 'package.json'), '{ "type": "commonjs" }\n')
  for (const app of Object.values(apps)) await build(app)
  return apps
}

/** Creates users as the app does, with more credits, and on a plan without limits. Resolves to their cookies. */
async function signUp(app, file, users) {
  makeTables(app, environment(`file:${file}`))
  const cookies = await served(app, file, async (url) => {
    const signedUp = []
    while (signedUp.length < users) {
      const response = await fetch(`${url}/api/user/sign-up`, { method: 'POST' })
      signedUp.push(response.headers.getSetCookie()[0].split(';')[0])
    }
    return signedUp
  })
  const database = new Database(file)
  database
    .prepare('UPDATE credit SET credits = @many, remaining_credits = @many')
    .run({ many: CREDITS_OF_A_GRANT })
  // No task of a run ends, and submits are measured, not rejections.
  database.prepare("UPDATE user SET plan_type = 'pro'").run()
  // Into the main file, which is the one that is copied.
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
  return cookies
}

/** Runs the app on a database during `work`. The provider's first step lasts longer than a run. */
async function served(app, file, work) {
  const port = await freePort()
  const env = environment(`file:${file}`, { PROVIDER_STEP_MS: `${HOUR_MS}` })
  const stdio = ['ignore', 'ignore', 'inherit']
  const server = next(app, 'start', ['--port', port], { env, stdio })
  return serving(server, port, (url) => work(url, server))
}

/** A run of one contestant, on its own copy of the seeded file. */
async function runOnce(name, app, seeded, { connections, cookies, seconds }) {
  const folder = fs.mkdtempSync(path.join(path.dirname(seeded), 'run-'))
  const file = copyDurably(seeded, path.join(folder, 'bench.db'))
  const acknowledged = []
  const figures = await served(app, file, async (url, server) => {
    const load = (connections, duration) => submit(url, { connections, cookies, duration, acknowledged })
    // First a single request: when the app's client is loaded, Node looks up the host names of all addresses that
    // the server talks to (`process.report`), which takes seconds with many connections.
    await load(1, 1)
    await load(connections, WARM_UP_SECONDS)
    const figures = await load(connections, seconds)
    assertEngines(server.pid, ENGINES[name])
    return figures
  })
  // After each load, each connection may have an unanswered request.
  if (name !== 'floor') checkTasks(file, acknowledged, 1 + 2 * connections)
  fs.rmSync(folder, { recursive: true })
  return figures
}

/** Posts what the page posts, for different users in turn, and collects the ids of the confirmed tasks. */
async function submit(url, { connections, cookies, duration, acknowledged }) {
  const STRIDE = 7919 // a prime, so that it meets every user
  const refusals = []
  const before = acknowledged.length
  let number = 0
  const setupRequest = (request) => {
    const headers = {
      'Content-Type': 'application/json',
      Cookie: cookies[(number++ * STRIDE) % cookies.length],
      'Idempotency-Key': randomUUID(),
    }
    const body = JSON.stringify({ url: 'https://youtu.be/two-clocks', outputType: 'subtitle' })
    return { ...request, headers, body }
  }
  const onResponse = (status, body) => {
    const { message, data } = status === 200 ? JSON.parse(body) : { message: body }
    if (message === 'ok') acknowledged.push(data.id)
    else refusals.push(message)
  }
  const requests = [{ method: 'POST', path: '/api/media/submit', setupRequest, onResponse }]
  const {
    latency,
    errors,
    duration: elapsed,
  } = await autocannon({ url, connections, duration, requests, timeout: 30 })
  if (errors + refusals.length > 0)
    throw new Error(`${errors} requests failed, refused: ${[...new Set(refusals)]}`)
  return { tasksPerSecond: (acknowledged.length - before) / elapsed, p50: latency.p50, p99: latency.p99 }
}

/** Throws unless all confirmed tasks exist, with few others, and the ledger is consistent. */
function checkTasks(file, acknowledged, mostUnheard) {
  const database = new Database(file)
  const tasks = new Set(database.prepare('SELECT id FROM media_tasks').pluck().all())
  database.close()
  const lost = acknowledged.filter((id) => !tasks.has(id))
  if (lost.length > 0) throw new Error(`${lost.length} tasks were acknowledged and are not there`)
  const unheard = tasks.size - acknowledged.length
  if (unheard > mostUnheard) throw new Error(`${unheard} tasks are there that were never acknowledged`)
  checkLedger(file, tasks.size)
}

function report(machine, options, results) {
  const { connections, seconds, rounds, users } = options
  const header = [
    `POST /api/media/submit to \`next start\`, connections: ${connections}, users: ${users}, durability full, WAL.`,
    ...machineLines(machine),
    `autocannon on the same machine, ${seconds} s a run after ${WARM_UP_SECONDS} s of warm-up, median of ${rounds} rounds in both orders.`,
  ].join(' ')
  const base = median(results['drizzle-libsql'], tasksPerSecond)
  const floor = median(results.floor, tasksPerSecond)
  const rows = NAMES.map((name) => [
    TITLES[name],
    rateWithRange(results[name]),
    fixed(median(results[name], tasksPerSecond) / base, 2),
    fixed(median(results[name], tasksPerSecond) / floor, 2),
    withRange(results[name], ({ p50 }) => p50),
    withRange(results[name], ({ p99 }) => p99),
  ])
  const columns = [
    'models',
    'submits/s (slowest–fastest round)',
    'ratio',
    'of the floor',
    'latency p50 ms',
    'latency p99 ms',
  ]
  return `\n${header}\n\n${table(columns, rows)}\n`
}

runCommand(main)
