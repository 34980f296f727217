'use strict'

/** What the commands of this folder have in common: their options, and where their files go. */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

/** What was asked for makes no sense. */
class UsageError extends Error {}

/**
 * The command line, and `--dir` with it. An option is what its default is: a whole number from 1, a text, or
 * a flag.
 */
function readOptions(ownDefaults) {
  const defaults = { dir: os.tmpdir(), ...ownDefaults }
  const entries = Object.entries(defaults)
  const options = entries.map(([name, value]) => [
    name,
    typeof value === 'boolean'
      ? { type: 'boolean', default: value }
      : { type: 'string', default: `${value}` },
  ])
  const { values } = parseArgs({ options: Object.fromEntries(options) })
  const numbers = entries.filter(([, value]) => typeof value === 'number')
  const counts = numbers.map(([name]) => [name, positive(name, values[name])])
  return { ...values, ...Object.fromEntries(counts), dir: path.resolve(values.dir) }
}

/** The options of a benchmark of `scenarios` before a server: `--only` names some of them, each with its users. */
function readScenarios(scenarios, ownDefaults) {
  const only = Object.keys(scenarios).join()
  const { quick, only: names, ...options } = readOptions({ ...ownDefaults, users: 1000, only, quick: false })
  if (quick) Object.assign(options, { seconds: 1, rounds: 1 })
  const chosen = names.split(',').map((name) => {
    if (Object.hasOwn(scenarios, name)) return { users: options.users, ...scenarios[name] }
    throw new UsageError(`--only: ${name} is none of ${Object.keys(scenarios)}`)
  })
  return { ...options, scenarios: chosen }
}

function positive(name, given) {
  const number = Number(given)
  if (Number.isSafeInteger(number) && number >= 1) return number
  throw new UsageError(`--${name} ${given}: a whole number from 1 is needed`)
}

/** A folder for the time of this process. */
function scratchFolder(dir) {
  const folder = fs.mkdtempSync(path.join(dir, 'media-credits-bench-'))
  // On every way out, Ctrl-C too; then a forked process may be writing for a moment longer.
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  return folder
}

function runCommand(main) {
  main().catch((error) => {
    const usage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS')
    process.stderr.write(`${usage ? error.message : error.stack}\n`)
    process.exit(1)
  })
}

module.exports = { UsageError, readOptions, readScenarios, runCommand, scratchFolder }
