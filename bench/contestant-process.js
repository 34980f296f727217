'use strict'

/**
 * Runs one contestant in a process of its own. This file is both ends: `runContestant` forks it, and
 * the forked one measures.
 */

const { monitorEventLoopDelay } = require('node:perf_hooks')

const { load } = require('./contestants')
const { measureFor, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { newTask } = require('./work')

/** Resolves to what the run measured. */
function runContestant(run) {
  return runForked(__filename, run, run.name)
}

async function measure({ name, file, callers, seconds, warmUpSeconds, users, durability }) {
  const contestant = await load(name).open({ file, durability })
  const settings = await contestant.settings()
  let created = 0
  const drive = (time) => measureFor(time, callers, () => contestant.createTask(newTask(created++, users)))

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

if (require.main === module) answerParent(measure)

module.exports = { runContestant }
