'use strict'

/** What the figures depend on: the machine, and above all its disk. */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const { fixed } = require('./table')

function describeMachine(folder) {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown processor',
    cores: cpus.length,
    memoryGiB: os.totalmem() / 2 ** 30,
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    filesystem: filesystemOf(folder),
    fsyncMs: medianFsyncMs(folder),
  }
}

function machineLines({ cpu, cores, memoryGiB, kernel, node, filesystem, fsyncMs }) {
  return [
    `Machine: ${cpu}, ${cores} cores, ${fixed(memoryGiB)} GiB, ${kernel}, Node ${node},`,
    `${filesystem} (write and fsync of a page: ${fixed(fsyncMs, 2)} ms).`,
  ]
}

/** The type of the filesystem that contains the folder. */
function filesystemOf(folder) {
  const real = fs.realpathSync(folder)
  const holds = (mount) => mount === '/' || real === mount || real.startsWith(`${mount}/`)
  try {
    const mounts = fs.readFileSync('/proc/self/mounts', 'utf8').trim().split('\n')
    const above = mounts.map((line) => line.split(' ')).filter(([, mount]) => holds(mount))
    // Of two mounts at one path, the later one is visible.
    const [, , type] = above.reduce((best, next) => (next[1].length >= best[1].length ? next : best))
    return type
  } catch {
    return `type 0x${fs.statfsSync(folder).type.toString(16)}`
  }
}

/** The duration of appending a page and making it durable. */
function medianFsyncMs(folder) {
  const TIMES = 50
  const page = Buffer.alloc(4096)
  const file = path.join(folder, 'fsync')
  const descriptor = fs.openSync(file, 'w')
  const times = Array.from({ length: TIMES }, () => {
    const start = performance.now()
    fs.writeSync(descriptor, page)
    fs.fdatasyncSync(descriptor)
    return performance.now() - start
  })
  fs.closeSync(descriptor)
  fs.rmSync(file)
  return times.sort((one, other) => one - other)[TIMES / 2]
}

module.exports = { describeMachine, machineLines }
