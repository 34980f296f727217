'use strict'

/** The load: callers that each ask again as soon as they are answered. */

const { performance } = require('node:perf_hooks')
const { setImmediate: turn } = require('node:timers/promises')

/** Runs callers while `goesOn()`. Keeps nothing of what they did. */
async function driveWhile(goesOn, callers, call) {
  const caller = async () => {
    while (goesOn()) await call()
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** As `driveWhile`, and measures: how long each call took, sorted, and all together. */
async function measureWhile(goesOn, callers, call) {
  const latencies = []
  const start = performance.now()
  await driveWhile(goesOn, callers, async () => {
    const asked = performance.now()
    // A request of an app comes as an event: it waits until the loop is free. That wait counts,
    // else a driver that blocks the loop would hide the time in which its callers queue up.
    await turn()
    await call()
    latencies.push(performance.now() - asked)
  })
  return { latencies: ascending(latencies), elapsedMs: performance.now() - start }
}

async function measureFor(seconds, callers, call) {
  const deadline = performance.now() + seconds * 1000
  return measureWhile(() => performance.now() < deadline, callers, call)
}

const ascending = (numbers) => numbers.sort((one, other) => one - other)

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** How long this takes, in the middle of many times. */
async function medianMs(call) {
  const TIMES = 200
  const { latencies } = await measureWhile(left(TIMES), 1, call)
  return percentile(latencies, 0.5)
}

/** Says yes so many times. */
function left(times) {
  let rest = times
  return () => rest-- > 0
}

module.exports = { ascending, driveWhile, measureFor, measureWhile, medianMs, percentile }
