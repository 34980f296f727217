'use strict'

/** A server under test: its port, its start, its engines, and its end. */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

const TIMEOUT_MS = 120_000
const ANSWER_MS = 30_000
const END_MS = 10_000

/** Waits until the server responds, resolves to the result of `work(url)`, and stops the server. */
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

/** With SIGTERM first: `next dev` must stop a child process, which would go on if it were killed. */
async function stop(server) {
  server.kill()
  const timer = setTimeout(() => server.kill('SIGKILL'), END_MS)
  await ended(server).catch(() => {})
  clearTimeout(timer)
}

async function until(what, holds) {
  const deadline = Date.now() + TIMEOUT_MS
  while (Date.now() < deadline) {
    const result = await holds()
    if (result) return result
    await sleep(100)
  }
  throw new Error(`${what}: not within ${TIMEOUT_MS / 1000} s`)
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

/** Throws unless this many engines write to SQLite files, in a process and its children. Only on Linux. */
function assertEngines(pid, expected) {
  if (process.platform !== 'linux') return
  const processes = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(processes.map((child) => [child, parentOf(child)]))
  const isOurs = (child) => child === String(pid) || (parents.has(child) && isOurs(parents.get(child)))
  const threads = processes.filter(isOurs).flatMap((child) => threadsOf(child))
  assert.equal(threads.filter((name) => name === 'credits-writer').length, expected, 'engines of the server')
}

function parentOf(pid) {
  return unlessEnded(() => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1])
}

function threadsOf(pid) {
  const threads = unlessEnded(() => fs.readdirSync(`/proc/${pid}/task`)) ?? []
  return threads.map((thread) =>
    unlessEnded(() => fs.readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim()),
  )
}

/** What /proc has about a process or thread; `undefined` if it has ended. */
function unlessEnded(read) {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(error.code)) return undefined
    throw error
  }
}

module.exports = { assertEngines, ended, freePort, hasEnded, serving, until }
