'use strict'

/**
 * A process whose callers grant, charge, submit and refund until its standard input ends. The outcome of each call goes
 * to the standard output, a line of JSON each:
 *
 *   {"what":"granted","id":"…","outcome":"done","at":1767225600000}
 *   {"what":"granted","id":"…","outcome":"refused","at":…,"code":"…","databaseCode":"…","retryable":true}
 *
 * `what` is `granted`, `charged`, `created`, `failed`, `refunded` or `read`; the outcome is `done`, `refused` or
 * `unknown`. Every other caller is stubborn: it repeats a retryable call with the same idempotency key until it is
 * done; then its last line counts.
 *
 * node load.js '{"url":…,"prefix":…,"callers":8,"users":["u0",…]}'
 */

const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../../..')

const { url, prefix, callers, users } = JSON.parse(process.argv[2])
const COST = 3
const PAUSE_MS = 40
const PAUSE_AFTER_REFUSAL_MS = 200

// A server that stops answering is given up after these 5 s and 2 more.
const credits = connect({ url, statementTimeoutMs: 5000 })

let goesOn = true
process.stdin.once('end', () => (goesOn = false)).resume()

const say = (line) => process.stdout.write(`${JSON.stringify({ ...line, at: Date.now() })}\n`)

/** Makes a call, again and again if the caller is stubborn. Returns its result, if it was done. */
async function call(stubborn, what, id, run) {
  for (;;) {
    try {
      const result = await run()
      say({ what, id, outcome: 'done' })
      await sleep(PAUSE_MS)
      return result
    } catch ({ code, databaseCode, retryable, message }) {
      const outcome = code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'refused'
      say({ what, id, outcome, code: code ?? message, databaseCode, retryable })
      await sleep(PAUSE_AFTER_REFUSAL_MS)
      if (!stubborn || !goesOn || !(retryable || outcome === 'unknown')) return undefined
    }
  }
}

async function caller(number) {
  const stubborn = number % 2 === 0
  const key = { replay: true }
  for (let at = 0; goesOn; at++) {
    const id = `${prefix}-${number}-${at}`
    const userId = users[(number + at) % users.length]
    const task = { id, userId, platform: 'youtube', videoUrl: `https://youtu.be/${id}` }
    const grant = { userId, credits: COST, transactionScene: 'gift', transactionNo: `grant-${id}` }
    const charge = { userId, credits: 1, transactionNo: `charge-${id}` }
    const make = (what, run) => call(stubborn, what, id, run)
    await make('granted', () => credits.createCredit(grant, key))
    const created = await make('created', () => credits.createMediaTask(task, COST, key))
    if (created && at % 2) {
      await make('failed', () => credits.updateMediaTaskById(id, { status: 'failed' }))
    }
    const charged = await make('charged', () => credits.consumeCredits(charge, key))
    if (charged && at % 3 === 0) await make('refunded', () => credits.refundCredits(charged.id))
    await make('read', () => credits.getRemainingCredits(userId))
  }
}

Promise.all(Array.from({ length: callers }, (_, number) => caller(number))).finally(() => credits.close())
