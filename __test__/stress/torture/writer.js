'use strict'

/**
 * A process that writes to one SQLite file with one or several clients at once, until its time is up.
 * Each acknowledged commit is a line on the standard output:
 *
 *   task <id>      addon: a task and its charge of 1
 *   failed <id>    addon: that task failed, its charge was refunded
 *   grant <id>     app's client: a row of `credit`, and one more on the counter of user `counter`
 *   error <text>   something that must not happen
 *
 * With `killed` it is going to be killed, and writes each line at once: at most the last one is lost.
 *
 * node writer.js '{"file":…,"name":…,"clients":["addon","libsql","better-sqlite3"],"reopen":true,"seconds":3}'
 */

const fs = require('node:fs')
const v8 = require('node:v8')
const vm = require('node:vm')

const { file, name, clients, reopen, killed, seconds, journalMode } = JSON.parse(process.argv[2])
const deadline = Date.now() + seconds * 1000
// How many transactions are between closing and opening again.
const REOPEN_AFTER = 20
const BUFFER = killed ? 0 : 4096

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc')

let lines = ''
function say(line) {
  lines += `${line}\n`
  if (lines.length > BUFFER) flush()
}
// Synchronous: a written line is in the pipe even if the process dies now.
function flush() {
  for (let rest = Buffer.from(lines); rest.length;) rest = rest.subarray(writeSome(rest))
  lines = ''
}
function writeSome(bytes) {
  try {
    return fs.writeSync(1, bytes)
  } catch (error) {
    if (error.code === 'EAGAIN') return 0
    throw error
  }
}

// On a busy machine a process may start late: it continues until it has committed at least once.
const TIMEOUT_MS = 10_000
const running = (gotSomewhere) => Date.now() < (gotSomewhere ? deadline : deadline + TIMEOUT_MS)
const isBusy = (error) =>
  /SQLITE_BUSY|database is locked|DATABASE_BUSY/.test(`${error.code} ${error.message}`)
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Runs `transaction(number)` again and again; a busy database is no error. */
async function repeat(client, open, close, transaction) {
  let connection = await open()
  let gotSomewhere = false
  for (let number = 0; running(gotSomewhere); number++) {
    try {
      await transaction(connection, `${name}-${client}-${number}`)
      gotSomewhere = true
    } catch (error) {
      if (!isBusy(error)) {
        say(`error ${client}: ${error.code} ${error.message}`)
        gotSomewhere = true
      }
    }
    if (reopen && number % REOPEN_AFTER === 0) {
      await close(connection)
      connection = await open()
    }
    await turn()
  }
  await close(connection)
}

const GRANT = `INSERT INTO credit
  (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status)
  VALUES (?, 'counter', ?, 'grant', 1, 1, 'active')`
const COUNT = "UPDATE user SET free_trial_used = free_trial_used + 1 WHERE id = 'counter'"

const writers = {
  addon() {
    const { connect } = require('../../..')
    const open = () => connect({ url: `file:${file}`, journalMode })
    const close = (credits) => credits.close()
    const CALLERS = 8
    const caller = (at) =>
      repeat(`addon${at}`, open, close, async (credits, id) => {
        await credits.createMediaTask(
          { id, userId: 'u', platform: 'youtube', videoUrl: 'https://youtu.be/x' },
          1,
        )
        say(`task ${id}`)
        if (id.endsWith('7')) {
          await credits.updateMediaTaskById(id, { status: 'failed' })
          say(`failed ${id}`)
        }
      })
    return Promise.all(Array.from({ length: CALLERS }, (_, at) => caller(at)))
  },

  libsql() {
    const { createClient } = require('@libsql/client')
    // By default it never waits, and hardly gets a turn.
    const open = () => createClient({ url: `file:${file}`, timeout: 50 })
    const close = (client) => {
      client.close()
      // It closes the file only when its statements are collected.
      collectGarbage()
    }
    return repeat('libsql', open, close, async (client, id) => {
      const transaction = await client.transaction('write')
      try {
        await transaction.execute({ sql: GRANT, args: [id, id] })
        await transaction.execute(COUNT)
        await transaction.commit()
        say(`grant ${id}`)
      } finally {
        transaction.close()
      }
    })
  },

  'better-sqlite3'() {
    const Database = require('../../../bench/better-sqlite3')
    const open = () => new Database(file, { timeout: 50 })
    const close = (database) => database.close()
    return repeat('better', open, close, (database, id) => {
      const grant = database.transaction(() => {
        database.prepare(GRANT).run(id, id)
        database.prepare(COUNT).run()
      })
      grant.immediate()
      say(`grant ${id}`)
    })
  },
}

process.on('uncaughtException', (error) => {
  say(`error ${error.stack}`)
  flush()
  process.exit(1)
})

Promise.all(clients.map((client) => writers[client]())).then(flush)
