'use strict'

/**
 * A process whose app makes calls for a user in its own transactions, one after the other, and commits each. It prints
 * `written <number>` before it commits, and `committed <number>` after the commit, or
 * `INSUFFICIENT_CREDITS <number>`. Each call has its number in its key, `<what>-<number>`.
 *
 * node transactor.js <storage> <url> <user> <from> <to> <what>
 */

const fs = require('node:fs')

const [storage, url, userId, from, to, what] = process.argv.slice(2)
const { TRANSACTIONS } = require('./transactions')
const { within } = require('../..')

const taskOf = (id) => ({
  id,
  userId,
  platform: 'youtube',
  videoUrl: `https://youtu.be/${id}`,
  outputType: 'subtitle',
})

const CALLS = {
  charge: (credits, key) => credits.consumeCredits({ userId, credits: 1, transactionNo: key }),
  grant: (credits, key) => credits.createCredit({ userId, credits: 1, transactionNo: key }),
  task: (credits, key) => credits.createMediaTask(taskOf(key), 1),
  async failure(credits, key) {
    await credits.createMediaTask(taskOf(key), 1)
    await credits.updateMediaTaskById(key, { status: 'failed' })
  },
  batch(credits, key) {
    const charges = [key, `${key}-pair`].map((transactionNo) => ({ userId, credits: 1, transactionNo }))
    return credits.consumeCreditsBatch(charges, { atomic: true })
  },
}

async function main() {
  const Transactions = TRANSACTIONS[storage]
  const transactions = new Transactions({ url })
  const [, kind] = Transactions.KINDS
  for (let number = Number(from); number < Number(to); number++) {
    const end = await transactions
      .run(kind, async (tx) => {
        await CALLS[what](within(tx), `${what}-${number}`)
        // Written at once, so that the parent reads it even if this process is killed right after.
        fs.writeSync(1, `written ${number}\n`)
        return 'committed'
      })
      .catch((error) => {
        if (error.code !== 'INSUFFICIENT_CREDITS') throw error
        return error.code
      })
    fs.writeSync(1, `${end} ${number}\n`)
  }
  await transactions.end()
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
