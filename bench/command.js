'use strict'

/** What the benchmarks share: their options, and where their files go. */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

/** A usage error. */
class UsageError extends Error {}

/**
 * Reads the command line, including `--dir`. The type of an option is that of its default: a whole number from 1,
 * a text, or a flag.
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

/** The options of a benchmark with `scenarios` on a server: `--only` selects some of them, each with its users. */
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

/** A folder that exists while this process runs. */
function scratchFolder(dir) {
  const folder = fs.mkdtempSync(path.join(dir, 'media-credits-bench-'))
  // On every exit, also after Ctrl-C; a forked process may then still write for a moment.
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
