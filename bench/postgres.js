'use strict'

/**
 * `createMediaTask` over PostgreSQL, beside its alternatives, on a separate server with fsync and otherwise default
 * settings.
 *
 *   npm run bench -- --postgres            builds, installs bench/'s packages, then runs this file
 *   npm run bench -- --postgres --quick    one round of one second, to try it out
 *
 *   --seconds N     measured time per contestant, scenario and round (5), after a second of warm-up
 *   --rounds N      the figures are medians over the rounds (5); every second one runs in reverse order
 *   --users N       users of 5 grants each, except in the scenario hot (1000)
 *   --only NAMES    some of main,hot,pool,far,alone: the scenarios
 *   --dir PATH      where the server keeps its data: its disk decides what a commit costs (the temporary folder)
 *
 * The tables go to stdout, progress to stderr. If the ledger is wrong after a run, the benchmark fails.
 */

const { startProxy } = require('../__test__/helpers/proxy')
const { start } = require('../scripts/test-postgres')
const { readScenarios, runCommand, scratchFolder } = require('./command')
const { POSTGRES_CONTESTANTS } = require('./contestants')
const { runContestant } = require('./contestant-process')
const { medianMs } = require('./drive')
const { describeMachine, machineLines } = require('./machine')
const { PGBENCH, initializePgbench, runPgbench } = require('./pgbench')
const { Databases, connectOnce } = require('./postgres-databases')
const { comparison, median, rateWithRange, tasksPerSecond } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { GRANTS_OF_A_USER } = require('./seed')
const { fixed } = require('./table')
const { COST } = require('./work')

const POOL_SIZE = 10
const DELAY_MS = 2

const SCENARIOS = {
  main: { title: '64 callers', callers: 64, withPgbench: true },
  hot: { title: '16 callers', callers: 16, users: 1 },
  pool: { title: '32 callers', callers: 32 },
  far: { title: `64 callers, ${DELAY_MS} ms more a round trip`, callers: 64, delayMs: DELAY_MS },
  alone: { title: '1 caller', callers: 1 },
}

const BASE = 'drizzle-postgres'

/** A run of one contestant, on its own copy of the seeded database. */
async function runOnce(name, databases, proxy, { seconds, callers, users, delayMs }) {
  const database = await databases.copy()
  const url = delayMs ? proxy.through(database.url) : database.url
  const run = { name, url, poolSize: POOL_SIZE, callers, users, seconds, warmUpSeconds: WARM_UP_SECONDS }
  const result = await runContestant({ ...run, countErrors: true })
  await database.checkLedger(result.acknowledged)
  await database.drop()
  return result
}

/** A scenario's table, with the yardstick. */
function section({ title, users }, results) {
  const { [PGBENCH]: yardstick, ...contestants } = results
  const titled = `${title}, ${users} ${users === 1 ? 'user' : 'users'}, pool of ${POOL_SIZE}`
  const lines = [comparison(titled, contestants, BASE, POSTGRES_CONTESTANTS)]
  if (yardstick) lines.push('', pgbenchLine(yardstick, contestants))
  return lines.join('\n')
}

function pgbenchLine(yardstick, contestants) {
  const own = median(contestants['media-credits'], tasksPerSecond)
  const ratio = fixed(own / median(yardstick, tasksPerSecond), 2)
  return `${PGBENCH}: ${rateWithRange(yardstick)} transactions/s; media-credits has ${ratio} of that.`
}

/** The duration of a statement without a table, on an open connection. */
async function roundTripMs(url) {
  const client = connectOnce(url)
  return medianMs(() => client.unsafe('SELECT 1')).finally(() => client.end())
}

async function main() {
  const { seconds, rounds, users, scenarios, dir } = readScenarios(SCENARIOS, {
    seconds: 5,
    rounds: 5,
    postgres: true,
  })
  const machine = describeMachine(scratchFolder(dir))
  // The server's folder is created in the temporary one.
  process.env.TMPDIR = dir
  const server = await start({ fsync: true })
  const proxy = await startProxy(server.url)
  const databases = new Databases(server.url)
  await databases.seed(users)
  const pgbench = await initializePgbench(databases)

  const far = async () => {
    proxy.delayMs = DELAY_MS
    return roundTripMs(proxy.url)
  }
  const [near, delayed] = [await roundTripMs(server.url), await far()]
  const header = [
    `createMediaTask over PostgreSQL, ${COST} credits each.`,
    ...machineLines(machine),
    await databases.describe(),
    `Users have ${GRANTS_OF_A_USER} grants; ${seconds} s a run, median of ${rounds} rounds in both orders.`,
    `A round trip takes ${fixed(near, 2)} ms; ${DELAY_MS} ms more are added by a proxy that holds back what`,
    `the client sends: ${fixed(delayed, 2)} ms.`,
    pgbench.description,
  ]
  const sections = []
  for (const scenario of scenarios) {
    process.stderr.write(`${scenario.title}\n`)
    const names = Object.keys(POSTGRES_CONTESTANTS)
    if (scenario.withPgbench && pgbench.command) names.push(PGBENCH)
    const results = await runRounds(names, rounds, (name) =>
      name === PGBENCH
        ? runPgbench(pgbench, seconds)
        : runOnce(name, databases, proxy, { seconds, ...scenario }),
    )
    sections.push(section(scenario, results))
  }
  process.stdout.write(`\n${[header.join(' '), ...sections, NOTES].join('\n\n')}\n`)
  await databases.close()
  await proxy.stop()
  await server.stop()
}

const NOTES = [
  'Latency counts from when a caller asks. The worst wait is that of all rounds, and so are the errors.',
  'Drizzle runs with `prepare: false`, as the app sets it up: postgres.js then asks for the types of the',
  'parameters first, a round trip more for each statement that has some.',
  'After each run the ledger was checked: every acknowledged task has its charge, and what was charged is what was drawn.',
].join(' ')

runCommand(main)
