'use strict'

/** pgbench, as a yardstick: the rate of the same server with a client made for it. */

const { execFile, execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')

const { installed } = require('../scripts/postgres-binaries')
const { WARM_UP_SECONDS } = require('./rounds')

const CLIENTS = 16
const THREADS = 2
const PGBENCH = `pgbench -N, ${CLIENTS} clients`
const run = promisify(execFile)

/** Creates pgbench's own database, and returns the command; without pgbench, only a description. */
async function initializePgbench(databases) {
  const command = installed()
    .map((bin) => path.join(bin, 'pgbench'))
    .find((file) => fs.existsSync(file))
  if (!command) return { description: 'There is no pgbench here, so no yardstick.' }
  const url = await databases.create('pgbench')
  // With a scale of 1 its tables are not larger than those of the other contestants.
  await run(command, ['--initialize', '--quiet', '--scale', '1', url])
  const version = execFileSync(command, ['--version'], { encoding: 'utf8' }).trim()
  const description = `${version}: scale 1, ${CLIENTS} clients, ${THREADS} threads, over TCP.`
  return { command, description, url, checkpoint: () => databases.admin`CHECKPOINT` }
}

async function runPgbench({ command, url, checkpoint }, seconds) {
  await checkpoint()
  const runFor = (time) =>
    run(command, ['-N', '-c', `${CLIENTS}`, '-j', `${THREADS}`, '-T', `${time}`, '--no-vacuum', url])
  await runFor(WARM_UP_SECONDS)
  const { stdout } = await runFor(seconds)
  const [, tps] = stdout.match(/^tps = ([\d.]+)/m)
  return { tasksPerSecond: Number(tps) }
}

module.exports = { PGBENCH, initializePgbench, runPgbench }
