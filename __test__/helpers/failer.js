'use strict'

/**
 * A process that fails tasks with regrantDays, from its own place in the list on, this many at once. It prints
 * `failed <id>` for each acknowledged call, also if another process has failed the task before.
 *
 * node failer.js <url> <number> <callers> <JSON list of ids>
 */

const fs = require('node:fs')
const { connect } = require('../..')

const [url, number, callers, list] = process.argv.slice(2)
const { updateMediaTaskById } = connect({ url })
const ids = JSON.parse(list)
const from = Math.floor((ids.length * Number(number)) / 3)
const waiting = [...ids.slice(from), ...ids.slice(0, from)]

async function caller() {
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    await updateMediaTaskById(id, { status: 'failed' }, { refundPolicy: { regrantDays: 30 } })
    // Written at once, so that the parent reads it even if this process is killed right after.
    fs.writeSync(1, `failed ${id}\n`)
  }
}

for (let at = 0; at < Number(callers); at++) caller()
