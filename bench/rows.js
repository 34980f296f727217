'use strict'

/**
 * How durations grow with the tables: charges, balances and audits over a hundred thousand, a million and ten million rows of
 * `credit`. Each charge has another user, so no cache helps.
 *
 *   npm run bench -- --rows                builds, installs bench/'s packages, then runs this file
 *   npm run bench -- --rows --storage postgres --most 1000000
 *
 *   --most N        the maximum number of rows of `credit` (10000000): 9 GB of disk
 *   --seconds N     measured time of charges per round (3), after a second of warm-up
 *   --rounds N      rounds of charges and audits (3)
 *   --storage NAME  sqlite or postgres (sqlite)
 *   --dir PATH      where the files go (the temporary folder)
 *
 * The table goes to stdout, progress to stderr.
 */

const fs = require('node:fs')
const path = require('node:path')

const { connect } = require('..')
const Database = require('./better-sqlite3')
const { UsageError, readOptions, runCommand, scratchFolder } = require('./command')
const { measureFor, measureWhile, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { describeMachine, machineLines } = require('./machine')
const { ROWS_OF_A_USER, bookStatements } = require('./many-rows')
const { connectOnce } = require('./postgres-databases')
const { withRange } = require('./report')
const { WARM_UP_SECONDS } = require('./rounds')
const { count, fixed, mib, table } = require('./table')
const { COST, newTask, userId } = require('./work')

const STEPS = [100_000, 1_000_000, 10_000_000]
const CALLERS = 64
const BALANCES = 5000
const WATCH_MS = 50
/** A prime, so that it reaches every user. */
const STRIDE = 7919

/** Runs in its own process, so that its memory is the engine's. */
async function measure({ what, url, users, seconds }) {
  const credits = connect({ url })
  // Not the system's maximum: a forked process inherits that of its parent.
  let rss = 0
  const watch = setInterval(() => (rss = Math.max(rss, process.memoryUsage.rss())), WATCH_MS)
  const result = await { audit, balances, charges }[what](credits, users, seconds)
  clearInterval(watch)
  await credits.close()
  return { ...result, rss }
}

async function charges(credits, users, seconds) {
  let asked = Number(process.hrtime.bigint() % BigInt(users))
  const call = () => credits.createMediaTask(newTask(asked++, users), COST)
  await measureFor(WARM_UP_SECONDS, CALLERS, call)
  const { latencies, elapsedMs } = await measureFor(seconds, CALLERS, call)
  return { rate: (latencies.length / elapsedMs) * 1000, p99: percentile(latencies, 0.99) }
}

async function balances(credits, users) {
  let asked = 0
  let left = BALANCES
  const ask = () => credits.getRemainingCredits(userId((asked++ * STRIDE) % users))
  await measureWhile(() => left-- > 0, 1, ask)
  left = BALANCES
  const { latencies } = await measureWhile(() => left-- > 0, 1, ask)
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

async function audit(credits) {
  const start = performance.now()
  for await (const finding of credits.auditLedger()) throw new Error(finding.message)
  return { seconds: (performance.now() - start) / 1000 }
}

/** For each kind of storage: where its databases are, and how one is created. */
const STORAGES = {
  sqlite: async (folder) => ({
    make: async (users) => {
      const file = path.join(folder, `rows-${users}.db`)
      const url = `file:${file}`
      await makeTables(url)
      const database = new Database(file)
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = OFF')
      database.pragma('cache_size = -1000000')
      database.pragma('foreign_keys = OFF')
      for (const statement of bookStatements('sqlite', users)) database.exec(statement)
      database.pragma('wal_checkpoint(TRUNCATE)')
      database.close()
      const descriptor = fs.openSync(file, 'r+')
      fs.fsyncSync(descriptor)
      fs.closeSync(descriptor)
      return { url, bytes: fs.statSync(file).size, drop: () => fs.rmSync(file) }
    },
    stop: async () => {},
  }),
  postgres: async (_, dir) => {
    // The server's folder is created in the temporary one.
    process.env.TMPDIR = dir
    const { start } = require('../scripts/test-postgres')
    const server = await start({ fsync: true })
    const admin = connectOnce(server.url)
    return {
      make: async (users) => {
        const name = `rows_${users}`
        await admin.unsafe(`CREATE DATABASE ${name}`)
        const url = new URL(server.url)
        url.pathname = `/${name}`
        await makeTables(url.href)
        const client = connectOnce(url.href)
        await client.unsafe('SET session_replication_role = replica')
        for (const statement of bookStatements('postgres', users)) await client.unsafe(statement)
        await client.unsafe('VACUUM ANALYZE')
        await client.unsafe('CHECKPOINT')
        const [{ bytes }] = await client.unsafe(`SELECT pg_database_size('${name}') AS bytes`)
        await client.end()
        return {
          url: url.href,
          bytes: Number(bytes),
          drop: () => admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`),
        }
      },
      stop: async () => {
        await admin.end()
        await server.stop()
      },
    }
  },
}

async function makeTables(url) {
  const credits = connect({ url })
  await credits.createTables()
  await credits.close()
}

/** All figures for one number of users. */
async function measureAll(storage, users, { seconds, rounds }) {
  const database = await storage.make(users)
  const run = (what) => runForked(__filename, { what, url: database.url, users, seconds }, what)
  const figures = { users, bytes: database.bytes, charges: [], audits: [] }
  figures.balances = await run('balances')
  for (let round = 0; round < rounds; round++) {
    figures.audits.push(await run('audit'))
    figures.charges.push(await run('charges'))
    process.stderr.write(
      `${count(users * ROWS_OF_A_USER)} rows: ${Math.round(figures.charges.at(-1).rate)}/s\n`,
    )
  }
  await database.drop()
  return figures
}

function report(options, machine, all) {
  const columns = [
    'rows of credit',
    'GB',
    'tasks/s',
    'p99 ms',
    'balance p50 ms',
    'balance p99 ms',
    'audit s',
    'its MiB',
  ]
  const rows = all.map(({ users, bytes, charges, audits, balances }) => [
    count(users * ROWS_OF_A_USER),
    fixed(bytes / 1e9, 2),
    withRange(charges, ({ rate }) => rate),
    withRange(charges, ({ p99 }) => p99),
    fixed(balances.p50, 2),
    fixed(balances.p99, 2),
    audits.map((audit) => fixed(audit.seconds, 1)).join(', '),
    mib(Math.max(...audits.map(({ rss }) => rss))),
  ])
  const header = [
    `Charges of ${CALLERS} callers, each of another user, over ${options.storage}; ${options.seconds} s a run, median of`,
    `${options.rounds} rounds, and the range. Durability full.`,
    ...machineLines(machine),
  ]
  return `\n${header.join(' ')}\n\n${table(columns, rows)}\n`
}

async function main() {
  const options = readOptions({
    seconds: 3,
    rounds: 3,
    most: STEPS.at(-1),
    storage: 'sqlite',
    rows: true,
  })
  if (!Object.hasOwn(STORAGES, options.storage)) {
    throw new UsageError(`--storage: ${options.storage} is none of ${Object.keys(STORAGES)}`)
  }
  const folder = scratchFolder(options.dir)
  const machine = describeMachine(folder)
  const storage = await STORAGES[options.storage](folder, options.dir)
  const all = []
  for (const rows of STEPS.filter((rows) => rows <= options.most)) {
    all.push(await measureAll(storage, rows / ROWS_OF_A_USER, options))
  }
  process.stdout.write(report(options, machine, all))
  await storage.stop()
}

if (process.argv[2]?.startsWith('{')) answerParent(measure)
else runCommand(main)
