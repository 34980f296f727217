'use strict'

/**
 * A Galera cluster of two MariaDB servers on this machine, which both accept writes. Node `a` weighs more: without `b` it
 * continues, and `b` without it does not.
 */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { start } = require('../../../scripts/mariadb')
const { installGalera } = require('../../../scripts/mariadb-binaries')
const { freePort } = require('../../../scripts/test-postgres')
const { clientOf, urlOf } = require('../../helpers/mysql')

const HOST = '127.0.0.1'
const POLL_MS = 100
const TIMEOUT_MS = 60_000

const WEIGHTS = { a: 2, b: 1 }

/** Only the node that starts a cluster has this option. */
const FIRST = { 'wsrep-new-cluster': true }
const NOT_FIRST = { 'wsrep-new-cluster': undefined }

async function startGalera() {
  const { galera } = await installGalera()
  // Where MariaDB looks for `wsrep_sst_incremental`, which inherits the environment.
  process.env.PATH = `${__dirname}:${process.env.PATH}`
  process.env.WSREP_STATE_FILE = path.join(os.tmpdir(), `media-credits-wsrep-${process.pid}`)
  const ports = { a: await somePorts(), b: await somePorts() }
  const settingsOf = (name) => settings(galera, ports, name)
  const a = await start({ settings: { ...settingsOf('a'), ...FIRST } })
  const copy = `${a.dataFolder}-copy`
  try {
    await a.down()
    fs.cpSync(a.dataFolder, copy, { recursive: true })
    await a.up(FIRST)
    const like = { dataFolder: copy, passwords: a.passwords }
    const cluster = new Cluster(a, await start({ settings: settingsOf('b'), like }))
    await cluster.untilWhole()
    return cluster
  } catch (error) {
    await a.stop()
    throw error
  }
}

const somePorts = async () => ({ sql: await freePort(), group: await freePort(), ist: await freePort() })

function settings(galera, ports, name) {
  const addresses = Object.values(ports).map(({ group }) => `${HOST}:${group}`)
  const { sql, group, ist } = ports[name]
  const ofProvider = {
    'gmcast.listen_addr': `tcp://${HOST}:${group}`,
    'ist.recv_addr': `${HOST}:${ist}`,
    'gcache.size': '256M',
    'gcache.recover': 'yes',
    'pc.weight': WEIGHTS[name],
  }
  return {
    port: sql,
    'binlog-format': 'ROW',
    'innodb-autoinc-lock-mode': 2,
    'wsrep-on': 'ON',
    'wsrep-provider': galera,
    'wsrep-provider-options': Object.entries(ofProvider)
      .map((entry) => entry.join('='))
      .join(';'),
    'wsrep-cluster-address': `gcomm://${addresses}`,
    'wsrep-node-name': name,
    'wsrep-node-address': HOST,
    'wsrep-sst-method': 'incremental',
  }
}

class Cluster {
  constructor(a, b) {
    Object.assign(this, { a, b, nodes: [a, b] })
  }

  /** The URL of a database on a node. */
  url(name, node) {
    return urlOf(node.url, name)
  }

  /** A status number of a node. */
  async status(node, name) {
    const client = await clientOf(node.adminUrl)
    try {
      const [rows] = await client.query('SHOW GLOBAL STATUS WHERE variable_name = ?', [name])
      return rows[0]?.Value
    } finally {
      await client.end()
    }
  }

  /** How often transactions of the two nodes conflicted: at commit, and before. */
  async conflicts() {
    const names = ['wsrep_local_cert_failures', 'wsrep_local_bf_aborts']
    const all = this.nodes.flatMap((node) => names.map((name) => this.status(node, name)))
    return (await Promise.all(all)).reduce((sum, count) => sum + Number(count), 0)
  }

  /** Waits until each node has applied what the other one has committed. Nothing else writes. */
  async untilSame() {
    const committed = () => Promise.all(this.nodes.map((node) => this.status(node, 'wsrep_last_committed')))
    const deadline = Date.now() + TIMEOUT_MS
    for (;;) {
      const [a, b] = await committed()
      if (a === b) return
      if (Date.now() > deadline) throw new Error(`node a is at ${a}, and node b at ${b}`)
      await sleep(POLL_MS)
    }
  }

  /** Waits until both nodes have all writes, and accept more. */
  async untilWhole() {
    const isWhole = async (node) => {
      const says = await this.status(node, 'wsrep_ready').catch(() => 'OFF')
      return says === 'ON' && (await this.status(node, 'wsrep_cluster_size')) === '2'
    }
    const deadline = Date.now() + TIMEOUT_MS
    while (!(await Promise.all(this.nodes.map(isWhole))).every(Boolean)) {
      if (Date.now() > deadline) throw new Error('the cluster does not come together')
      await sleep(POLL_MS)
    }
  }

  /** Starts a node that has ended or was killed, and that reports its last position. */
  async rejoin(node) {
    await node.up({ ...NOT_FIRST, 'wsrep-recover': true }).catch(() => {})
    const [, position] = /Recovered position: (\S+)/.exec(node.log()) ?? []
    await node.up({ 'wsrep-recover': undefined, 'wsrep-start-position': position })
    await this.untilWhole()
  }

  async stop() {
    for (const node of this.nodes) await node.stop()
    fs.rmSync(process.env.WSREP_STATE_FILE, { force: true })
  }
}

module.exports = { startGalera }
