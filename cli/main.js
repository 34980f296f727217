'use strict'

/** `npx media-credits`: its commands and their exit codes. */

const { Command, CommanderError } = require('commander')
const { version } = require('../package.json')
const { NoDatabaseError, withoutSecrets } = require('./database')
const { DONE, MISUSED, TROUBLE } = require('./exit-codes')
const { coloursOf } = require('./output')

const COMMANDS = [
  'adopt',
  'doctor',
  'audit',
  'repair',
  'balance',
  'statement',
  'grant',
  'grants',
  'expiring',
  'stuck',
  'init',
  'build',
]

const HELP = `
The database: --url, or the file of --env, or the environment's DATABASE_URL, or that of the env files of this folder,
read as Next.js reads them (NODE_ENV chooses; without it, those of development and then those of production).
It is file:data/local.db, a plain path, libsql://host (with DATABASE_AUTH_TOKEN), postgres://user:password@host/database or
mysql://user:password@host/database.
Other users of the machine can see --url in the list of processes: a password is safer in the environment.

Exit codes:
  0  done, and nothing is wrong
  1  something was found: a problem, findings, changes to make, stuck tasks
  2  usage error
  3  the command failed: no database, or the ledger refused

Examples:
  $ npx media-credits doctor
  $ npx media-credits audit --json
  $ npx media-credits grant user_42 100 --expires 30d --transaction-no order-1047
  $ npx media-credits help grant`

function program() {
  const program = new Command('media-credits')
    .description('Manages the credits in the database of an app: docs/cli.md.')
    .version(version, '-v, --version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', HELP)
    .configureOutput({ outputError: (text, write) => write(misused(text)) })
    .exitOverride()
  for (const name of COMMANDS) {
    const command = require(`./commands/${name}`)(program)
    command.helpOption('-h, --help', 'show this help')
  }
  return program
}

/** Arguments are quoted in messages. The beginning of a long one is enough. */
const misused = (text) =>
  withoutSecrets(text.replace(/^error: /, 'media-credits: ')).replace(/'([^']{100})[^']+'/g, "'$1…'")

/** Runs the command in `argv`, and sets the process's exit code. */
async function main(argv) {
  ignoreClosedPipes()
  const made = program()
  try {
    await made.parseAsync(argv)
    process.exitCode ??= DONE
  } catch (error) {
    process.exitCode = exitCodeOf(error)
    if (!(error instanceof CommanderError)) say(error, argv.includes('--json'))
    // Without a command, the help has been written already.
    else if (process.exitCode === MISUSED && error.code !== 'commander.help') {
      process.stderr.write('(see --help)\n')
    }
  }
}

/** The library's codes for invalid arguments. */
const ABOUT_ARGUMENTS = ['INVALID_AMOUNT', 'INVALID_ARGUMENT', 'INVALID_DATE', 'INVALID_ID', 'INVALID_VALUE']

function exitCodeOf(error) {
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : MISUSED
  return ABOUT_ARGUMENTS.includes(error.code) ? MISUSED : TROUBLE
}

/** An error as a sentence, or with `--json` as a document. */
function say(error, json) {
  const { code = 'INTERNAL', retryable = false, ...details } = error
  const message = error instanceof NoDatabaseError ? withoutSecrets(error.message) : error.message
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, retryable, ...details } })}\n`)
    return
  }
  const { red } = coloursOf(process.stderr)
  // A bug of this package is shown with its stack.
  const said = error.constructor === TypeError || error.constructor === ReferenceError ? error.stack : message
  process.stderr.write(`${red(said.replace(/^(?!media-credits )/, 'media-credits: '))}\n`)
}

/** With `media-credits audit | head` the reader closes the pipe. What was found until then counts. */
function ignoreClosedPipes() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error
      process.exit(process.exitCode ?? DONE)
    })
  }
}

module.exports = { main }
