'use strict'

/**
 * A PostgreSQL server for tests and benchmarks: new, in its own folder, and reachable only from this machine.
 *
 * node scripts/test-postgres.js [--fsync]
 *
 * prints the server's URL on one line when it is ready. When its standard input ends, on SIGTERM, or when this process is
 * killed, the server ends and its folder is removed. With TEST_DATABASE_URL in the environment, that URL is printed and
 * no server is started. JavaScript calls `start()` for a separate server.
 */

const { spawn, spawnSync } = require('node:child_process')
const { createHash, createHmac, pbkdf2Sync, randomBytes, randomInt } = require('node:crypto')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const postgres = require('postgres')
const { guard } = require('./guard')
const { memoryFolder } = require('./memory-folder')
const { binaries, unprivileged } = require('./postgres-binaries')

const TIMEOUT_MS = 60_000
const POLL_MS = 20

/** Below the range of ports for outgoing connections: no process takes it while the server is stopped. */
const PORTS = [15_000, 30_000]

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  // Far from UTC, to detect code that ignores time zones.
  timezone: 'Asia/Shanghai',
  log_min_messages: 'fatal',
}
/** A server that runs for a minute and need not survive a power failure. */
const SHORT_LIVED = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', max_wal_size: '256MB' }

/**
 * How to stop a server: `fast` and `immediate` with and without notifying clients, a `crash` without notifying the
 * server.
 */
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', crash: 'SIGKILL' }

/**
 * Starts a separate server, which can be stopped and started again. It ends with this process unless it was
 * stopped before. `fsync` is off by default; `settings` are more of those in postgresql.conf. With `standbyOf`, a
 * server that this function started, it becomes a streaming standby of that one.
 */
