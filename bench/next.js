'use strict'

/**
 * Submits over HTTP: the same route in the example app, built by `next build` and run by `next start`, with this
 * package or with what the app has, Drizzle on libSQL, put right.
 *
 *   npm run bench:next
 *   npm run bench:next -- --seconds 10 --rounds 3 --connections 64 --users 1000 --dir PATH
 *
 * The load comes from autocannon, on the same machine. After each run the ledger is checked.
 */

const fs = require('node:fs')
const path = require('node:path')

const autocannon = require('autocannon')
const { copyTo, install, next } = require('../scripts/example')
const { ended, freePort, serving, until } = require('../scripts/serving')
const { readOptions, runCommand, scratchFolder } = require('./command')
const { CONTESTANTS } = require('./contestants')
const { checkLedger } = require('./ledger')
const { describeMachine, machineLines } = require('./machine')
const { median, rateWithRange, tasksPerSecond } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { copyDurably, seed } = require('./seed')
const { count, fixed, table } = require('./table')
const { userId } = require('./work')

const NAMES = ['media-credits', 'drizzle-libsql']
const ROUTE = 'src/app/api/bench/route.ts'

async function main() {
  const options = readOptions({ seconds: 10, rounds: 3, connections: 64, users: 1000 })
  const folder = scratchFolder(options.dir)
  const machine = describeMachine(folder)
  const seeded = path.join(folder, 'seeded.db')
  await seed(seeded, options.users)
  const app = await buildApp(path.join(folder, 'app'))
  const results = await runRounds(NAMES, options.rounds, (name) => runOnce(name, app, seeded, options))
  process.stdout.write(report(machine, options, results))
}

/** The example with one more route. */
async function buildApp(folder) {
  copyTo(folder)
  fs.mkdirSync(path.join(folder, path.dirname(ROUTE)), { recursive: true })
  fs.copyFileSync(path.join(__dirname, 'next/route.ts'), path.join(folder, ROUTE))
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
  install(folder)
  const building = next(folder, 'build', [], quiet)
  if ((await ended(building)) !== 0) throw new Error('next build failed')
  return folder
}

/** One run of one contestant, on its own copy of the seeded file. */
async function runOnce(name, app, seeded, { connections, seconds, users }) {
  const folder = fs.mkdtempSync(path.join(path.dirname(seeded), `${name}-`))
  const file = copyDurably(seeded, path.join(folder, 'bench.db'))
  const port = await freePort()
  const env = {
    ...process.env,
    BENCH_CONTESTANT: name,
    BENCH_FILE: file,
    NODE_OPTIONS: `--require ${path.join(__dirname, 'next/preload.js')}`,
  }
  const server = next(app, 'start', ['--port', port], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const result = await serving(server, port, async (url) => {
    const load = (duration) => submit(`${url}/api/bench`, { connections, duration, users })
    await load(WARM_UP_SECONDS)
    const figures = await load(seconds)
    return { ...figures, created: await allCreated(`${url}/api/bench`) }
  })
  checkLedger(file, result.created)
  fs.rmSync(folder, { recursive: true, force: true })
  return result
}

/** How many tasks there are when those are done that nobody waits for any more. */
async function allCreated(url) {
  return until('every request is done', async () => {
    const response = await fetch(url)
    const { asked, created } = await response.json()
    return asked === created && created
  })
}

async function submit(url, { connections, duration, users }) {
  let number = 0
  const setupRequest = (request) => {
    const body = {
      userId: userId((number++ * 7919) % users),
      url: 'https://youtu.be/x',
      outputType: 'subtitle',
    }
    return { ...request, body: JSON.stringify(body) }
  }
  const requests = [{ method: 'POST', headers: { 'content-type': 'application/json' }, setupRequest }]
  let acknowledged = 0
  const load = autocannon({ url, connections, duration, requests })
  load.on('response', (_client, status) => (acknowledged += status === 200))
  const { latency, errors, timeouts, non2xx, ...figures } = await load
  if (errors + timeouts + non2xx > 0) throw new Error(`${errors + timeouts + non2xx} requests failed`)
  return { tasksPerSecond: acknowledged / figures.duration, p50: latency.p50, p99: latency.p99 }
}

function report(machine, options, results) {
  const { connections, seconds, rounds, users } = options
  const header = [
    `POST of a submit to \`next start\`, ${connections} connections, ${users} users, durability full, WAL.`,
    ...machineLines(machine),
    `autocannon on the same machine, ${seconds} s a run, median of ${rounds} rounds in both orders.`,
  ].join(' ')
  const base = median(results['drizzle-libsql'], tasksPerSecond)
  const rows = NAMES.map((name) => {
    const rate = median(results[name], tasksPerSecond)
    const middle = (figure) => count(median(results[name], figure))
    return [
      CONTESTANTS[name].title,
      rateWithRange(results[name]),
      fixed(rate / base, 2),
      middle(({ p50 }) => p50),
      middle(({ p99 }) => p99),
    ]
  })
  const columns = [
    'contestant',
    'submits/s (slowest–fastest round)',
    'ratio',
    'latency p50 ms',
    'latency p99 ms',
  ]
  return `\n${header}\n\n${table(columns, rows)}\n`
}

runCommand(main)
