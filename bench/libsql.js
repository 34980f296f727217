'use strict'

/**
 * `createMediaTask` over a libSQL server, beside its alternatives. Each run has its own server with an empty log.
 *
 *   npm run bench -- --libsql            builds, installs bench/'s packages, then runs this file
 *   npm run bench -- --libsql --quick    one round of one second, to try it out
 *
 *   --seconds N     measured time per contestant, scenario and round (5), after a second of warm-up
 *   --rounds N      the figures are medians over the rounds (3); every second one runs in reverse order
 *   --users N       users of 5 grants each, except in the scenario known (1000)
 *   --only NAMES    some of main,far,alone,known: the scenarios
 *   --dir PATH      where the servers keep their data: its disk decides what a commit costs (the temporary folder)
 *
 * The tables go to stdout, progress to stderr. If the ledger is wrong after a run, the benchmark fails.
 */

const { createClient } = require('@libsql/client')

const { startProxy } = require('../__test__/helpers/proxy')
const sqld = require('../scripts/sqld')
const { readScenarios, runCommand, scratchFolder } = require('./command')
const { LIBSQL_CONTESTANTS } = require('./contestants')
const { runContestant } = require('./contestant-process')
const { medianMs } = require('./drive')
const { checkRemoteLedger } = require('./ledger')
const { describeMachine, machineLines } = require('./machine')
const { comparison, median } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { GRANTS_OF_A_USER, seedRemote } = require('./seed')
const { fixed } = require('./table')
const { COST } = require('./work')

const POOL_SIZE = 10
const DELAY_MS = 20
/** One caller meets each of these users repeatedly within a second. */
const KNOWN_USERS = 5

const SCENARIOS = {
  main: { title: '64 callers', callers: 64 },
  far: { title: `64 callers, ${DELAY_MS} ms more a round trip`, callers: 64, delayMs: DELAY_MS },
  alone: { title: `1 caller, ${DELAY_MS} ms more a round trip`, callers: 1, delayMs: DELAY_MS },
  known: {
    title: `1 caller, ${DELAY_MS} ms more a round trip`,
    callers: 1,
    delayMs: DELAY_MS,
    users: KNOWN_USERS,
  },
}

const BASE = 'drizzle-remote-libsql'

/** Runs `work` with a server that has these users, behind a proxy that adds `delayMs` to each round trip. */
async function withServer({ binary, folder }, { users, delayMs = 0 }, work) {
  const server = await sqld.start(binary, { place: folder })
  const proxy = await startProxy(server.url)
  const client = createClient({ url: server.url })
  try {
    await seedRemote(server.url, client, users)
    proxy.delayMs = delayMs
    return await work({ url: delayMs ? proxy.url : server.url, client })
  } finally {
    client.close()
    await proxy.stop()
    await server.stop()
  }
}

/** A run of one contestant. */
const runOnce = (name, place, seconds, scenario) =>
  withServer(place, scenario, async ({ url, client }) => {
    const { callers, users } = scenario
    const run = { name, url, poolSize: POOL_SIZE, callers, users, seconds, warmUpSeconds: WARM_UP_SECONDS }
    const result = await runContestant({ ...run, countErrors: true })
    await checkRemoteLedger(client, result.acknowledged)
    return result
  })

/** The duration of a statement without a table, by the app's client. */
const roundTripMs = (place, delayMs) =>
  withServer(place, { users: 0, delayMs }, async ({ url }) => {
    const client = createClient({ url })
    return medianMs(() => client.execute('SELECT 1')).finally(() => client.close())
  })

async function main() {
  const { seconds, rounds, scenarios, dir } = readScenarios(SCENARIOS, {
    seconds: 5,
    rounds: 3,
    libsql: true,
  })
  const folder = scratchFolder(dir)
  const machine = describeMachine(folder)
  const place = { binary: await sqld.install(), folder }
  const roundTrips = { near: await roundTripMs(place, 0), far: await roundTripMs(place, DELAY_MS) }
  const header = [
    `createMediaTask over libSQL, ${COST} credits each.`,
    ...machineLines(machine),
    `sqld ${sqld.VERSION} on this machine, over HTTP, with its own defaults.`,
    `Users have ${GRANTS_OF_A_USER} grants; ${seconds} s a run, median of ${rounds} rounds in both orders.`,
    `A round trip takes ${fixed(roundTrips.near, 2)} ms; ${DELAY_MS} ms more are added by a proxy that holds back what`,
    `the client sends: ${fixed(roundTrips.far, 2)} ms.`,
  ]
  const sections = []
  for (const scenario of scenarios) {
    const titled = `${scenario.title}, ${scenario.users} users`
    process.stderr.write(`${titled}\n`)
    const names = Object.keys(LIBSQL_CONTESTANTS)
    const results = await runRounds(names, rounds, (name) => runOnce(name, place, seconds, scenario))
    const lines = [comparison(titled, results, BASE, LIBSQL_CONTESTANTS)]
    if (scenario.callers === 1) lines.push('', roundTripsLine(results, roundTrips.far))
    sections.push(lines.join('\n'))
  }
  process.stdout.write(`\n${[header.join(' '), ...sections, NOTES].join('\n\n')}\n`)
}

function roundTripsLine(results, roundTripMs) {
  const each = Object.entries(results).map(([name, runs]) => {
    return `${name} ${fixed(median(runs, (run) => run.p50) / roundTripMs, 2)}`
  })
  return `In round trips, at the median: ${each.join(', ')}.`
}

const NOTES = [
  'Latency counts from when a caller asks. The worst wait is that of all rounds, and so are the errors.',
  'After each run the ledger was checked: every acknowledged task has its charge, and what was charged is what was drawn.',
].join(' ')

runCommand(main)
