'use strict'

/** A process of `load.js`, and its lines so far. */

const { spawn } = require('node:child_process')
const path = require('node:path')
const readline = require('node:readline')
const { setTimeout: sleep } = require('node:timers/promises')

const CALLERS = 8

class Load {
  told = []

  /** `way` is the name of the URL, `prefix` that of its keys. */
  constructor(way, url, prefix, users) {
    this.way = way
    const options = JSON.stringify({ url, prefix, users, callers: CALLERS })
    this.child = spawn(process.execPath, [path.join(__dirname, 'load.js'), options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = readline.createInterface({ input: this.child.stdout })
    lines.on('line', (line) => this.told.push(JSON.parse(line)))
    this.ended = new Promise((resolve) => lines.once('close', resolve))
  }

  /** The writes that were acknowledged. */
  written() {
    return this.told.filter(({ what, outcome }) => outcome === 'done' && what !== 'read')
  }

  stop() {
    this.child.stdin.end()
    return this.ended
  }
}

/** Waits until each load has written this many times more. Returns those that did not in time. */
async function untilMore(loads, count, timeoutMs) {
  const goals = loads.map((load) => load.written().length + count)
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const idle = loads.filter((load, at) => load.written().length < goals[at])
    if (!idle.length || Date.now() > deadline) return idle
    await sleep(100)
  }
}

module.exports = { Load, untilMore }
