'use strict'

/**
 * A process that submits tasks of one credit each to a server, for users `u0`, `u1`, …, and
 * prints the results: `created <id>`, `refused <code>`.
 *
 * node remote-submitter.js <url> <name> <users> <callers> <tasks each> [<options of connect, as JSON>]
 */

const fs = require('node:fs')
const { connect } = require('../..')

const [url, name, users, callers, tasksEach, options = '{}'] = process.argv.slice(2)
const credits = connect({ url, ...JSON.parse(options) })

const say = (line) => fs.writeSync(1, `${line}\n`)

async function submit(number, at) {
  const id = `${name}-${number}-${at}`
  const userId = `u${(number + at) % Number(users)}`
  try {
    await credits.createMediaTask({ id, userId, platform: 'youtube', videoUrl: 'https://youtu.be/x' }, 1)
    say(`created ${id}`)
  } catch (error) {
    say(`refused ${error.code}`)
  }
}

async function caller(number) {
  for (let at = 0; at < Number(tasksEach); at++) await submit(number, at)
}

Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(number))).then(() =>
  credits.close(),
)
