'use strict'

/**
 * Runs examples/next-app with this package as npm would publish it: `npm run example`, `npm run example --
 * --build` or `-- --start`. Arguments after a further `--` are for Next.js.
 */

const { execFileSync, spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { platforms, thisPlatform } = require('../lib/native/platforms')

const ROOT = path.join(__dirname, '..')
const EXAMPLE = path.join(ROOT, 'examples/next-app')

/** Copies the example, without installed, built or generated files. */
function copyTo(folder) {
  const left = new Set(['node_modules', '.next', 'data', 'test-results'])
  fs.cpSync(EXAMPLE, folder, { recursive: true, filter: (file) => !left.has(path.relative(EXAMPLE, file)) })
}

/** Installs the packages in the example's lock file, and this package, which is built here. */
function install(folder = EXAMPLE) {
  const packed = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-packed-'))
  try {
    const tarballs = pack(packed)
    run('npm', ['ci', '--no-audit', '--no-fund'], folder)
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', ...tarballs], folder)
  } finally {
    fs.rmSync(packed, { recursive: true })
  }
}

/** Packs what is published: the package, and this platform's binary in its own package. Returns the tarballs. */
function pack(folder) {
  const made = path.join(folder, 'npm')
  const platform = thisPlatform()
  // For a platform without a published binary: the checkout, with the binary that was built in it.
  let sources = [ROOT]
  if (platform in platforms) {
    const script = path.join(__dirname, 'platform-packages.js')
    execFileSync(process.execPath, [script, ROOT, '--some', '--into', made], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    sources = [path.join(made, 'media-credits'), path.join(made, platform)]
  }
  run('npm', ['pack', '--silent', '--pack-destination', folder, ...sources], ROOT)
  const tarballs = fs.readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  return tarballs.map((name) => path.join(folder, name))
}

/** Creates missing tables. Existing ones are not changed: DATABASE_URL may belong to another app. */
function makeTables(folder = EXAMPLE, env = process.env) {
  // A stock app has no media tasks.
  const tables = env.APP_GENERATION === 'stock' ? ['--', '--tables', 'user,credit,ai_task'] : []
  run('npm', ['run', '--silent', 'db:init', ...tables], folder, env)
}

/** The environment of an app on this database, without the shell's variables for another one. */
function environment(url, own = {}) {
  const {
    APP_GENERATION,
    DATABASE_PROVIDER,
    DATABASE_AUTH_TOKEN,
    DB_SCHEMA,
    PROVIDER_STEP_MS,
    STUCK_AFTER_MS,
    ...inherited
  } = process.env
  return { ...inherited, DATABASE_URL: url, ...own }
}

/** Builds the app from scratch. If that fails, the error has Next.js's output. */
async function build(folder, args = [], env = process.env) {
  fs.rmSync(path.join(folder, '.next'), { recursive: true, force: true })
  const building = next(folder, 'build', args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [building.stdout, building.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => (said += chunk))
  }
  // Not `exit`, because output may still arrive after it.
  const [code] = await once(building, 'close')
  if (code !== 0) throw new Error(`next build ${args.join(' ')} failed:\n${said}`)
}

/** Starts Next.js: `dev`, `build` or `start`. It is a single process without npm, so that signals reach it. */
function next(folder, command, args = [], { env = process.env, ...options } = {}) {
  const script = path.join(folder, 'node_modules/next/dist/bin/next')
  return spawn(process.execPath, [script, command, ...args], {
    cwd: folder,
    env: { NEXT_TELEMETRY_DISABLED: '1', ...env },
    stdio: 'inherit',
    ...options,
  })
}

function run(command, args, cwd, env = process.env) {
  execFileSync(command, args, { cwd, env, stdio: 'inherit', shell: process.platform === 'win32' })
}

function main(args) {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const flags = args.slice(0, end)
  const command = flags.includes('--build') ? 'build' : flags.includes('--start') ? 'start' : 'dev'
  // The build has prepared everything.
  if (command !== 'start') {
    install()
    makeTables()
  }
  const server = next(EXAMPLE, command, args.slice(end + 1))
  server.on('exit', (code) => (process.exitCode = code ?? 1))
  // Ctrl-C reaches both; a signal to this process alone must be passed on to the server.
  process.on('SIGINT', () => {}).on('SIGTERM', () => server.kill())
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { EXAMPLE, build, copyTo, environment, install, makeTables, next }
