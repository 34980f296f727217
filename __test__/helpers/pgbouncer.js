'use strict'

/** PgBouncer in front of a PostgreSQL server: a pooler as hosted databases have it. */

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { guard } = require('../../scripts/guard')
const { unprivileged } = require('../../scripts/postgres-binaries')
const { freePort } = require('../../scripts/test-postgres')
const { describeIf } = require('./describe')

const TIMEOUT_MS = 60_000
const POLL_MS = 20

const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']
const binary = folders.map((folder) => path.join(folder, 'pgbouncer')).find((file) => fs.existsSync(file))

/**
 * Starts one in transaction mode: a client has a server connection for as long as a transaction lasts. For each
 * database it has `poolSize` of them. `url` is the server's own URL through it, `through(url)` that of another
 * database of this server.
 */
async function startPgBouncer(serverUrl, { poolSize = 5, settings = {} } = {}) {
  const server = new URL(serverUrl)
  const account = unprivileged()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-pgbouncer-'))
  const file = (name) => path.join(folder, name)
  const port = await freePort()
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    pool_mode: 'transaction',
    default_pool_size: poolSize,
    max_client_conn: 500,
    auth_type: 'scram-sha-256',
    auth_file: file('users'),
    pidfile: file('pid'),
    logfile: file('log'),
    ...settings,
  }
  const password = decodeURIComponent(server.password)
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`)
  const target = `* = host=${server.hostname} port=${server.port || 5432}`
  fs.writeFileSync(file('users'), `"${server.username}" "${password}"\n`, { mode: 0o600 })
  fs.writeFileSync(file('config'), `[databases]\n${target}\n[pgbouncer]\n${lines.join('')}`)
  if (account.uid !== undefined) {
    for (const own of [folder, file('users'), file('config')]) fs.chownSync(own, account.uid, account.gid)
  }
  const stop = guard(file('pid'), [folder])
  const output = fs.openSync(file('output'), 'w')
  const child = spawn(binary, [file('config')], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', output, output],
    ...account,
  })
  fs.closeSync(output)
  child.unref()
  const deadline = Date.now() + TIMEOUT_MS
  while (!isUp(file('log')) && child.exitCode === null && Date.now() < deadline) await sleep(POLL_MS)
  if (!isUp(file('log'))) {
    const said = fs.readFileSync(file('output'), 'utf8')
    await stop()
    throw new Error(`PgBouncer did not start:\n${said}`)
  }
  const through = (url) => {
    const changed = new URL(url)
    changed.hostname = '127.0.0.1'
    changed.port = port
    return changed.href
  }
  return { url: through(serverUrl), port, through, stop }
}

function isUp(log) {
  return fs.existsSync(log) && / process up: /.test(fs.readFileSync(log, 'utf8'))
}

/** `describe` for tests that need a PgBouncer; without one they are skipped, with the reason. */
const describeWithPgBouncer = describeIf(
  binary,
  'no pgbouncer on the PATH; apt-get install pgbouncer brings one',
)

module.exports = { describeWithPgBouncer, startPgBouncer }
