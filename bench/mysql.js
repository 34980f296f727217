'use strict'

/**
 * `createMediaTask` over MySQL, beside its alternatives, on a separate MariaDB server with durable commits.
 *
 *   npm run bench -- --mysql            builds, installs bench/'s packages, then runs this file
 *   npm run bench -- --mysql --quick    one round of one second, to try it out
 *
 *   --seconds N     measured time per contestant, scenario and round (5), after a second of warm-up
 *   --rounds N      the figures are medians over the rounds (3); every second one runs in reverse order
 *   --users N       users of 5 grants each, except in the scenario hot (1000)
 *   --only NAMES    some of main,far,hot,alone: the scenarios
 *   --dir PATH      where the server keeps its data: its disk decides what a commit costs (the temporary folder)
 *
 * The tables go to stdout, progress to stderr. If the ledger is wrong after a run, the benchmark fails.
 */

const { startProxy } = require('../__test__/helpers/proxy')
const { start } = require('../scripts/mariadb')
const { readScenarios, runCommand, scratchFolder } = require('./command')
const { MYSQL_CONTESTANTS } = require('./contestants')
const { runContestant } = require('./contestant-process')
const { medianMs } = require('./drive')
const { describeMachine, machineLines } = require('./machine')
const { Databases, connectOnce } = require('./mysql-databases')
const { comparison } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { GRANTS_OF_A_USER } = require('./seed')
const { fixed } = require('./table')
const { COST } = require('./work')

const POOL_SIZE = 10
const DELAY_MS = 20

const SCENARIOS = {
  main: { title: '64 callers', callers: 64 },
  far: { title: `64 callers, ${DELAY_MS} ms more a round trip`, callers: 64, delayMs: DELAY_MS },
  hot: { title: '16 callers', callers: 16, users: 1 },
  alone: { title: '1 caller', callers: 1 },
}

const BASE = 'mysql2'

/** A run of one contestant, on its own database. */
async function runOnce(name, databases, proxy, { seconds, callers, users, delayMs = 0 }) {
  const database = await databases.create(users)
  proxy.delayMs = delayMs
  const url = delayMs ? proxy.through(database.url) : database.url
  const run = { name, url, poolSize: POOL_SIZE, callers, users, seconds, warmUpSeconds: WARM_UP_SECONDS }
  const result = await runContestant({ ...run, countErrors: true })
  await database.checkLedger(result.acknowledged)
  await database.drop()
  return result
}

/** The duration of a statement without a table, on an open connection. */
async function roundTripMs(url) {
  const client = await connectOnce(url)
  return medianMs(() => client.query('SELECT 1')).finally(() => client.end())
}

async function main() {
  const { seconds, rounds, scenarios, dir } = readScenarios(SCENARIOS, { seconds: 5, rounds: 3, mysql: true })
  const machine = describeMachine(scratchFolder(dir))
  // The server's folder is created in the temporary one.
  process.env.TMPDIR = dir
  const server = await start({ durable: true })
  const proxy = await startProxy(server.url)
  const databases = new Databases(server.url)
  const near = await roundTripMs(server.url)
  proxy.delayMs = DELAY_MS
  const far = await roundTripMs(proxy.url)
  const header = [
    `createMediaTask over MySQL, ${COST} credits each.`,
    ...machineLines(machine),
    await databases.describe(),
    `Users have ${GRANTS_OF_A_USER} grants; ${seconds} s a run, median of ${rounds} rounds in both orders.`,
    `A round trip takes ${fixed(near, 2)} ms; ${DELAY_MS} ms more are added by a proxy that holds back what`,
    `the client sends: ${fixed(far, 2)} ms.`,
  ]
  const sections = []
  for (const scenario of scenarios) {
    const titled = `${scenario.title}, ${scenario.users} ${scenario.users === 1 ? 'user' : 'users'}, pool of ${POOL_SIZE}`
    process.stderr.write(`${titled}\n`)
    const names = Object.keys(MYSQL_CONTESTANTS)
    const results = await runRounds(names, rounds, (name) =>
      runOnce(name, databases, proxy, { seconds, ...scenario }),
    )
    sections.push(comparison(titled, results, BASE, MYSQL_CONTESTANTS))
  }
  process.stdout.write(`\n${[header.join(' '), ...sections, NOTES].join('\n\n')}\n`)
  await databases.close()
  await proxy.stop()
  await server.stop()
}

const NOTES = [
  'Latency counts from when a caller asks. The worst wait is that of all rounds, and so are the errors.',
  'After each run the ledger was checked: every acknowledged task has its charge, and what was charged is what was drawn.',
].join(' ')

runCommand(main)
