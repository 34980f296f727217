'use strict'

/**
 * A test that a failover loses nothing and doubles nothing: a cluster of two PostgreSQL servers under Patroni, with a
 * synchronous standby, loses its primary in several ways under load. Afterwards each acknowledged call must
 * be in the database exactly once, no refused one may be there, and the invariants must hold. No call may fail with
 * 25006 (the server is read-only), because another host of the URL could write.
 *
 * It needs a PostgreSQL with pg_basebackup, and a python3 with pip, which gets Patroni into a folder that is removed at
 * the end. With a haproxy on the PATH it tests that too.
 */

const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../../..')
const { Store } = require('../../helpers/postgres')
const { inspect } = require('./books')
const { startCluster } = require('./cluster')
const { startHaproxy } = require('./haproxy')
const { Load, untilMore } = require('./loads')
const { Probe } = require('./probe')
const { report } = require('./report')

const USERS = Array.from({ length: 12 }, (_, at) => `u${at}`)
const GRANTED = 1_000_000
/** How many calls are to succeed before the primary is lost, and after there is another. */
const ENOUGH = 60
const TIMEOUT_MS = 30_000
/** How long an old primary that still runs is left running. */
const LEFT_ALONE_MS = 8000

/** Each breaks the cluster until it has another primary, and returns a function that repairs it. */
const SCENARIOS = [
  {
    title: 'kill -9 of the primary and its Patroni',
    async lose(cluster, primary) {
      primary.signalAll('SIGKILL')
      return () => primary.start()
    },
  },
  {
    title: 'switchover',
    async lose(cluster, primary) {
      await cluster.switchTo(cluster.other(primary))
      return () => {}
    },
  },
  {
    title: 'the primary is cut off from the other nodes, not from its clients',
    onFirst: true,
    async lose(cluster) {
      cluster.cutOff()
      return () => cluster.reconnect()
    },
  },
  {
    title: 'the primary is stopped (SIGSTOP of all its processes)',
    async lose(cluster, primary) {
      primary.signalAll('SIGSTOP')
      return () => primary.signalAll('SIGCONT')
    },
  },
  {
    title: 'Patroni of the primary is stopped, and its PostgreSQL keeps running',
    async lose(cluster, primary) {
      primary.signal('SIGSTOP')
      return () => primary.signal('SIGCONT')
    },
  },
]

/** The ways to the cluster: a name, and the URL of a database. */
function ways(cluster, haproxy, primary) {
  const standby = cluster.other(primary)
  const both = [primary, standby]
  const all = [
    ['read-write', (name) => cluster.url(name, both, '?target_session_attrs=read-write')],
    ['standby first', (name) => cluster.url(name, [standby, primary])],
  ]
  const through = { listen: { sql: haproxy } }
  return haproxy ? [...all, ['HAProxy', (name) => cluster.url(name, [through])]] : all
}

/** A database with the app's tables and users with enough credits. */
async function prepare(cluster, primary, name) {
  const admin = new Store('', cluster.url('postgres', [primary]))
  await admin.query([[`CREATE DATABASE ${name}`, []]])
  await admin.client.end()
  const url = cluster.url(name, [primary])
  const credits = connect({ url })
  await credits.createTables()
  const store = new Store('', url)
  await store.query([
    ['CREATE TABLE probe (at timestamptz)', []],
    ['INSERT INTO probe VALUES (now())', []],
  ])
  for (const id of USERS) {
    await store.query([
      ['INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', [id, id, `${id}@example.test`]],
    ])
    await credits.createCredit({ userId: id, credits: GRANTED, transactionScene: 'gift' })
  }
  await store.client.end()
  await credits.close()
}

/** Loses the primary under load, and checks the ledger afterwards. */
async function run(cluster, haproxy, { lose, onFirst }, database) {
  await cluster.untilWhole()
  if (onFirst) await cluster.switchTo(cluster.nodes[0])
  await cluster.untilWhole()
  const primary = await cluster.leader()
  const next = cluster.other(primary)
  await prepare(cluster, primary, database)
  const probe = new Probe(cluster.nodes.map((node) => cluster.url(database, [node])))
  const loads = ways(cluster, haproxy, primary).map(
    ([way, urlOf], at) => new Load(way, urlOf(database), `w${at}`, USERS),
  )
  const idle = new Set(await untilMore(loads, ENOUGH, TIMEOUT_MS))
  const mend = await lose(cluster, primary)
  await cluster.untilLeads(next)
  await sleep(LEFT_ALONE_MS)
  await mend()
  await cluster.untilWhole()
  for (const load of await untilMore(loads, ENOUGH, TIMEOUT_MS)) idle.add(load)
  await Promise.all(loads.map((load) => load.stop()))
  await probe.stop()
  const url = cluster.url(database, [await cluster.leader()])
  const told = loads.flatMap((load) => load.told)
  return { loads, idle, found: await inspect(url, told), writes: probe.times }
}

/** Runs the scenarios whose title has this text. Returns the number of errors. */
async function onPatroni({ only, rounds }) {
  const scenarios = SCENARIOS.filter(({ title }) => title.includes(only))
  if (scenarios.length === 0) return 0
  const cluster = await startCluster()
  let bad = 0
  try {
    const haproxy = await startHaproxy(cluster)
    if (!haproxy)
      console.log('without HAProxy: there is none on the PATH; apt-get install haproxy brings one')
    for (let round = 1; round <= rounds; round++) {
      for (const [at, scenario] of scenarios.entries()) {
        bad += report(scenario.title, await run(cluster, haproxy, scenario, `round${round}_${at}`))
      }
    }
  } catch (error) {
    error.message += `\n${cluster.logs()}`
    throw error
  } finally {
    await cluster.stop()
  }
  return bad
}

module.exports = { onPatroni }
