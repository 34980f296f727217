'use strict'

/** What is tried, and how much of Jest: `true` is all of a project, else the shared tests whose names begin so. */

const { nodes } = require('./nodes')

/** Under QEMU and Wine all of Jest takes hours: what calls do, and one test of all that a package does in a row. */
const CALLS = ['createMediaTask.test', 'updateMediaTaskById.test', 'getCredits.', 'lifecycle.']

/** Binaries that are built here, by their names in `lib/native/platforms.js`. */
const binaries = {
  'linux-x64-musl': { node: nodes.muslX64, jest: { sqlite: true } },
  'linux-arm64-gnu': { node: nodes.arm64, under: 'QEMU', jest: { sqlite: CALLS } },
  'linux-arm64-musl': { node: nodes.muslArm64, under: 'QEMU', jest: { sqlite: CALLS } },
  // Microsoft's own compiler and libraries are to be had on Windows alone.
  'win32-x64-msvc': {
    node: nodes.windows,
    under: 'Wine',
    jest: { sqlite: CALLS },
    rust: 'x86_64-pc-windows-gnullvm',
  },
}

/** Other versions of Node with the binary of this machine. */
const versions = {
  'node-22': { node: () => nodes.here('22'), jest: { sqlite: true } },
  'node-24': { node: () => nodes.here('24'), jest: { sqlite: true, postgres: true } },
  'node-26': { node: () => nodes.here('26'), jest: { sqlite: true } },
}

module.exports = { binaries, versions }
