'use strict'

/** A server that somebody tries: a port for it, until it answers, and its end. */

const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

const PATIENCE_MS = 120_000
const ANSWER_MS = 30_000
const END_MS = 10_000

/** Waits until the server answers, resolves to what `work(url)` does, and stops it in the end. */
async function serving(server, port, work) {
  const url = `http://localhost:${port}`
  let broken
  server.on('error', (error) => (broken = error))
  try {
    await until(`${url} answers`, async () => {
      if (broken) throw broken
      if (hasEnded(server)) throw new Error(`the server ended with ${server.signalCode ?? server.exitCode}`)
      const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined)
      return response?.ok
    })
    return await work(url)
  } finally {
    await stop(server)
  }
}

/** Asks first: `next dev` has a process of its own to stop, which would outlive it if it were killed. */
async function stop(server) {
  server.kill()
  const timer = setTimeout(() => server.kill('SIGKILL'), END_MS)
  await ended(server).catch(() => {})
  clearTimeout(timer)
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

const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null

/** Resolves to the exit code of a process. */
async function ended(child) {
  if (hasEnded(child)) return child.exitCode
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
