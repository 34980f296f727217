'use strict'

/**
 * A process that makes concurrent calls, and prints the outcome of each, in their order: `accepted`, `replayed`, or
 * the code of the refusal. It begins when the given number of processes has started: each makes a
 * grant for the user `gate`.
 *
 * node caller.js <url> <number> <processes> <calls>
 */

const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../..')

const [url, number, processes, calls] = process.argv.slice(2)
const credits = connect({ url })

const TIMEOUT_MS = 60_000
const POLL_MS = 5

/** Waits for the other processes, with a timeout: one of them may have died. */
async function untilAllAreThere() {
  await credits.createCredit({ userId: 'gate', credits: 1, transactionNo: `gate ${number}` })
  const deadline = Date.now() + TIMEOUT_MS
  // Readers that never pause keep a virtual machine from writing to its disk.
  while ((await credits.getCreditsCount({ userId: 'gate' })) < Number(processes)) {
    if (Date.now() > deadline) throw new Error('the other processes did not come')
    await sleep(POLL_MS)
  }
}

async function main() {
  await untilAllAreThere()
  const made = JSON.parse(calls).map(([name, ...args]) => credits[name](...args))
  for (const { reason, value } of await Promise.allSettled(made)) {
    fs.writeSync(1, `${reason ? reason.code : value?.replayed ? 'replayed' : 'accepted'}\n`)
  }
}

main().finally(() => credits.close())
