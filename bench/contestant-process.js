'use strict'

/**
 * Runs one contestant in a process of its own. This file is both ends: `runContestant` forks it, and
 * the forked one measures.
 */

const { fork } = require('node:child_process')
const { monitorEventLoopDelay, performance } = require('node:perf_hooks')
const { setImmediate: turn } = require('node:timers/promises')

const { load } = require('./contestants')
const { newTask } = require('./work')

/** Resolves to what the run measured. */
function runContestant(run) {
  return new Promise((resolve, reject) => {
    const child = fork(__filename, [JSON.stringify(run)])
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    let result
    child.on('message', (message) => (result = message))
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.off('exit', kill)
      if (code === 0 && result) resolve(result)
      else reject(new Error(`${run.name} ended with ${signal ?? `code ${code}`}`))
    })
  })
}

async function measure({ name, file, callers, seconds, warmUpSeconds, users, durability }) {
  const contestant = await load(name).open({ file, durability })
  const settings = await contestant.settings()
  let created = 0
  const drive = (time) => driveFor(time, callers, () => contestant.createTask(newTask(created++, users)))

  await drive(warmUpSeconds)
  const loop = watchEventLoop()
  const cpu = process.cpuUsage()
  const { latencies, elapsedMs } = await drive(seconds)
  const { user, system } = process.cpuUsage(cpu)
  const eventLoop = loop.stop()
  const rss = process.memoryUsage.rss()
  await contestant.close()

  return {
    // `drive` rejects if one call does, so each task that was asked for was acknowledged.
    acknowledged: created,
    tasksPerSecond: (latencies.length / elapsedMs) * 1000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpuMsPerTask: (user + system) / 1000 / latencies.length,
    eventLoop,
    rss,
    settings,
  }
}

/** Callers that each ask again as soon as they are answered, until the time is over. */
async function driveFor(seconds, callers, call) {
  const latencies = []
  const start = performance.now()
  const deadline = start + seconds * 1000
  const caller = async () => {
    for (let asked = performance.now(); asked < deadline; asked = performance.now()) {
      // A request of an app comes as an event: it waits until the loop is free. That wait counts,
      // else a driver that blocks the loop would hide the time in which its callers queue up.
      await turn()
      await call()
      latencies.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return { latencies: latencies.sort((one, other) => one - other), elapsedMs: performance.now() - start }
}

/** In milliseconds. The monitor's own timer is part of what it records, so that is taken off. */
function watchEventLoop() {
  const RESOLUTION_MS = 1
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  monitor.enable()
  const delay = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
  const stop = () => {
    monitor.disable()
    return { p99: delay(monitor.percentile(99)), max: delay(monitor.max) }
  }
  return { stop }
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

if (require.main === module) {
  // Without its parent it has nobody to tell, and its files are gone.
  process.on('disconnect', () => process.exit(1))
  measure(JSON.parse(process.argv[2])).then((result) => {
    process.send(result, () => process.exit(0))
  })
}

module.exports = { runContestant }
