'use strict'

/** Commands that the docs name: each must exist, with its options; some are run. */

const { execFile, execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')
const { ROOT } = require('./blocks')

const BIN = path.join(ROOT, 'cli/bin/media-credits.js')

/** Commands that are neither in this repository nor run here, with the reason. */
const OTHERS = {
  'npm ci': 'npm has it; it would replace node_modules under the tests',
  'npm test': 'it runs this test',
  'npm install media-credits': 'asks the registry',
  'npm install media-credits @libsql/client': 'asks the registry; start.test.js does without',
  'node --env-file=.env start.mjs': 'start.test.js runs it, in a folder with the file',
  'npm install @opentelemetry/api': 'asks the registry',
  'npx --package typescript@5 --package media-credits media-credits adopt': 'asks the registry',
  'npm pack ./npm/media-credits ./npm/linux-x64-gnu':
    'it belongs to npm; the command before it makes the folders',
  'npx drizzle-kit push': "Drizzle's own, in the app",
  'npx jest --selectProjects sqlite': 'it runs this test',
}

/** Commands that are run here: they are quick, and change only their folder or the test's database. */
const isRun = (command) => command === 'node scripts/smoke.js' || /^npx media-credits (?!build)/.test(command)

/** The commands in a text of lines, each with its line, from 1. */
function commandsIn(text) {
  return text.split('\n').flatMap((line, at) =>
    line
      .replace(/(^|\s)#.*/, '')
      .split('&&')
      .map((command) => ({ line: at + 1, text: command.trim() }))
      .filter(({ text }) => text !== ''),
  )
}

/** The error in a command on a page; `undefined` if there is none. */
function problemWith(command, page) {
  const [program, first, ...args] = command.split(/\s+/).filter((word) => !/^[A-Z_]+=/.test(word))
  if ([program, first, ...args].join(' ') in OTHERS) return undefined
  if (program === 'npm' && first === 'run') {
    const [name, ...options] = args
    const scripts = scriptsFor(page)
    if (!(name in scripts)) return `package.json has no script "${name}"`
    return unknownOption(options, sourcesOf(scripts[name]))
  }
  if (program === 'npx' && first === 'media-credits') {
    const [name] = args[0]?.startsWith('--') ? [] : args
    const isNamed = name === undefined || new RegExp(`(^ *|media-credits )${name}\\b`, 'm').test(helpOn(name))
    return isNamed ? unknownOption(args, helpOn(name)) : `its help does not name "${name}"`
  }
  if (program === 'node' || program === 'bash') {
    if (!fs.existsSync(path.join(ROOT, first))) return `there is no ${first}`
    return unknownOption(args, fs.readFileSync(path.join(ROOT, first), 'utf8'))
  }
  return `neither a command of this repository nor one that ${path.basename(__filename)} lists`
}

const helps = new Map()

/** The help of `npx media-credits` on a command, or on all. */
function helpOn(name) {
  if (!helps.has(name)) {
    const args = [BIN, name, '--help'].filter((arg) => arg !== undefined)
    helps.set(name, execFileSync(process.execPath, args, { encoding: 'utf8' }))
  }
  return helps.get(name)
}

/** The scripts of the package, and those of the folder that a page is about. */
function scriptsFor(page) {
  const folders = [...new Set([ROOT, path.join(ROOT, path.dirname(page))])]
  const manifests = folders.map((folder) => path.join(folder, 'package.json')).filter(fs.existsSync)
  return Object.assign({}, ...manifests.map((file) => JSON.parse(fs.readFileSync(file, 'utf8')).scripts))
}

/** The text of each file that a script of package.json runs. */
function sourcesOf(script) {
  const files = script.split(/\s+/).filter((word) => /^[\w.-]+\/[\w./-]+$/.test(word))
  return files
    .map((file) => path.join(ROOT, file))
    .filter(fs.existsSync)
    .map((file) => fs.readFileSync(file, 'utf8'))
    .join('\n')
}

/** A program names its options as `'no-wait'`, `wait:` or `--wait`. Arguments after a second `--` are for another program. */
function unknownOption(args, source) {
  const own = args[0] === '--' ? args.slice(1) : args
  const until = own.indexOf('--')
  for (const arg of own.slice(0, until === -1 ? undefined : until)) {
    const [, name] = /^--([a-z-]+)/.exec(arg) ?? []
    const isKnown = name === undefined || new RegExp(`'${name}'|\\b${name}:|--${name}\\b`).test(source)
    if (!isKnown) return `there is no option --${name}`
  }
  return undefined
}

/** Runs a command like a shell, with this checkout's `npx media-credits`. */
function runCommand(command, { folder, url }) {
  const npx = 'npx() { shift; "$NODE" "$BIN" "$@"; }'
  const env = { ...process.env, NODE: process.execPath, BIN, DATABASE_URL: url }
  const inRoot = command.startsWith('node ')
  return promisify(execFile)('sh', ['-c', `${npx}\n${command}`], { cwd: inRoot ? ROOT : folder, env })
}

module.exports = { commandsIn, isRun, problemWith, runCommand }
