'use strict'

/**
 * A process that submits tasks until it is told to stop or killed, and says on its standard output
 * what it was told is done: `created <id>`, `failed <id>`, `refused <code>`.
 *
 * node submitter.js <file> <user> <prefix> <callers> <tasks each>
 */

const fs = require('node:fs')
const { connect } = require('../..')

const [file, userId, prefix, callers, tasksEach] = process.argv.slice(2)
const credits = connect({ url: `file:${file}` })

// Written at once, so that the parent hears of it even if this process is killed right after.
const say = (line) => fs.writeSync(1, `${line}\n`)

async function submit(id) {
  try {
    await credits.createMediaTask({ id, userId, platform: 'youtube', videoUrl: 'https://youtu.be/x' }, 1)
    say(`created ${id}`)
    if (id.endsWith('3')) {
      await credits.updateMediaTaskById(id, { status: 'failed' })
      say(`failed ${id}`)
    }
  } catch (error) {
    say(`refused ${error.code}`)
  }
}

async function caller(number) {
  for (let at = 0; at < Number(tasksEach); at++) await submit(`${prefix}-${number}-${at}`)
}

Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(number)))
