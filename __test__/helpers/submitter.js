'use strict'

/**
 * A process that submits tasks until it is told to stop or killed, and says on its standard output
 * what it was told is done: `created <id>`, `failed <id>`, `refused <code>`. If the prefix begins with `life`,
 * each task goes through its life: `created`, `charged` for a step, `settled`; and a charge by itself is `refunded`.
 *
 * node submitter.js <url> <user> <prefix> <callers> <tasks each> [<users> [<linger ms> [<bytes>]]]
 *
 * With a number of users they are `<user>0`, `<user>1`, …, and each task is for another one. When all is
 * done it lingers, with the database open and nothing to do. Each task has a text of so many bytes.
 */

const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../..')

const [url, user, prefix, callers, tasksEach, users, lingerMs = 0, bytes = 0] = process.argv.slice(2)
const credits = connect({ url })
const subtitleRaw = 'x'.repeat(Number(bytes))

// Written at once, so that the parent hears of it even if this process is killed right after.
const say = (line) => fs.writeSync(1, `${line}\n`)

let submitted = 0

/** Users in a scattered order, so that their rows stand on pages all over the file. */
function nextUser() {
  const STRIDE = 7919 // a prime, so that it meets every user
  return users === undefined ? user : `${user}${(submitted++ * STRIDE) % Number(users)}`
}

async function submit(id) {
  try {
    const userId = nextUser()
    const task = { id, userId, platform: 'youtube', videoUrl: 'https://youtu.be/x', subtitleRaw }
    await credits.createMediaTask(task, 1, { replay: true })
    say(`created ${id}`)
    const lives = prefix.startsWith('life')
    if (lives) await live(task)
    if (id.endsWith(lives ? '0' : '3')) {
      await credits.updateMediaTaskById(id, { status: 'failed' })
      say(`failed ${id}`)
    }
  } catch (error) {
    say(`refused ${error.code}`)
  }
}

async function live({ id, userId }) {
  await credits.chargeMediaTask(id, { credits: 3 }, { status: 'translating' }, { ifStatus: 'pending' })
  say(`charged ${id}`)
  await credits.settleMediaTask(id, 2)
  say(`settled ${id}`)
  const charge = await credits.consumeCredits({ userId, credits: 2, transactionNo: id }, { replay: true })
  await credits.refundCredits(charge.id)
  say(`refunded ${id}`)
}

async function caller(number) {
  for (let at = 0; at < Number(tasksEach); at++) await submit(`${prefix}-${number}-${at}`)
}

Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(number))).then(() =>
  sleep(Number(lingerMs)),
)
