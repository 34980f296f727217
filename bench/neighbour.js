'use strict'

/**
 * The app's own client, which occasionally writes to the same file, as a sign-in or a checkout does: each write is
 * a transaction that updates the app's own row. Run as a file, it does so in its own process.
 */

const { performance } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')

const { ascending } = require('./drive')
const { answerParent, runForked } = require('./forked')

const TIMEOUT_MS = 5000
const OWN_ROW = 'neighbour'
const UPDATE = `UPDATE user SET free_trial_used = free_trial_used + 1 WHERE id = '${OWN_ROW}'`

/**
 * Clients as `{ open(file) }`, which resolves to `{ write(), close() }`. Modules are loaded only where they are
 * used: a process has only the client that the app has.
 */
const CLIENTS = {
  'better-sqlite3': {
    title: 'better-sqlite3, timeout 5000',
    async open(file) {
      const Database = require('./better-sqlite3')
      const database = new Database(file, { fileMustExist: true, timeout: TIMEOUT_MS })
      const update = database.prepare(UPDATE)
      const transaction = database.transaction(() => update.run())
      return { write: async () => transaction.immediate(), close: () => database.close() }
    },
  },
  libsql: {
    title: '@libsql/client, timeout 5000',
    async open(file) {
      const { createClient } = require('@libsql/client')
      const client = createClient({ url: `file:${file}`, timeout: TIMEOUT_MS })
      return { write: () => client.batch([UPDATE], 'write'), close: () => client.close() }
    },
  },
}

/** Writes once per period, or when the previous write is done. Resolves to the durations, sorted. */
async function write({ client: name, file, seconds, periodMs }) {
  const client = await CLIENTS[name].open(file)
  const latencies = []
  let refused = 0
  const start = performance.now()
  for (let due = start; due < start + seconds * 1000; due = nextAfter(due, periodMs)) {
    await sleep(Math.max(0, due - performance.now()))
    const asked = performance.now()
    try {
      await client.write()
      latencies.push(performance.now() - asked)
    } catch (error) {
      if (!error.code?.startsWith('SQLITE_BUSY')) throw error
      refused++
    }
  }
  client.close()
  return { latencies: ascending(latencies), refused }
}

/** The next scheduled time that is not over: writes that were missed during a wait are skipped. */
function nextAfter(due, periodMs) {
  const missed = Math.floor((performance.now() - due) / periodMs)
  return due + periodMs * Math.max(1, missed + 1)
}

/** The same in another process. */
function writeElsewhere(run) {
  return runForked(__filename, run, run.client)
}

if (require.main === module) answerParent(write)

module.exports = { CLIENTS, OWN_ROW, write, writeElsewhere }
