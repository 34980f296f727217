'use strict'

const net = require('node:net')
const { once } = require('node:events')
const { TestDatabase, task } = require('../helpers/database')
const { Callers, addUsers, until } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { isCommit, afterwards, connection, throughProxy } = require('../helpers/network')

// A silent network is worse than a broken one: a timeout must end the call soon.

const TIMEOUTS = { statementTimeoutMs: 500, busyTimeoutMs: 200, connectTimeoutMs: 500 }
/** A silent server is given up two seconds after it should have given up itself. */
const LONGEST_MS = 500 + 2000 + 1500

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE', retryable: true }

async function open() {
  const database = await TestDatabase.fresh()
  await addUsers(database, 1)
  const through = await throughProxy(database, TIMEOUTS)
  const create = () => through.credits.createMediaTask(task('t', 'u0'), 10)
  // On a busy machine a connection may take longer than these tests allow. Then nothing was written.
  const isCreated = () =>
    create().then(Boolean, (error) => {
      if (error.code !== 'DATABASE_UNAVAILABLE') throw error
      return false
    })
  await until(isCreated, 'a task is there')
  return { database, ...through }
}

/** The error of a call, which must come in time. */
async function givenUp(call, longestMs) {
  const before = Date.now()
  const error = await call().catch((error) => error)
  expect(Date.now() - before).toBeLessThan(longestMs)
  return error
}

/** Lets held messages arrive; their effects come before the next write of this user. */
async function resume({ database, proxy }) {
  proxy.resume()
  await until(async () => {
    const open = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
      AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`
    return (await database.sql(open)).length === 0
  }, 'no transaction is open')
}

describe('a network that stalls', () => {
  test('before a transaction makes each call fail in time', async () => {
    const through = await open()
    const { database, proxy, credits } = through
    const before = await database.everything()
    proxy.stall()
    const calls = [
      () => credits.getRemainingCredits('u0'),
      () => credits.createMediaTask(task('new', 'u0'), 10),
      () => credits.createCredit({ userId: 'u0', credits: 10 }),
      () => credits.updateMediaTaskById('t', { status: 'failed' }),
    ]
    for (const error of await Promise.all(calls.map((call) => givenUp(call, LONGEST_MS)))) {
      expect(error).toMatchObject(UNAVAILABLE)
    }
    await resume(through)
    expect(await database.everything()).toEqual(before)
    expect(await credits.getRemainingCredits('u0')).toBe(190)
    expect((await credits.createMediaTask(task('new', 'u0'), 10)).id).toBe('new')
    expect(await violations(database)).toEqual([])
  })

  const COMMITS = [
    ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 10),
    ({ consumeCredits }) => consumeCredits({ userId: 'u0', credits: 10 }),
    ({ createCredit }) => createCredit({ userId: 'u0', credits: 10 }),
    ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' }),
  ]

  test('before a COMMIT makes the outcome unknown', async () => {
    const stalled = COMMITS.map(async (call) => {
      const through = await open()
      const { database, proxy, credits } = through
      proxy.onClientData = (bytes) => {
        if (isCommit(bytes)) proxy.stall()
      }
      const error = await givenUp(() => call(credits), 2 * LONGEST_MS)
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
      proxy.onClientData = () => {}
      await resume(through)
      await credits.updateMediaTaskById('t', { status: 'failed' })
      expect(await violations(database)).toEqual([])
    })
    await Promise.all(stalled)
  })

  test('while a connection is made makes the call fail in time', async () => {
    const database = await TestDatabase.fresh()
    const { proxy, credits } = await throughProxy(database, TIMEOUTS)
    proxy.stall()
    const error = await givenUp(() => credits.getRemainingCredits('u0'), 500 + 1500)
    expect(error).toMatchObject(UNAVAILABLE)
    expect(error.message).toContain('connectTimeoutMs')
    proxy.resume()
    expect(await credits.getRemainingCredits('u0')).toBe(0)
  })

  test('under load makes no call wait for ever', async () => {
    const through = await open()
    const { database, proxy, credits } = through
    const users = await addUsers(database, 10, { prefix: 'v' })
    let goesOn = true
    const callers = new Callers(credits, users)
    const load = callers.run(16, Infinity, () => goesOn)
    const more = async () => {
      const before = callers.count('created')
      await until(() => callers.count('created') > before + 30, 'calls succeed')
    }
    try {
      await more()
      proxy.stall()
      await until(() => callers.refusals.length > 0, 'a call is given up')
      await resume(through)
      await more()
    } finally {
      goesOn = false
      await load
    }
    const codes = ['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'DATABASE_BUSY']
    expect(codes).toEqual(expect.arrayContaining(Object.keys(callers.codes)))
    expect(await callers.untrue(database)).toEqual([])
    expect(await violations(database)).toEqual([])
  })
})

test('each call has a correct answer when all connections are cut at once', async () => {
  const { database, proxy, credits } = await open()
  const users = await addUsers(database, 10, { prefix: 'v' })
  await new Callers(credits, users).run(10, 2)
  proxy.killConnections()
  const callers = await new Callers(credits, users, 'after').run(10, 3)
  // Only calls that were under way when the connections were cut may fail.
  expect(Object.keys(callers.codes).filter((code) => code !== 'DATABASE_UNAVAILABLE')).toEqual([])
  expect(callers.refusals.length).toBeLessThanOrEqual(10)
  expect(await callers.untrue(database)).toEqual([])
  expect(await violations(database)).toEqual([])
})

test.each([
  ['closes at once', (socket) => socket.destroy()],
  ['speaks HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['is silent', () => {}],
])('a server that is not PostgreSQL, and that %s, is DATABASE_UNAVAILABLE', async (_, act) => {
  const sockets = new Set()
  const listener = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    act(socket)
  })
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  const credits = connection(`postgres://app:secret@127.0.0.1:${listener.address().port}/app`, TIMEOUTS)
  const error = await givenUp(() => credits.getRemainingCredits('u'), 500 + 1500)
  expect(error.code).toBe('DATABASE_UNAVAILABLE')
  expect(error.message).not.toContain('secret')
})
