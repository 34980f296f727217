'use strict'

/** Rounds of runs, in both orders: the state of the disk changes during a run. */

const WARM_UP_SECONDS = 1

/** Runs each contestant once per round. Resolves to the results of `runOnce(name)`, a list for each name. */
async function runRounds(names, rounds, runOnce) {
  const results = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const result = await runOnce(name)
      results[name].push(result)
      const rate = Math.round(result.tasksPerSecond)
      process.stderr.write(`round ${round + 1} of ${rounds}: ${name} ${rate}/s\n`)
    }
  }
  return results
}

module.exports = { WARM_UP_SECONDS, runRounds }
