'use strict'

/** The load: callers that send the next request as soon as the previous one is answered. */

const { performance } = require('node:perf_hooks')
const { setImmediate: turn } = require('node:timers/promises')

/** Runs callers while `goesOn()`. Discards their results. */
async function driveWhile(goesOn, callers, call) {
  const caller = async () => {
    while (goesOn()) await call()
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** Like `driveWhile`, but measures: the duration of each call, sorted, and the total. */
async function measureWhile(goesOn, callers, call) {
  const latencies = []
  const start = performance.now()
  await driveWhile(goesOn, callers, async () => {
    const asked = performance.now()
    // In an app, a request arrives as an event and waits until the event loop is free. That wait counts; otherwise
    // a driver that blocks the loop would hide the time that its callers wait.
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

/** The median duration of many calls. */
async function medianMs(call) {
  const TIMES = 200
  const { latencies } = await measureWhile(left(TIMES), 1, call)
  return percentile(latencies, 0.5)
}

/** Returns true this many times. */
function left(times) {
  let rest = times
  return () => rest-- > 0
}

module.exports = { ascending, driveWhile, measureFor, measureWhile, medianMs, percentile }
