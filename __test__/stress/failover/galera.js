'use strict'

/**
 * Two MariaDB servers as a Galera cluster, both of which accept writes of the same users: transactions that conflict at commit are tried
 * again. Then one of them is lost, and comes back. Each acknowledged call must be in the database exactly once.
 */

const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../../..')
const { Store } = require('../../helpers/mysql')
const { inspect } = require('./books')
const { startGalera } = require('./galera-cluster')
const { Load, untilMore } = require('./loads')
const { report } = require('./report')

const GRANTED = 1_000_000
/** How many calls are to succeed before a node is lost, and after it has come back. */
const ENOUGH = 60
const TIMEOUT_MS = 60_000
const ALONE_MS = 4000

/** Few users, so that callers of both nodes conflict on each of them. */
const USERS = Array.from({ length: 4 }, (_, at) => `u${at}`)

/** Each stops node `b`, and returns a function that brings it back. */
const SCENARIOS = [
  { title: 'Galera: both nodes take writes of the same users', lose: async () => () => {} },
  {
    title: 'Galera: a node is taken down, and comes back',
    async lose(cluster) {
      await cluster.b.down()
      return () => cluster.rejoin(cluster.b)
    },
  },
  {
    title: 'Galera: kill -9 of a node, which comes back',
    async lose(cluster) {
      await cluster.b.down('crash')
      return () => cluster.rejoin(cluster.b)
    },
  },
  {
    title: 'Galera: a node is stopped (SIGSTOP), and is removed from the cluster',
    async lose({ b }) {
      process.kill(b.pid, 'SIGSTOP')
      return () => process.kill(b.pid, 'SIGCONT')
    },
  },
]

/** A database with the app's tables and users with enough credits. */
async function prepare(cluster, name) {
  const admin = new Store('', cluster.a.url)
  await admin.query([[`CREATE DATABASE ${name}`, []]])
  await admin.disconnect()
  const url = cluster.url(name, cluster.a)
  const credits = connect({ url })
  await credits.createTables()
  const store = new Store('', url)
  for (const id of USERS) {
    const values = [id, id, `${id}@example.test`]
    await store.query([['INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', values]])
    await credits.createCredit({ userId: id, credits: GRANTED, transactionScene: 'gift' })
  }
  await store.disconnect()
  await credits.close()
}

async function run(cluster, { lose }, database) {
  await prepare(cluster, database)
  const before = await cluster.conflicts()
  const loads = Object.entries({ a: cluster.a, b: cluster.b }).map(
    ([name, node]) => new Load(`node ${name}`, cluster.url(database, node), name, USERS),
  )
  const idle = new Set(await untilMore(loads, ENOUGH, TIMEOUT_MS))
  const conflicts = (await cluster.conflicts()) - before
  const mend = await lose(cluster)
  await sleep(ALONE_MS)
  await mend()
  await cluster.untilWhole()
  for (const load of await untilMore(loads, ENOUGH, TIMEOUT_MS)) idle.add(load)
  await Promise.all(loads.map((load) => load.stop()))
  const told = loads.flatMap((load) => load.told)
  await cluster.untilSame()
  const found = []
  for (const node of cluster.nodes) found.push(await inspect(cluster.url(database, node), told))
  return { loads, idle, found: merged(found), conflicts }
}

/** The errors on each node. */
const merged = ([one, ...others]) =>
  Object.fromEntries(
    Object.keys(one).map((kind) => [kind, [...new Set([one, ...others].flatMap((found) => found[kind]))]]),
  )

/** Runs the scenarios whose title has this text. Returns the number of errors. */
async function onGalera({ only, rounds }) {
  const scenarios = SCENARIOS.filter(({ title }) => title.includes(only))
  if (scenarios.length === 0) return 0
  const cluster = await startGalera()
  let [bad, met] = [0, 0]
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [at, scenario] of scenarios.entries()) {
        const result = await run(cluster, scenario, `round${round}_${at}`)
        bad += report(scenario.title, result)
        console.log(`${result.conflicts} transactions of the two nodes met.`)
        met += result.conflicts
      }
    }
  } finally {
    await cluster.stop()
  }
  if (met > 0) return bad
  console.log('BAD no transactions of the two nodes met: nothing was tried')
  return bad + 1
}

module.exports = { onGalera }
