'use strict'

/**
 * `within(tx).consumeCredits` beside the same work by hand: a transaction of the app, with Drizzle, writes an order and
 * charges for it.
 *
 *   npm run bench:transactions                builds, installs bench/'s packages, then runs this file
 *   npm run bench:transactions -- --quick     one round of one second, to try it out
 *   npm run bench:transactions -- --rules     the CPU time of the ledger's rules: see rules.js
 *
 *   --seconds N     measured time per contestant, scenario and round (5), after a second of warm-up
 *   --rounds N      the figures are medians over the rounds (5); every second one runs in reverse order
 *   --users N       users of 5 grants each (1000)
 *   --only NAMES    some of many,network,one,libsql: the scenarios
 *   --calls N       with --rules: how many calls per round (20000)
 *   --dir PATH      where the databases are: its disk decides what a commit costs (the temporary folder)
 *
 * "By hand" is bench/contestants/drizzle-models.js: the app's own model, corrected. The tables go to stdout, progress
 * to stderr. If the ledger is wrong after a run, the benchmark fails.
 */

const path = require('node:path')

const { startProxy } = require('../__test__/helpers/proxy')
const { start } = require('../scripts/test-postgres')
const { readScenarios, runCommand, scratchFolder } = require('./command')
const { ORDER_CONTESTANTS } = require('./contestants')
const { createOrders } = require('./contestants/orders')
const { runContestant } = require('./contestant-process')
const { checkLedger } = require('./ledger')
const { describeMachine, machineLines } = require('./machine')
const { Databases } = require('./postgres-databases')
const { median, rateWithRange, tasksPerSecond } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { measureRules } = require('./rules')
const { GRANTS_OF_A_USER, onCopy, seed } = require('./seed')
const { fixed, table } = require('./table')
const { COST } = require('./work')

const POOL_SIZE = 10
const BASE = 'order-drizzle'
/** It charges nothing: the baseline of all others. */
const ALONE = 'order-alone'
const NAMES = Object.keys(ORDER_CONTESTANTS)

const SCENARIOS = {
  many: { title: 'PostgreSQL, 16 callers', callers: 16 },
  network: { title: 'PostgreSQL, 16 callers, 2 ms more a round trip', callers: 16, delayMs: 2 },
  one: { title: 'PostgreSQL, 1 caller', callers: 1 },
  libsql: { title: 'SQLite, libSQL, durability full, 1 caller', callers: 1, isSqlite: true },
}

const COLUMNS = [
  'an order, and its charge',
  'orders/s (slowest–fastest round)',
  'ratio to Drizzle',
  'latency p50 ms',
  'latency p99 ms',
  "client's CPU ms an order",
  'round trips of a charge',
]

class Bench {
  constructor(options) {
    this.options = options
  }

  async open() {
    const { dir, users } = this.options
    const folder = scratchFolder(dir)
    this.machine = describeMachine(folder)
    // The server's folder is created in the temporary one.
    process.env.TMPDIR = dir
    this.server = await start({ fsync: true })
    this.proxy = await startProxy(this.server.url)
    this.databases = new Databases(this.server.url)
    await this.databases.seed(users, createOrders('timestamp'))
    this.seeded = path.join(folder, 'seeded.db')
    await seed(this.seeded, users, createOrders('integer'))
  }

  async close() {
    await this.databases.close()
    await this.proxy.stop()
    await this.server.stop()
  }

  /** A run of one contestant, on its own copy of a seeded database. */
  async runOnce(name, scenario) {
    const { seconds, users } = this.options
    const run = { name, users, seconds, warmUpSeconds: WARM_UP_SECONDS, ...scenario }
    const { isSqlite, callers, delayMs } = scenario
    const isCharged = name !== ALONE
    if (isSqlite) {
      return onCopy(this.seeded, name, async (file) => {
        const result = await runContestant({ ...run, callers, file, durability: 'full' })
        if (isCharged) checkLedger(file, result.acknowledged, { what: 'orders' })
        return result
      })
    }
    const database = await this.databases.copy()
    const url = delayMs ? this.proxy.through(database.url) : database.url
    this.proxy.delayMs = delayMs ?? 0
    const result = await runContestant({ ...run, url, poolSize: POOL_SIZE })
    if (isCharged) await database.checkLedger(result.acknowledged, 'orders')
    await database.drop()
    return result
  }

  /** How often each contestant waits for the server during one order, on an open connection. */
  async roundTrips(scenario) {
    const counted = {}
    for (const name of NAMES) {
      this.proxy.resetRoundTrips()
      // With a delay, the proxy sees whether a client waits for a reply.
      const { acknowledged } = await this.runOnce(name, { ...scenario, callers: 1, delayMs: 4 })
      counted[name] = this.proxy.roundTrips().total / acknowledged
    }
    return counted
  }

  async section(scenario) {
    process.stderr.write(`${scenario.title}\n`)
    const trips = scenario.isSqlite ? undefined : await this.roundTrips(scenario)
    const results = await runRounds(NAMES, this.options.rounds, (name) => this.runOnce(name, scenario))
    const base = median(results[BASE], tasksPerSecond)
    const rows = NAMES.map((name) => {
      const runs = results[name]
      const middle = (figure, digits) => fixed(median(runs, figure), digits)
      return [
        ORDER_CONTESTANTS[name].title,
        rateWithRange(runs),
        fixed(median(runs, tasksPerSecond) / base, 2),
        middle((run) => run.p50, 2),
        middle((run) => run.p99, 2),
        middle((run) => run.cpuMsPerTask, 3),
        trips ? fixed(trips[name] - trips[ALONE], 1) : '',
      ]
    })
    return `${scenario.title}:\n\n${table(COLUMNS, rows)}`
  }

  async header() {
    const { seconds, rounds, users, rules } = this.options
    const lines = [
      `An order and a charge of ${COST} credits in one transaction of the app's.`,
      ...machineLines(this.machine),
      await this.databases.describe(),
      `${users} users of ${GRANTS_OF_A_USER} grants.`,
    ]
    if (!rules) {
      lines.push(`Pool of ${POOL_SIZE}; ${seconds} s a run, median of ${rounds} rounds in both orders.`)
    }
    return lines.join(' ')
  }
}

const NOTES = [
  'Drizzle prepares no statement of its own over postgres.js, which then asks for the types of the parameters first: a round',
  'trip more for each statement that has some. The round trips are those of an order less those of an order alone. After each run the ledger',
  'was checked: every order has its charge, and what was charged is what was drawn.',
].join(' ')

async function main() {
  const { scenarios, ...options } = readScenarios(SCENARIOS, {
    seconds: 5,
    rounds: 5,
    calls: 20_000,
    rules: false,
  })
  const bench = new Bench(options)
  await bench.open()
  const parts = [await bench.header()]
  if (options.rules) {
    parts.push(await measureRules(bench, options))
  } else {
    for (const scenario of scenarios) parts.push(await bench.section(scenario))
    parts.push(NOTES)
  }
  process.stdout.write(`\n${parts.join('\n\n')}\n`)
  await bench.close()
}

runCommand(main)
