'use strict'

/**
 * Runs a contestant in its own process. This file is both ends: `runContestant` forks it, and the fork measures.
 */

const { monitorEventLoopDelay } = require('node:perf_hooks')

const { load } = require('./contestants')
const { measureFor, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { newTask } = require('./work')

/** Resolves to the measurements of the run. */
function runContestant(run) {
  return runForked(__filename, run, run.name)
}

async function measure({ name, callers, seconds, warmUpSeconds, users, countErrors = false, ...where }) {
  const contestant = await load(name).open({ name, ...where })
  const settings = await contestant.settings()
  let acknowledged = 0
  let asked = 0
  const errors = {}
  const work = contestant.placeOrder ?? contestant.createTask
  const call = async () => {
    try {
      await work(newTask(asked++, users))
      acknowledged++
    } catch (error) {
      if (!countErrors) throw error
      errors[error.message] = (errors[error.message] ?? 0) + 1
    }
  }
  const drive = (time) => measureFor(time, callers, call)

  await drive(warmUpSeconds)
  const before = acknowledged
  const loop = watchEventLoop()
  const cpu = process.cpuUsage()
  const { latencies, elapsedMs } = await drive(seconds)
  const { user, system } = process.cpuUsage(cpu)
  const eventLoop = loop.stop()
  const rss = process.memoryUsage.rss()
  const tasks = acknowledged - before
  await contestant.close()

  return {
    acknowledged,
    errors,
    tasksPerSecond: (tasks / elapsedMs) * 1000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    worst: latencies.at(-1),
    cpuMsPerTask: (user + system) / 1000 / tasks,
    eventLoop,
    rss,
    settings,
  }
}

/** The event loop's delay in milliseconds, less the interval of the monitor's own timer. */
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

if (require.main === module) answerParent(measure)

module.exports = { runContestant }
