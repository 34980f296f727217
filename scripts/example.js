'use strict'

/**
 * Runs examples/next-app with this package as npm would publish it: `npm run example`, `npm run example -- --build`
 * or `-- --start`. What comes after a further `--` goes to Next.js.
 */

const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const EXAMPLE = path.join(ROOT, 'examples/next-app')

/** Copies the example, without what was installed, built or written in it. */
function copyTo(folder) {
  const left = new Set(['node_modules', '.next', 'data', 'test-results'])
  fs.cpSync(EXAMPLE, folder, { recursive: true, filter: (file) => !left.has(path.relative(EXAMPLE, file)) })
}

/**
 * Installs the example in `folder`, a copy of it or itself, and makes those tables that its database lacks. It
 * changes none that is there: DATABASE_URL may be that of another app.
 */
function prepare(folder = EXAMPLE, env = process.env) {
  install(folder)
  run('npm', ['run', '--silent', 'db:init'], folder, env)
}

/** Installs what the example's lock file says, and this package, which is not in it: it is built here. */
function install(folder = EXAMPLE) {
  const packed = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-packed-'))
  try {
    run('npm', ['pack', '--silent', '--pack-destination', packed], ROOT)
    run('npm', ['ci', '--no-audit', '--no-fund'], folder)
    const tarball = path.join(packed, fs.readdirSync(packed)[0])
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', tarball], folder)
  } finally {
    fs.rmSync(packed, { recursive: true })
  }
}

/** Starts Next.js: `dev`, `build` or `start`. It is one process to signal, without npm in between. */
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
  // What was built has been prepared.
  if (command !== 'start') prepare()
  const server = next(EXAMPLE, command, args.slice(end + 1))
  server.on('exit', (code) => (process.exitCode = code ?? 1))
  // The terminal tells both to stop; whoever stops this process alone means the server too.
  process.on('SIGINT', () => {}).on('SIGTERM', () => server.kill())
}

if (require.main === module) main(process.argv.slice(2))

module.exports = { EXAMPLE, copyTo, install, next, prepare }
