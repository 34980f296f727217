'use strict'

/**
 * A cluster under Patroni: two PostgreSQL servers, the second one a synchronous standby, and a witness, so that
 * two of three have a majority. The other nodes reach node `a` through proxies, which can cut it off.
 */

const { randomBytes } = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { guard } = require('../../../scripts/guard')
const { unprivileged } = require('../../../scripts/postgres-binaries')
const { freePort } = require('../../../scripts/test-postgres')
const { startProxy } = require('../../helpers/proxy')
const { Node } = require('./node')
const { installPatroni, serverBinaries } = require('./patroni')

const HOST = '127.0.0.1'
/** Of two members of a Raft, the one whose address sorts later connects to the other: all others connect to `a`. */
const LATER_HOST = '127.0.0.2'

const POLL_MS = 100
const TIMEOUT_MS = 120_000

async function startCluster() {
  const bin = serverBinaries()
  const account = unprivileged()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-failover-'))
  if (account.uid !== undefined) fs.chownSync(folder, account.uid, account.gid)
  const cluster = new Cluster({ bin, account, folder })
  try {
    cluster.patroni = installPatroni(path.join(folder, 'patroni'), account)
    await cluster.start()
    return cluster
  } catch (error) {
    error.message += `\n${cluster.logs()}`
    await cluster.stop()
    throw error
  }
}

class Cluster {
  nodes = []
  proxies = []
  password = randomBytes(16).toString('hex')

  constructor(given) {
    Object.assign(this, given)
    const pidFiles = ['a', 'b', 'witness', 'haproxy'].map((name) => path.join(this.folder, `${name}.pid`))
    const servers = ['a', 'b'].map((name) => path.join(this.folder, name, 'postmaster.pid'))
    this.end = guard(servers, [this.folder], pidFiles)
  }

  async start() {
    const addressOn = async (host) => `${host}:${await freePort()}`
    for (const name of ['a', 'b']) {
      const listen = {
        sql: await addressOn(HOST),
        rest: await addressOn(HOST),
        raft: await addressOn(name === 'a' ? HOST : LATER_HOST),
      }
      this.nodes.push(new Node(this, { name, listen, seen: { ...listen } }))
    }
    const { seen } = this.nodes[0]
    for (const [what, address] of Object.entries(seen)) {
      const proxy = await startProxy(`tcp://${address}`)
      this.proxies.push(proxy)
      seen[what] = `${HOST}:${proxy.port}`
    }
    const raft = await addressOn(LATER_HOST)
    this.witness = new Node(this, { name: 'witness', listen: { raft }, seen: { raft } })
    for (const node of [this.witness, ...this.nodes]) node.start()
    await this.untilWhole()
  }

  /** The node that Patroni reports as the primary, and that is not stopped. */
  async leader() {
    const says = await Promise.all(this.nodes.map((node) => node.is('primary')))
    return this.nodes[says.indexOf(true)]
  }

  other(node) {
    return this.nodes.find((one) => one !== node)
  }

  /** Waits until one node is the primary and the other one its synchronous standby. */
  untilWhole() {
    return this.until('a primary and a synchronous standby', async () => {
      const leader = await this.leader()
      return leader && (await this.other(leader).is('synchronous'))
    })
  }

  untilLeads(node) {
    return this.until(`${node.name} is the primary`, () => node.is('primary'))
  }

  /** Makes this node the primary, like an operator. */
  async switchTo(node) {
    const leader = await this.leader()
    if (leader === node) return
    await leader.post('switchover', { leader: leader.name, candidate: node.name })
    await this.untilLeads(node)
  }

  /** Cuts node `a` off from the others. Its clients still reach it. */
  cutOff() {
    for (const proxy of this.proxies) proxy.stall()
  }

  reconnect() {
    for (const proxy of this.proxies) proxy.resume()
  }

  /** The URL of a database, with these nodes as its hosts, in this order. */
  url(database, nodes, parameters = '') {
    const hosts = nodes.map(({ listen }) => listen.sql).join()
    return `postgres://postgres:${this.password}@${hosts}/${database}${parameters}`
  }

  async until(what, condition) {
    const deadline = Date.now() + TIMEOUT_MS
    while (!(await condition())) {
      const failed = [this.witness, ...this.nodes].find((node) => node.failed)
      if (failed) throw new Error(`Patroni of ${failed.name} has ended`)
      if (Date.now() > deadline) throw new Error(`timed out waiting for: ${what}`)
      await sleep(POLL_MS)
    }
  }

  /** The last lines of each process's output. */
  logs() {
    return [this.witness, ...this.nodes]
      .filter(Boolean)
      .map((node) => node.log())
      .join('\n')
  }

  async stop() {
    for (const proxy of this.proxies) await proxy.stop()
    await this.end()
  }
}

module.exports = { startCluster }