async function start({ fsync = false, settings = {}, standbyOf } = {}) {
  const account = unprivileged()
  const [folder, dataFolder] = [os.tmpdir(), fsync ? os.tmpdir() : memoryFolder()].map((parent) => {
    const made = fs.mkdtempSync(path.join(parent, 'media-credits-postgres-'))
    if (account.uid !== undefined) fs.chownSync(made, account.uid, account.gid)
    return made
  })
  const end = guard(path.join(dataFolder, 'postmaster.pid'), [folder, dataFolder])
  try {
    const bin = binaries(folder, account)
    const password = standbyOf ? new URL(standbyOf.url).password : randomBytes(16).toString('hex')
    if (standbyOf) await follow(standbyOf, { account, dataFolder })
    else initialize({ bin, account, folder, dataFolder, password })
    const port = await freePort()
    write(dataFolder, { ...SETTINGS, ...(fsync ? {} : SHORT_LIVED), port, ...settings })
    const server = new Server({ bin, account, folder, dataFolder })
    await server.up()
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      dataFolder,
      /** Stops it: `fast`, `immediate` or by a `crash`. */
      down: (how) => server.down(how),
      /** Starts it, and waits until it is in this state; `standby` is one without `hot_standby`. */
      up: (state) => server.up(state),
      async restart(how) {
        await server.down(how)
        await server.up()
      },
      stop: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** The server in TEST_DATABASE_URL, otherwise a separate one. */
async function startUnlessGiven(options) {
  const url = process.env.TEST_DATABASE_URL
  return url ? { url, stop: async () => {} } : start(options)
}

/**
 * The server's stored form of a password, hashed once instead of 4096 times: each test opens connections, and a
 * debug build of the package, which hashes as often, takes a tenth of a second for each.
 */
function verifierOf(password) {
  const salt = randomBytes(16)
  const key = pbkdf2Sync(password, salt, 1, 32, 'sha256')
  const [client, server] = ['Client Key', 'Server Key'].map((name) =>
    createHmac('sha256', key).update(name).digest(),
  )
  const stored = createHash('sha256').update(client).digest('base64')
  return `SCRAM-SHA-256$1:${salt.toString('base64')}$${stored}:${server.toString('base64')}`
}

/** Fills the data folder. Texts are sorted as on most servers, which is not by their bytes. */
function initialize({ bin, account, folder, dataFolder, password }) {
  const passwordFile = path.join(folder, 'password')
  fs.writeFileSync(passwordFile, verifierOf(password), { mode: 0o600 })
  if (account.uid !== undefined) fs.chownSync(passwordFile, account.uid, account.gid)
  const args = ['--pgdata', dataFolder, '--username', 'postgres', '--pwfile', passwordFile, '--no-sync']
  args.push('--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-instructions')
  args.push('--locale', 'C', '--locale-provider', 'icu', '--icu-locale', 'en-US')
  const options = { cwd: folder, encoding: 'utf8', env: environment(), ...account }
  const { status, error, stdout, stderr } = spawnSync(path.join(bin, 'initdb'), args, options)
  if (status !== 0) throw error ?? new Error(`initdb failed:\n${stdout}${stderr}`)
  fs.rmSync(passwordFile)
}

/** Fills the data folder with a copy of a server, which is stopped meanwhile, and lets it follow that server. */
async function follow(primary, { account, dataFolder }) {
  await primary.down()
  const { status, stderr } = spawnSync('cp', ['-R', `${primary.dataFolder}/.`, dataFolder], account)
  await primary.up()
  if (status !== 0) throw new Error(`the server could not be copied:\n${stderr}`)
  const { hostname: host, port, username: user, password } = new URL(primary.url)
  fs.writeFileSync(path.join(dataFolder, 'standby.signal'), '')
  write(dataFolder, { primary_conninfo: `host=${host} port=${port} user=${user} password=${password}` })
}

function write(dataFolder, settings) {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`)
  fs.appendFileSync(path.join(dataFolder, 'postgresql.conf'), lines.join(''))
}

/** Without variables that would lead PostgreSQL's programs to another server. */
function environment() {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name))
  return { ...Object.fromEntries(inherited), LC_ALL: 'C' }
}

async function freePort() {
  for (;;) {
    const port = randomInt(...PORTS)
    const listener = net.createServer()
    const free = await new Promise((resolve) => {
      listener.once('error', () => resolve(false))
      listener.listen(port, '127.0.0.1', () => listener.close(() => resolve(true)))
    })
    if (free) return port
  }
}

/** The server's process. */
class Server {
  constructor({ bin, account, folder, dataFolder }) {
    Object.assign(this, { bin, account, dataFolder })
    this.pidFile = path.join(dataFolder, 'postmaster.pid')
    this.logFile = path.join(folder, 'log')
  }

  /** Starts it, and waits until it accepts connections, or is in another state. */
  async up(state = 'ready') {
    const deadline = Date.now() + TIMEOUT_MS
    for (;;) {
      this.launch()
      while (!this.ended && !this.is(state) && Date.now() < deadline) await sleep(POLL_MS)
      if (!this.ended && this.is(state)) return
      // After a crash its last processes may still hold their shared memory.
      const message = fs.readFileSync(this.logFile, 'utf8')
      if (!/shared memory block|lock file/.test(message) || Date.now() > deadline) {
        throw new Error(`PostgreSQL did not start:\n${message.slice(-2000)}`)
      }
      await sleep(100)
    }
  }

  launch() {
    const log = fs.openSync(this.logFile, 'w')
    this.ended = false
    // In its own process group, which Ctrl-C in the terminal does not reach.
    this.process = spawn(path.join(this.bin, 'postgres'), ['-D', this.dataFolder], {
      cwd: this.dataFolder,
      detached: true,
      env: environment(),
      stdio: ['ignore', log, log],
      ...this.account,
    })
    fs.closeSync(log)
    this.gone = new Promise((resolve) => {
      this.process.once('close', resolve)
      this.process.once('error', resolve)
    }).then(() => (this.ended = true))
    this.process.unref()
  }

  /** The state is in the eighth line of this file. */
  is(state) {
    try {
      return fs.readFileSync(this.pidFile, 'utf8').split('\n')[7]?.trim() === state
    } catch {
      return false
    }
  }

  async down(how = 'fast') {
    this.process.ref()
    this.process.kill(SIGNALS[how])
    await this.gone
    // A crash leaves it behind, and its number may be used for another process.
    fs.rmSync(this.pidFile, { force: true })
  }
}

/** Creates a database during `work(url, client)`. */
async function withDatabase(server, work) {
  const database = `next_${randomBytes(4).toString('hex')}`
  const url = new URL(server)
  url.pathname = `/${database}`
  const clientOf = (url) => postgres(url, { max: 1, onnotice: () => {} })
  const [admin, client] = [clientOf(server), clientOf(url.href)]
  try {
    await admin.unsafe(`CREATE DATABASE ${database}`)
    await work(url.href, client)
  } finally {
    await client.end()
    await admin.unsafe(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
    await admin.end()
  }
}

async function main(args) {
  const unknown = args.find((arg) => arg !== '--fsync')
  if (unknown) throw new Error(`unknown option ${unknown}; the only one is --fsync`)
  const server = await startUnlessGiven({ fsync: args.includes('--fsync') })
  const stop = () => server.stop().then(() => process.exit())
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.stdin.once('close', stop).once('end', stop).resume()
  console.log(server.url)
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}

module.exports = { environment, freePort, start, startUnlessGiven, withDatabase }
