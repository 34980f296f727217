'use strict'

/**
 * Jest's environment for Node, with two functions for `sqlite.js`: `askInspector(question)` returns what `inspector.js` answers,
 * and `stopInspector()` ends that process, which closes its files. One process serves all files of a worker.
 */

const { fork } = require('node:child_process')
const path = require('node:path')
const { TestEnvironment } = require('jest-environment-node')

let inspector
let last = 0

function startInspector() {
  const child = fork(path.join(__dirname, 'inspector.js'), [], { execArgv: [] })
  /** What to call with the answer to each question, by its number. */
  const questions = new Map()
  const answer = (id, said) => {
    questions.get(id)?.(said)
    questions.delete(id)
  }
  // It keeps the worker alive only during a question.
  child.unref()
  child.on('message', ({ id, ...said }) => {
    answer(id, said)
    if (questions.size === 0) child.channel.unref()
  })
  child.on('exit', (code, signal) => {
    if (inspector?.child === child) inspector = undefined
    for (const id of questions.keys()) answer(id, { error: `inspector.js ended with ${signal ?? code}` })
  })
  return { child, questions }
}

function askInspector(question) {
  inspector ??= startInspector()
  const { child, questions } = inspector
  child.channel.ref()
  const id = ++last
  return new Promise((resolve) => {
    questions.set(id, resolve)
    child.send({ id, ...question })
  })
}

async function stopInspector() {
  const stopped = inspector?.child
  inspector = undefined
  if (!stopped) return
  stopped.ref()
  const gone = new Promise((resolve) => stopped.once('exit', resolve))
  stopped.kill()
  await gone
}

class Environment extends TestEnvironment {
  async setup() {
    await super.setup()
    Object.assign(this.global, { askInspector, stopInspector })
  }
}

module.exports = Environment
