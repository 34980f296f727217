'use strict'

/**
 * A process whose app charges a user in its own transactions, one after the other, and commits each. It says
 * `written <number>` before it commits, and `committed <number>` when that is done, or
 * `INSUFFICIENT_CREDITS <number>`. A number is charged once.
 *
 * node transactor.js <storage> <url> <user> <from> <to>
 */

const fs = require('node:fs')

const [storage, url, userId, from, to] = process.argv.slice(2)
const { TRANSACTIONS } = require('./transactions')
const { within } = require('../..')

async function main() {
  const Transactions = TRANSACTIONS[storage]
  const transactions = new Transactions({ url })
  const [, kind] = Transactions.KINDS
  for (let number = Number(from); number < Number(to); number++) {
    const end = await transactions
      .run(kind, async (tx) => {
        await within(tx).consumeCredits({ userId, credits: 1, transactionNo: `charge-${number}` })
        // Written at once, so that the parent hears of it even if this process is killed right after.
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
