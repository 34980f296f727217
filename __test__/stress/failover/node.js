'use strict'

/** One machine of the cluster: a Patroni with its PostgreSQL, or the witness, which has no PostgreSQL. */

const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { environment } = require('../../../scripts/test-postgres')

const ANSWER_MS = 1000

/** The shortest `ttl` that Patroni accepts: a failover waits that long. */
const TIMEOUTS = { ttl: 20, loop_wait: 2, retry_timeout: 5 }

const SETTINGS = {
  unix_socket_directories: '',
  max_connections: 100,
  // A node that does not answer for this long is given up.
  wal_sender_timeout: '5s',
  wal_receiver_timeout: '5s',
  // Patroni's default is 5 s, the time after which a standby that lost its primary would connect again.
  wal_retrieve_retry_interval: '1s',
}

class Node {
  /** `listen` are the node's own addresses, `seen` those under which the other nodes reach it. */
  constructor(cluster, { name, listen, seen }) {
    Object.assign(this, { cluster, name, listen, seen })
    this.dataFolder = path.join(cluster.folder, name)
    this.logFile = path.join(cluster.folder, `${name}.log`)
  }

  start() {
    const { cluster, name } = this
    const { folder, patroni, account } = cluster
    const config = path.join(folder, `${name}.json`)
    // JSON is YAML.
    fs.writeFileSync(config, JSON.stringify(this.config()), { mode: 0o600 })
    if (account.uid !== undefined) fs.chownSync(config, account.uid, account.gid)
    const [program, args] = (this.listen.sql ? patroni.node : patroni.witness)(config)
    const log = fs.openSync(this.logFile, 'a')
    this.process = spawn(program, args, {
      cwd: folder,
      detached: true,
      env: { ...environment(), ...patroni.env },
      stdio: ['ignore', log, log],
      ...account,
    })
    fs.closeSync(log)
    fs.writeFileSync(path.join(folder, `${name}.pid`), String(this.process.pid))
    this.process.unref()
    this.process.once('exit', (code) => (this.failed = code !== null))
  }

  config() {
    const { cluster, name, listen, seen, dataFolder } = this
    const { nodes, witness, folder, bin, password } = cluster
    const partners = [...nodes, witness].filter((node) => node !== this).map((node) => node.seen.raft)
    const raft = {
      self_addr: seen.raft,
      bind_addr: listen.raft,
      partner_addrs: partners,
      data_dir: path.join(folder, `${name}-raft`),
    }
    if (!listen.sql) return { scope: 'media-credits', name, raft }
    const account = (username) => ({ username, password })
    return {
      scope: 'media-credits',
      name,
      raft,
      restapi: { listen: listen.rest, connect_address: seen.rest },
      bootstrap: {
        dcs: {
          ...TIMEOUTS,
          synchronous_mode: true,
          postgresql: { use_pg_rewind: true, parameters: SETTINGS },
        },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'no-sync', 'data-checksums'],
      },
      postgresql: {
        listen: listen.sql,
        connect_address: seen.sql,
        data_dir: dataFolder,
        bin_dir: bin,
        pgpass: path.join(folder, `${name}-pgpass`),
        authentication: { superuser: account('postgres'), replication: account('replicator') },
        pg_hba: [
          'host all all 127.0.0.1/32 scram-sha-256',
          'host replication replicator 127.0.0.1/32 scram-sha-256',
        ],
      },
    }
  }

  /** Whether Patroni reports this role: `primary`, `synchronous`. A node that does not answer has no role. */
  async is(role) {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const answer = await fetch(`http://${this.listen.rest}/${role}`, { signal }).catch(() => undefined)
    await answer?.text()
    return answer?.status === 200
  }

  async post(what, body) {
    const answer = await fetch(`http://${this.listen.rest}/${what}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`Patroni refused ${what}: ${text}`)
  }

  /** The processes of its PostgreSQL, the first one before those that it started. */
  servers() {
    const pid = fs.readFileSync(path.join(this.dataFolder, 'postmaster.pid'), 'utf8').split('\n')[0]
    const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', pid], { encoding: 'utf8' })
    return [pid, ...stdout.split('\n').filter(Boolean)].map(Number)
  }

  /** A signal for Patroni. */
  signal(signal) {
    process.kill(this.process.pid, signal)
  }

  /** A signal for Patroni, and for its PostgreSQL. */
  signalAll(signal) {
    this.signal(signal)
    for (const pid of this.servers()) {
      try {
        process.kill(pid, signal)
      } catch (error) {
        // It has ended meanwhile.
        if (error.code !== 'ESRCH') throw error
      }
    }
  }

  log() {
    const text = fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : ''
    return `== ${this.name}\n${text.split('\n').slice(-25).join('\n')}`
  }
}

module.exports = { Node }
