'use strict'

/**
 * npm test [-- arguments of Jest]
 *
 * Builds Rust's tests and the addon together, then runs both suites concurrently: each spends half of its
 * time waiting for disks and servers.
 */

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { addonFor, place, runCargo } = require('./build')

const ROOT = path.join(__dirname, '..')
const CARGO_TEST = ['--config', path.join(__dirname, 'tests.toml'), 'test', '--release', '--locked']

/** Runs a command and resolves to its exit code. With `isHeld`, its output is printed when it has ended. */
async function run(program, args, { isHeld = false } = {}) {
  const child = spawn(program, args, { cwd: ROOT, stdio: isHeld ? 'pipe' : 'inherit' })
  const pieces = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => pieces.push(piece))
  const [code] = await once(child, 'close')
  process.stdout.write(Buffer.concat(pieces))
  return code ?? 1
}

async function main() {
  place(runCargo([...CARGO_TEST, '--no-run']), addonFor())
  const jest = path.join(path.dirname(require.resolve('jest/package.json')), 'bin', 'jest.js')
  const codes = await Promise.all([
    run('cargo', CARGO_TEST, { isHeld: true }),
    run(process.execPath, [jest, ...process.argv.slice(2)]),
  ])
  process.exitCode = codes.find((code) => code !== 0) ?? 0
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
