'use strict'

/**
 * A process that makes calls, all at once, and says what came of each, in their order: `accepted`, `replayed`, or
 * the code of the refusal. It begins when as many processes as it was told are there: each leaves a
 * grant for the user `gate`.
 *
 * node caller.js <url> <number> <processes> <calls>
 */

const fs = require('node:fs')
const { connect } = require('../..')

const [url, number, processes, calls] = process.argv.slice(2)
const credits = connect({ url })

async function main() {
  await credits.createCredit({ userId: 'gate', credits: 1, transactionNo: `gate ${number}` })
  while ((await credits.getCreditsCount({ userId: 'gate' })) < Number(processes));
  const made = JSON.parse(calls).map(([name, ...args]) => credits[name](...args))
  for (const { reason, value } of await Promise.allSettled(made)) {
    fs.writeSync(1, `${reason ? reason.code : value?.replayed ? 'replayed' : 'accepted'}\n`)
  }
}

main().finally(() => credits.close())
