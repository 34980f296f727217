'use strict'

/**
 * A MariaDB or MySQL server for tests and benchmarks: new, in its own folder, and reachable only from this machine.
 *
 * node scripts/mariadb.js [--durable]
 *
 * prints the server's URL on one line when it is ready. When its standard input ends, on SIGTERM, or when this process is
 * killed, the server ends and its folder is removed. With TEST_MYSQL_URL in the environment, that URL is printed and
 * no server is started. TEST_MYSQL_SERVER=mysql starts a MySQL. JavaScript calls `start()` for a separate server.
 */

const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const { randomBytes } = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { guard } = require('./guard')
const { CACHE, install } = require('./mariadb-binaries')
const { memoryFolder } = require('./memory-folder')
const { KINDS } = require('./mysql-kinds')
const { hasEnded } = require('./serving')
const { freePort } = require('./test-postgres')

const TIMEOUT_MS = 60_000
const POLL_MS = 5

/** How to stop a server: `fast` notifies clients, a `crash` does not even notify the server. */
const SIGNALS = { fast: 'SIGTERM', crash: 'SIGKILL' }

/**
 * Starts a separate server, which can be stopped and started again. It ends with this process unless it was
 * stopped before. It is not `durable` by default; `settings` are more options of the program. With `like`, a stopped
 * server that this function started, it begins with that one's data and accounts.
 *
 * `url` is for a user with an app's privileges in any database; `adminUrl` is for one with all privileges.
 */
async function start({ durable = false, settings = {}, like } = {}) {
  const server = await install()
  const folder = fs.mkdtempSync(path.join(durable ? os.tmpdir() : memoryFolder(), 'media-credits-mariadb-'))
  const pidFile = path.join(folder, 'pid')
  const end = guard(pidFile, [folder])
  try {
    const dataFolder = path.join(folder, 'data')
    // Not fs.cp, which takes ten times as long.
    spawnSync('cp', ['-R', like?.dataFolder ?? (await template(server)), dataFolder])
    const passwords = like?.passwords ?? [1, 2].map(() => randomBytes(16).toString('hex'))
    const accounts = path.join(folder, 'accounts.sql')
    const kind = KINDS[server.kind]
    fs.writeFileSync(accounts, like ? '' : kind.accountsOf(...passwords), { mode: 0o600 })
    const port = settings.port ?? (await freePort())
    const places = {
      datadir: dataFolder,
      tmpdir: folder,
      socket: path.join(folder, 'socket'),
      'pid-file': pidFile,
    }
    const own = { ...places, port }
    const process = new Process(server, folder, {
      ...kind.settings,
      ...(durable ? kind.durable : kind.shortLived),
      ...own,
      'init-file': accounts,
      ...settings,
    })
    await process.up()
    const urlOf = (user, password) => `mysql://${user}:${password}@127.0.0.1:${port}/mysql`
    return {
      url: urlOf('app', passwords[0]),
      adminUrl: urlOf('admin', passwords[1]),
      port,
      folder,
      dataFolder,
      passwords,
      version: server.version,
      /** Stops it: `fast` or by a `crash`. */
      down: (how) => process.down(how),
      /** Starts it again, with more settings if given, and waits until it accepts connections. */
      up: (more) => process.up(more),
      async restart(how) {
        await process.down(how)
        await process.up()
      },
      /** Its log since it was started. */
      log: () => process.log(),
      /** The id of its current process. */
      get pid() {
        return process.child.pid
      },
      stop: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** The server in TEST_MYSQL_URL, otherwise a separate one. */
async function startUnlessGiven(options) {
  const url = process.env.TEST_MYSQL_URL
  return url ? { url, adminUrl: url, stop: async () => {} } : start(options)
}

/** The folder of a new database, created once per version. */
async function template(server) {
  const folder = path.join(CACHE, `${server.kind}-data-${server.version}`)
  if (fs.existsSync(folder)) return folder
  fs.mkdirSync(CACHE, { recursive: true })
  const made = fs.mkdtempSync(path.join(CACHE, `${server.kind}-data-`))
  try {
    const { settings, input } = KINDS[server.kind].creation(server)
    const args = argumentsOf(server, { ...settings, datadir: made })
    const { status, stderr } = spawnSync(server.program, args, {
      input,
      encoding: 'utf8',
      env: { ...process.env, ...server.environment },
    })
    if (status !== 0) throw new Error(`the server made no database:\n${stderr.slice(-2000)}`)
    fs.chmodSync(made, 0o755)
    fs.renameSync(made, folder)
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!fs.existsSync(folder)) throw error
  } finally {
    fs.rmSync(made, { recursive: true, force: true })
  }
  return folder
}

function argumentsOf(server, settings) {
  // It runs as root only if told to.
  const user = process.getuid?.() === 0 ? { user: 'root' } : {}
  const plugins = path.join(server.base, 'lib/mysql/plugin')
  const own = {
    ...KINDS[server.kind].places(server),
    ...(fs.existsSync(plugins) ? { 'plugin-dir': plugins } : {}),
    ...user,
  }
  const named = Object.entries({ ...own, ...settings }).filter(([, value]) => value !== undefined)
  return [
    ...server.before,
    '--no-defaults',
    ...named.map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`)),
  ]
}

/** The processes of a server, one after another. */
class Process {
  constructor(server, folder, settings) {
    Object.assign(this, { server, settings, logFile: path.join(folder, 'log') })
  }

  /** Starts it, and waits until it accepts connections. */
  async up(more = {}) {
    Object.assign(this.settings, more)
    const deadline = Date.now() + TIMEOUT_MS
    await this.launch()
    for (;;) {
      const said = this.log()
      if (said.includes('ready for connections')) break
      if (hasEnded(this.child) || Date.now() > deadline) {
        throw new Error(`the server did not start:\n${said.slice(-2000)}`)
      }
      await sleep(POLL_MS)
    }
    // Needed only at the first start.
    delete this.settings['init-file']
  }

  log() {
    return fs.readFileSync(this.logFile, 'utf8')
  }

  async launch() {
    const log = fs.openSync(this.logFile, 'w')
    // In its own process group, which Ctrl-C in the terminal does not reach.
    this.child = spawn(this.server.program, argumentsOf(this.server, this.settings), {
      cwd: this.settings.datadir,
      detached: true,
      env: { ...process.env, ...this.server.environment },
      stdio: ['ignore', log, log],
    })
    fs.closeSync(log)
    await once(this.child, 'spawn')
    this.child.unref()
    // The guard needs it from now on; the server writes the same when it is ready.
    fs.writeFileSync(this.settings['pid-file'], `${this.child.pid}\n`)
  }

  async down(how = 'fast') {
    this.child.ref()
    const gone = hasEnded(this.child) ? undefined : once(this.child, 'exit')
    this.child.kill(SIGNALS[how])
    await gone
    // A crash leaves it behind, and its number may be used for another process.
    fs.rmSync(this.settings['pid-file'], { force: true })
  }
}

async function main(args) {
  const unknown = args.find((arg) => arg !== '--durable')
  if (unknown) throw new Error(`unknown option ${unknown}; the only one is --durable`)
  const server = await startUnlessGiven({ durable: args.includes('--durable') })
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

module.exports = { start, startUnlessGiven }
