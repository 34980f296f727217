'use strict'

/**
 * A process that makes concurrent calls, and tells the outcome of each, in their order: `accepted`, `replayed`, or
 * the code of the refusal. It begins when the given number of processes has started: each makes a
 * grant for the user `gate`.
 *
 * node caller.js <{ url, number, processes, calls }> prints them. Without an argument the parent sends one such job
 * after the other, and gets the list of each.
 */

const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../..')

const TIMEOUT_MS = 60_000
const POLL_MS = 5

/** Waits for the other processes, with a timeout: one of them may have died. */
async function untilAllAreThere(credits, { number, processes }) {
  await credits.createCredit({ userId: 'gate', credits: 1, transactionNo: `gate ${number}` })
  const deadline = Date.now() + TIMEOUT_MS
  // Readers that never pause keep a virtual machine from writing to its disk.
  while ((await credits.getCreditsCount({ userId: 'gate' })) < processes) {
    if (Date.now() > deadline) throw new Error('the other processes did not come')
    await sleep(POLL_MS)
  }
}

async function work(job, tell) {
  const credits = connect({ url: job.url })
  try {
    await untilAllAreThere(credits, job)
    const made = job.calls.map(([name, ...args]) => credits[name](...args))
    for (const { reason, value } of await Promise.allSettled(made)) {
      tell(reason ? reason.code : value?.replayed ? 'replayed' : 'accepted')
    }
  } finally {
    await credits.close()
  }
}

const [only] = process.argv.slice(2)
if (only) work(JSON.parse(only), (line) => fs.writeSync(1, `${line}\n`))
else {
  process.on('message', async (job) => {
    const lines = []
    await work(job, (line) => lines.push(line))
    process.send(lines)
  })
}
