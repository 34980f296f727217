'use strict'

/** Runs `media-credits` like an operator, as a separate process, or as one of many command lines of a process. */

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { memoryFolder } = require('../../scripts/memory-folder')
const { Standing } = require('./standing')
const { byStorage } = require('./storage')

const BIN = path.join(__dirname, '../../cli/bin/media-credits.js')

// It ends before the folder below is removed.
const commander = new Standing(path.join(__dirname, 'commander.js'))

/** The folder in which a command runs, so that no `.env` of a developer is found. */
const folder = fs.mkdtempSync(path.join(memoryFolder(), 'media-credits-cli-'))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** Variables that would change a command. Jest sets NODE_ENV. */
const LEFT_OUT = [
  ...['DATABASE_URL', 'DATABASE_PROVIDER', 'DATABASE_AUTH_TOKEN', 'DB_SCHEMA', 'DB_MAX_CONNECTIONS'],
  ...['NODE_ENV', 'FORCE_COLOR', 'NO_COLOR'],
]

/** The environment has only those variables of databases and colours that `env` has. */
function withRest(env) {
  const rest = Object.fromEntries(Object.entries(process.env).filter(([name]) => !LEFT_OUT.includes(name)))
  return { ...rest, ...env }
}

/** Starts a command in its own process. */
function startCli(args, { env = {}, cwd = folder } = {}) {
  return spawn(process.execPath, [BIN, ...args.map(String)], {
    cwd,
    env: withRest(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The end of a command: its code, or the signal, and its output. */
function ended(child) {
  const said = { out: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk) => (said.out += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk) => (said.errors += chunk))
  return new Promise((resolve) =>
    child.on('close', (code, signal) => {
      resolve({ code, signal, out: said.out.trimEnd(), errors: said.errors.trimEnd() })
    }),
  )
}

/** The commands that have run in their own process. */
const started = new Set()

/**
 * Runs a command. The first of each name in a file has its own process, as an operator starts it. The others share one,
 * which takes a tenth of the time: what they test is what JavaScript writes. `isAlone`: not this one, because its own children or
 * native code may write, too.
 */
async function cli(args, { env = {}, cwd = folder, isAlone = env.NODE_OPTIONS !== undefined } = {}) {
  const isFirst = !started.has(args[0])
  started.add(args[0])
  if (isFirst || isAlone) return ended(startCli(args, { env, cwd }))
  const { code, out, errors } = await commander.run({ args: args.map(String), env: withRest(env), cwd })
  return { code, signal: null, out: out.trimEnd(), errors: errors.trimEnd() }
}

/** The same on a database, with the printed document if `--json` is among the arguments. */
async function cliOn(database, ...args) {
  const result = await cli(args, { env: { DATABASE_URL: database.url } })
  return args.includes('--json') && result.out ? { ...result, json: JSON.parse(result.out) } : result
}

/** The warning of each report of doctor on the tests' MySQL, whose time zone is not UTC. */
const USUAL = byStorage({ sqlite: [], postgres: [], mysql: ['time zone'] })

/** The end of doctor's report on a database that needs no more than the tests' server. */
const NO_FINDINGS = USUAL.length === 1 ? '0 problems, 1 warning.' : '0 problems, 0 warnings.'

/** The checks of doctor's report that are not ok, without that warning. */
const findingsOf = ({ checks }) =>
  checks.filter(({ name, status }) => status !== 'ok' && !USUAL.includes(name))

module.exports = { NO_FINDINGS, cli, cliOn, ended, findingsOf, folder, startCli }
