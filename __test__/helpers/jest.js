'use strict'

/** Runs Jest like an app, on test files in a separate folder. */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const JEST = require.resolve('jest/bin/jest')

/** Sorted by name, since Jest begins with the files that took longest the last time, or are the largest. */
const SEQUENCER = `
  module.exports = class {
    shard(tests) { return tests }
    cacheResults() {}
    allFailedTests(tests) { return tests }
    sort(tests) { return [...tests].sort((one, other) => (one.path < other.path ? -1 : 1)) }
  }`

/** Runs `files`, the sources of the test files by their names. Returns Jest's exit code and output. */
function runJest(files, { args = [], config = {}, env = {} } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-jest-'))
  try {
    const sequencer = path.join(folder, 'sequencer.js')
    fs.writeFileSync(sequencer, SEQUENCER)
    for (const [name, source] of Object.entries(files)) {
      fs.writeFileSync(path.join(folder, `${name}.test.js`), source)
    }
    const all = { rootDir: folder, testSequencer: sequencer, transform: {}, cache: false, ...config }
    const { status, stderr } = spawnSync(
      process.execPath,
      [JEST, '--watchman=false', '--config', JSON.stringify(all), ...args],
      { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } },
    )
    return { status, stderr }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

module.exports = { runJest }
