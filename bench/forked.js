'use strict'

/** Measuring in a separate process: `runForked` is called by the parent, `answerParent` by the fork. */

const { fork } = require('node:child_process')

/** Runs a file in a fork, with a task. Resolves to its measurements. */
function runForked(file, run, name) {
  return new Promise((resolve, reject) => {
    const child = fork(file, [JSON.stringify(run)])
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    let result
    child.on('message', (message) => (result = message))
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.off('exit', kill)
      if (code === 0 && result) resolve(result)
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`}`))
    })
  })
}

function answerParent(measure) {
  // Without its parent, its result has no reader, and its files are gone.
  process.on('disconnect', () => process.exit(1))
  measure(JSON.parse(process.argv[2])).then((result) => {
    process.send(result, () => process.exit(0))
  })
}

module.exports = { answerParent, runForked }
