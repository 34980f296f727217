'use strict'

/**
 * Tests all platforms on one machine: `npm run platforms`. It needs Linux x64 with apt, and an hour or more.
 *
 * The binaries for musl, arm64 and Windows are built and loaded by a Node of that platform, under QEMU or Wine if
 * necessary; this machine's binary is also loaded by other versions of Node. Each charges and refunds
 * (`scripts/smoke.js`) and runs Jest, whole or in part. `targets.js` lists them; what they need is downloaded once to
 * `target/platforms/`, where each also has a file with its output.
 *
 * node scripts/platforms/run.js [--only name[,name]] [--smoke]
 *
 * `--smoke` leaves out Jest. Other versions of Node (`--only node-22,node-24,node-26`) run on every system that has them.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { CACHE, ROOT } = require('./cache')
const { thisPlatform } = require('../../lib/native/platforms')
const { packageFor } = require('./package')
const { binaries, versions } = require('./targets')

const SMOKE_MS = 5 * 60_000
const JEST_MS = 2 * 3_600_000

const JEST = 'node_modules/jest/bin/jest.js'

function main() {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, smoke: { type: 'boolean', default: false } },
  })
  const targets = { ...binaries, ...versions }
  const names = values.only?.split(',') ?? Object.keys(targets)
  const unknown = names.filter((name) => !(name in targets))
  if (unknown.length) throw new Error(`${unknown} is none of ${Object.keys(targets).join(', ')}`)
  if (names.some((name) => name in binaries)) assertBuilds()
  fs.mkdirSync(CACHE, { recursive: true })
  const rows = names.map((name) => tried(name, targets[name], values.smoke))
  console.log(table(rows))
  if (rows.some(({ failed }) => failed)) process.exitCode = 1
}

function assertBuilds() {
  const debian = spawnSync('apt-get', ['--version']).status === 0
  if (thisPlatform() === 'linux-x64-gnu' && debian) return
  throw new Error(
    'other platforms are built on Linux x64 with glibc and apt-get; `--only` names what runs elsewhere',
  )
}

/** A row of the table. If something can't be built or run, the row says so, and the others are still tried. */
function tried(name, target, smokeAlone) {
  const row = { name, builtWith: '', node: '', smoke: 'not run', jest: [], failed: false }
  const start = Date.now()
  const log = path.join(CACHE, `${name}.log`)
  fs.writeFileSync(log, '')
  try {
    const { folder, says } =
      name in binaries ? packageFor(name, target.rust) : { folder: ROOT, says: 'as here' }
    row.builtWith = target.rust ? `${target.rust}, ${says}` : says
    const tester = new Tester(folder, target.node(), log)
    row.node = `${tester.version()}${target.under ? ` under ${target.under}` : ''}`
    row.smoke = tester.smoke()
    row.failed = row.smoke !== 'passed'
    for (const [project, part] of Object.entries(smokeAlone ? {} : target.jest)) {
      const result = tester.jest(project, part)
      row.jest.push(result.says)
      row.failed ||= result.failed
    }
  } catch (error) {
    row.failed = true
    fs.appendFileSync(log, `${error.stack}\n${error.stderr ?? ''}\n`)
  }
  const seconds = Math.round((Date.now() - start) / 1000)
  console.error(
    `${name}: ${row.failed ? `failed, ${path.relative(ROOT, log)} says why` : 'ok'} (${seconds} s)`,
  )
  return row
}

/** Runs scripts in a folder with another Node. */
class Tester {
  constructor(folder, node, log) {
    this.folder = folder
    this.node = node
    this.log = log
  }

  /** Its output goes to a file: under Wine, Node can only write to Wine's own pipes. */
  run(args, timeout) {
    const file = fs.openSync(this.log, 'a')
    const start = fs.fstatSync(file).size
    // Processes that a test starts as `node` use this one too.
    const env = { ...process.env, PATH: `${path.dirname(this.node)}:${process.env.PATH}` }
    const stdio = ['ignore', file, file]
    const { status } = spawnSync(this.node, args, {
      cwd: this.folder,
      env,
      stdio,
      timeout,
      killSignal: 'SIGKILL',
    })
    fs.closeSync(file)
    return { status, output: fs.readFileSync(this.log).subarray(start).toString() }
  }

  version() {
    const { status, output } = this.run(['--print', 'process.versions.node'], SMOKE_MS)
    if (status !== 0) throw new Error('Node itself does not run')
    return output.trim()
  }

  smoke() {
    return this.run(['scripts/smoke.js'], SMOKE_MS).status === 0 ? 'passed' : 'failed'
  }

  jest(project, part) {
    const results = `${this.log}.json`
    fs.rmSync(results, { force: true })
    const files = part === true ? [] : part.map((start) => `__test__/shared/${start}`)
    const how = ['--selectProjects', project, '--json', '--outputFile', path.relative(this.folder, results)]
    const { status } = this.run([JEST, ...files, ...how], JEST_MS)
    if (!fs.existsSync(results)) return { failed: true, says: `${project}: Jest did not end` }
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(fs.readFileSync(results))
    const says = `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`
    return { failed: status !== 0, says: `${project}${part === true ? '' : ', a part'}: ${says}` }
  }
}

/** As Markdown, for docs/compatibility.md. */
function table(rows) {
  const cells = rows.map(({ name, builtWith, node, smoke, jest }) => [
    name,
    builtWith,
    node,
    smoke,
    jest.join('; '),
  ])
  const lines = [['target', 'built with', 'Node', 'smoke', 'Jest'], Array(5).fill('---'), ...cells]
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

if (require.main === module) {
  try {
    main()
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
