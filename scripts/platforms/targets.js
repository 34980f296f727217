'use strict'

/**
 * The targets, and how much of Jest is run: `true` means a whole project, otherwise the shared tests whose names
 * begin with these.
 */

const { nodes } = require('./nodes')

/** Under QEMU and Wine all of Jest takes hours: only the tests of some calls, and one of everything in a row. */
const CALLS = ['createMediaTask.test', 'updateMediaTaskById.test', 'getCredits.', 'lifecycle.']

/** Binaries that are built here, by their names in `lib/native/platforms.js`. */
const binaries = {
  'linux-x64-musl': { node: nodes.muslX64, jest: { sqlite: true } },
  'linux-arm64-gnu': { node: nodes.arm64, under: 'QEMU', jest: { sqlite: CALLS } },
  'linux-arm64-musl': { node: nodes.muslArm64, under: 'QEMU', jest: { sqlite: CALLS } },
  // Microsoft's own compiler and libraries exist only on Windows.
  'win32-x64-msvc': {
    node: nodes.windows,
    under: 'Wine',
    jest: { sqlite: CALLS },
    rust: 'x86_64-pc-windows-gnullvm',
  },
}

/** Other versions of Node with this machine's binary. */
const versions = {
  'node-22': { node: () => nodes.here('22'), jest: { sqlite: true } },
  'node-24': { node: () => nodes.here('24'), jest: { sqlite: true, postgres: true } },
  'node-26': { node: () => nodes.here('26'), jest: { sqlite: true } },
}

module.exports = { binaries, versions }
