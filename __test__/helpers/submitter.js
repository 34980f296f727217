'use strict'

/**
 * A process that submits tasks until it is stopped or killed, and prints acknowledged calls on its
 * standard output: `created <id>`, `failed <id>`, `refused <code>`. The prefix decides their kind: with
 * `life` each task goes through its life, `created`, `charged` for a step, `settled`, and a charge without a task is
 * `refunded`; with `ai` they are AI tasks; with `batch` three are made together, `<id>`, `<id>+1` and `<id>+2`.
 *
 * node submitter.js <url> <user> <prefix> <callers> <tasks each> [<users> [<linger ms> [<bytes>]]]
 *
 * With a number of users they are `<user>0`, `<user>1`, …, and each task is for another one. When all is
 * done it lingers, with the database open and idle. Each task has a text of this many bytes.
 */

const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../..')

const [url, user, prefix, callers, tasksEach, users, lingerMs = 0, bytes = 0] = process.argv.slice(2)
const credits = connect({ url })
const subtitleRaw = 'x'.repeat(Number(bytes))

// Written at once, so that the parent reads it even if this process is killed right after.
const say = (line) => fs.writeSync(1, `${line}\n`)

let submitted = 0

/** Users in a scattered order, so that their rows are on many pages of the file. */
function nextUser() {
  const STRIDE = 7919 // a prime, so that it reaches each user
  return users === undefined ? user : `${user}${(submitted++ * STRIDE) % Number(users)}`
}

const KINDS = {
  async life(id, userId) {
    await KINDS.media(id, userId)
    await live({ id, userId })
  },
  async ai(id, userId) {
    const kind = {
      mediaType: 'image',
      provider: 'replicate',
      model: 'flux',
      prompt: 'a cat',
      status: 'pending',
    }
    const task = { id, userId, ...kind, scene: 'text-to-image', costCredits: 1 }
    await credits.createAITask(task, { replay: true })
    say(`created ${id}`)
  },
  async batch(id, userId) {
    const items = [id, `${id}+1`, `${id}+2`].map((id) => ({ task: mediaTask(id, userId), costCredits: 1 }))
    await credits.createMediaTasks(items, { atomic: true, replay: true })
    for (const { task } of items) say(`created ${task.id}`)
  },
  async media(id, userId) {
    await credits.createMediaTask(mediaTask(id, userId), 1, { replay: true })
    say(`created ${id}`)
  },
}

const mediaTask = (id, userId) => ({
  id,
  userId,
  platform: 'youtube',
  videoUrl: 'https://youtu.be/x',
  subtitleRaw,
})

const kind = Object.keys(KINDS).find((kind) => prefix.startsWith(kind)) ?? 'media'
const fail = kind === 'ai' ? credits.updateAITaskById : credits.updateMediaTaskById

async function submit(id) {
  try {
    await KINDS[kind](id, nextUser())
    if (id.endsWith(kind === 'media' ? '3' : '0')) {
      await fail(id, { status: 'failed' })
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
