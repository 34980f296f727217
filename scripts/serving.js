'use strict'

/** A server that somebody tries: a port for it, until it answers, and its end. */

const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

const PATIENCE_MS = 120_000

/** Waits until the server answers, resolves to what `work(url)` does, and stops it in the end. */
async function serving(server, port, work) {
  const url = `http://localhost:${port}`
  try {
    await until(`${url} answers`, async () => {
      if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`)
      const response = await fetch(url).catch(() => undefined)
      return response?.ok
    })
    return await work(url)
  } finally {
    server.kill('SIGKILL')
    await ended(server)
  }
}

async function until(what, holds) {
  const deadline = Date.now() + PATIENCE_MS
  while (Date.now() < deadline) {
    const result = await holds()
    if (result) return result
    await sleep(100)
  }
  throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
}

/** Resolves to the exit code of a process. */
function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  return new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve))
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject)
    server.listen(0, () => {
      const { port } = server.address()
      server.close(() => resolve(String(port)))
    })
  })
}

module.exports = { ended, freePort, serving, until }
