'use strict'

const fs = require('node:fs')
const { connect } = require('../..')
const { atOnce, counted } = require('../helpers/calls')
const { until } = require('../helpers/callers')
const { TestDatabase, task } = require('../helpers/database')
const { foreignTransaction, throughProxy } = require('../helpers/network')
const { start } = require('../helpers/processes')
const { STORAGE, byStorage, except, postgres, sqlite } = require('../helpers/storage')
const { refuseRows } = require('../helpers/triggers')

const CONSUME = { userId: 'u', credits: 1 }

/** A database where user `u` has 100 credits, and the statistics so far. */
async function withCredits(options) {
  const database = await TestDatabase.fresh(options)
  await database.user('u', 100)
  return { ...database.credits, database, before: await database.credits.stats() }
}

/** Another client holds a lock that each charge of user `u` needs. Returns a function that releases it. */
const lock = byStorage({
  sqlite: (database) =>
    new Promise((resolve) => {
      const { child, ended } = start('locker.js', [database.file], () => resolve(release))
      const release = () => child.kill('SIGKILL') && ended
    }),
  postgres: async (database) => {
    const transaction = await foreignTransaction(database, `SELECT 1 FROM "user" WHERE id = 'u' FOR UPDATE`)
    return transaction.commit
  },
})

/** Makes this many charges of user `u` that can't run now: one runs, and the others wait. */
async function pileUp({ consumeCredits, stats }, count) {
  const first = consumeCredits(CONSUME)
  await until(async () => (await stats()).queue.running === 1, 'the first one runs')
  return Promise.allSettled([first, ...Array.from({ length: count - 1 }, () => consumeCredits(CONSUME))])
}

const NOTHING = { count: 0, totalMs: 0, meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }
const EMPTY_QUEUE = {
  queued: 0,
  mostQueued: 0,
  running: 0,
  capacity: 10_000,
  overloaded: 0,
  waits: NOTHING,
}

describe('stats() before the first call', () => {
  test('is zero everywhere', async () => {
    const began = Date.now()
    const { credits } = await TestDatabase.none()
    const { startedAt, ...rest } = await credits.stats()
    expect(startedAt).toBeInstanceOf(Date)
    expect(startedAt.getTime()).toBeGreaterThanOrEqual(began)
    expect(startedAt.getTime()).toBeLessThanOrEqual(Date.now())
    const more = byStorage({
      sqlite: {
        readQueue: EMPTY_QUEUE,
        locks: { waits: NOTHING, timeouts: 0 },
        retries: { oneByOne: 0, reopened: 0 },
      },
      postgres: {
        connections: { open: 0, idle: 0, waiting: 0, most: 10, waits: NOTHING },
        roundTrips: NOTHING,
        retries: { oneByOne: 0, conflicts: 0, lostConnections: 0, schemaChanges: 0 },
      },
      libsql: {
        connections: { open: 0, idle: 0, most: 10 },
        roundTrips: NOTHING,
        retries: { oneByOne: 0, conflicts: 0, lostConnections: 0, schemaChanges: 0 },
      },
    })
    expect(rest).toEqual({
      storage: STORAGE,
      operations: {},
      queue: EMPTY_QUEUE,
      batches: { count: 0, requests: 0, meanSize: 0, largestSize: 0 },
      commits: NOTHING,
      ...more,
    })
  })

  test('opens nothing, and does not need the database', async () => {
    const database = await TestDatabase.none()
    await database.credits.stats()
    if (database.file) expect(fs.readdirSync(database.folder)).toEqual([])
    const url = byStorage({
      sqlite: 'file:/nowhere/at/all.db',
      postgres: 'postgres://a:b@127.0.0.1:1/no',
      libsql: 'http://127.0.0.1:1',
      mysql: 'mysql://a:b@127.0.0.1:1/no',
    })
    const nowhere = connect({ url })
    expect((await nowhere.stats()).operations).toEqual({})
    await nowhere.close()
  })

  test('refuses an unusable URL', async () => {
    await expect(connect({ url: 'sqlserver://nowhere' }).stats()).rejects.toMatchObject({
      code: 'UNSUPPORTED_DATABASE',
    })
  })
})

describe('calls in stats()', () => {
  test('are counted by their outcome', async () => {
    const { stats, ...credits } = await withCredits()
    await credits.createMediaTask(task('t', 'u'), 10)
    await credits.updateMediaTaskById('t', { status: 'failed' })
    await credits.updateMediaTaskById('nobody', { status: 'failed' })
    const codes = counted([
      ...(await atOnce(3, () => credits.createMediaTask(task('t', 'u'), 10))),
      ...(await atOnce(2, (at) => credits.createMediaTask(task(`p${at}`, 'u'), 1000))),
      ...(await atOnce(1, () => credits.createMediaTask(task('a', 'u'), -5))),
      ...(await atOnce(1, () => credits.createMediaTask())),
    ])
    const refused = { TASK_EXISTS: 3, INSUFFICIENT_CREDITS: 2, INVALID_AMOUNT: 1, INVALID_ARGUMENT: 1 }
    expect(codes).toEqual(refused)
    await atOnce(4, () => credits.getRemainingCredits('u'))
    await credits.createMediaTasks([
      { task: task('x', 'u'), costCredits: 1 },
      { task: task('y', 'u'), costCredits: -1 },
    ])
    const { operations } = await stats()
    expect(operations).toEqual({
      ...operations,
      createMediaTask: { done: 2, refused: { ...refused, INVALID_AMOUNT: 2 }, failed: {} },
      updateMediaTaskById: { done: 2, refused: {}, failed: {} },
      getRemainingCredits: { done: 4, refused: {}, failed: {} },
      createCredit: { done: 1, refused: {}, failed: {} },
    })
    expect(operations.createMediaTasks).toBeUndefined()
  })

  test('are counted as failed if the database fails, and as refused if the ledger refuses', async () => {
    const { credits } = await TestDatabase.none()
    await atOnce(2, () => credits.getRemainingCredits('u'))
    expect((await credits.stats()).operations).toEqual({
      getRemainingCredits: { done: 0, refused: {}, failed: { SCHEMA_MISMATCH: 2 } },
    })
  })

  test('are counted for each function', async () => {
    const { credits } = await TestDatabase.fresh()
    // Grants of the app's model are `createCredit`. Calls inside a transaction of the app's are not counted.
    const { stats, close, on, once, off, grantCreditsForUser, within, ...functions } = credits
    for (const call of Object.values(functions)) {
      const made = call()
      // An audit runs as long as its pages are read.
      await (Symbol.asyncIterator in made ? made.next() : made).catch(() => {})
    }
    const { operations } = await stats()
    expect(Object.keys(operations).sort()).toEqual(Object.keys(functions).sort())
  })

  test.each([[null], [{ limit: -1 }], ['x', () => {}], [10n, Symbol('s')], [{ toJSON: 1 }]])(
    'of stats itself are not counted, with any argument: %p',
    async (...args) => {
      const { stats } = await withCredits()
      const before = await stats()
      expect(await stats(...args)).toEqual(before)
    },
  )
})

describe('one engine of stats()', () => {
  test('counts the calls of all connections of the process to a database', async () => {
    const { database, consumeCredits, stats, before } = await withCredits()
    const other = connect({ url: database.url })
    await other.consumeCredits(CONSUME)
    await consumeCredits(CONSUME)
    const counted = await stats()
    expect(counted.operations.consumeCredits.done).toBe(2)
    expect(counted.startedAt).toEqual(before.startedAt)
    expect(await other.stats()).toEqual(counted)
    await other.close()
    expect(await stats()).toEqual(counted)
  })

  test('rejects with CLOSED after close, and a new engine begins at zero', async () => {
    const { database, stats, close, before } = await withCredits()
    expect(before.operations.createCredit.done).toBe(1)
    await close()
    await expect(stats()).rejects.toMatchObject({ code: 'CLOSED', retryable: false })
    const again = connect({ url: database.url })
    const { operations, startedAt } = await again.stats()
    await again.close()
    expect(operations).toEqual({})
    expect(startedAt.getTime()).toBeGreaterThanOrEqual(before.startedAt.getTime())
  })

  sqlite.test('has one queue in memory', async () => {
    const memory = connect({ url: ':memory:' })
    await memory.createTables()
    await memory.getRemainingCredits('u')
    const { readQueue, operations, queue } = await memory.stats()
    await memory.close()
    expect({ readQueue, done: operations.getRemainingCredits.done }).toEqual({ readQueue: null, done: 1 })
    expect(queue.waits.count).toBe(1)
  })
})

describe('times and sizes of stats():', () => {
  test('concurrent calls share transactions', async () => {
    const { consumeCredits, stats, before } = await withCredits()
    const CALLS = 100
    await atOnce(CALLS, () => consumeCredits(CONSUME))
    const { batches, commits, queue, operations } = await stats()
    expect(operations.consumeCredits.done).toBe(CALLS)
    expect(batches.requests - before.batches.requests).toBe(CALLS)
    const count = batches.count - before.batches.count
    expect(count).toBeLessThan(CALLS)
    expect(batches.largestSize).toBeGreaterThan(1)
    expect(batches.meanSize).toBeCloseTo(batches.requests / batches.count)
    expect(commits.count - before.commits.count).toBe(count)
    expect(queue.waits.count - before.queue.waits.count).toBe(CALLS)
    expect(queue.mostQueued).toBeGreaterThan(1)
    expect(queue).toMatchObject({ queued: 0, running: 0, overloaded: 0 })
    for (const { meanMs, p50Ms, p99Ms, maxMs, totalMs } of [commits, queue.waits]) {
      expect([p50Ms, p99Ms, maxMs, totalMs]).toEqual([p50Ms, p99Ms, maxMs, totalMs].sort((a, b) => a - b))
      expect(meanMs).toBeGreaterThan(0)
      expect(maxMs).toBeGreaterThanOrEqual(meanMs)
    }
  })

  test('refusals alone make no commit', async () => {
    const { consumeCredits, stats, before } = await withCredits()
    await atOnce(5, () => consumeCredits({ userId: 'u', credits: 1000 }))
    expect((await stats()).commits).toEqual(before.commits)
  })

  sqlite.test('reads have a queue of their own', async () => {
    const { getRemainingCredits, stats, before } = await withCredits()
    await atOnce(20, () => getRemainingCredits('u'))
    const { readQueue, queue, batches } = await stats()
    expect(readQueue.waits.count - before.readQueue.waits.count).toBe(20)
    expect(readQueue.mostQueued).toBeGreaterThan(0)
    expect({ queue, batches }).toEqual({ queue: before.queue, batches: before.batches })
  })

  postgres.test('stats() counts round trips and connections', async () => {
    const { consumeCredits, getRemainingCredits, stats, before } = await withCredits()
    await consumeCredits(CONSUME)
    await getRemainingCredits('u')
    const { roundTrips, connections } = await stats()
    expect(roundTrips.count - before.roundTrips.count).toBe(3)
    expect(connections.waits.count - before.connections.waits.count).toBe(2)
    expect(connections).toMatchObject({ most: 10, waiting: 0 })
    expect(connections.open).toBeGreaterThan(0)
  })
})

/** With a libSQL server the server waits for the lock, not this package. */
const locking = except('libsql')

locking.describe('while another client holds a lock', () => {
  test('stats() answers, and shows how many wait', async () => {
    const { database, stats, ...credits } = await withCredits()
    const release = await lock(database)
    let over = false
    const calls = pileUp({ ...credits, stats }, 5).finally(() => (over = true))
    await until(async () => (await stats()).queue.queued === 4, 'four wait')
    const stuck = await stats()
    expect(over).toBe(false)
    expect(stuck.queue).toMatchObject({ queued: 4, running: 1 })
    expect(stuck.operations.consumeCredits).toBeUndefined()
    await release()
    expect(counted(await calls)).toEqual({ accepted: 5 })
    const { queue, operations } = await stats()
    expect(queue).toMatchObject({ queued: 0, running: 0 })
    expect(queue.mostQueued).toBeGreaterThanOrEqual(4)
    expect(queue.waits.maxMs).toBeGreaterThan(0)
    expect(operations.consumeCredits.done).toBe(5)
  })

  test('a call that is refused because too many wait is counted', async () => {
    const { database, consumeCredits, stats } = await withCredits({ maxQueue: 1 })
    const release = await lock(database)
    const calls = atOnce(10, () => consumeCredits(CONSUME))
    await until(async () => (await stats()).queue.overloaded >= 8, 'most are refused')
    await release()
    const { accepted, OVERLOADED } = counted(await calls)
    expect(accepted + OVERLOADED).toBe(10)
    const { queue, operations } = await stats()
    expect(queue).toMatchObject({ capacity: 1, overloaded: OVERLOADED })
    expect(operations.consumeCredits).toEqual({ done: accepted, refused: {}, failed: { OVERLOADED } })
  })

  sqlite.test('a call that is given up is counted', async () => {
    const { database, consumeCredits, stats } = await withCredits({ busyTimeoutMs: 20 })
    const release = await lock(database)
    expect(counted(await atOnce(1, () => consumeCredits(CONSUME)))).toEqual({ DATABASE_BUSY: 1 })
    const { locks, operations } = await stats()
    expect(locks.timeouts).toBe(1)
    expect(operations.consumeCredits.failed).toEqual({ DATABASE_BUSY: 1 })
    await release()
  })
})

describe('stats() counts retries:', () => {
  locking.test('of batches that one of their requests undoes', async () => {
    const { database, consumeCredits, createMediaTask, stats } = await withCredits()
    await refuseRows(database, { table: 'media_tasks', condition: `NEW.title = 'bad'`, message: 'no' })
    const release = await lock(database)
    const first = atOnce(1, () => consumeCredits(CONSUME))
    await until(async () => (await stats()).queue.running === 1, 'the first one runs')
    const calls = atOnce(4, (at) =>
      createMediaTask(task(`t${at}`, 'u', { title: at === 2 ? 'bad' : null }), 1),
    )
    await until(async () => (await stats()).queue.queued === 4, 'four wait')
    await release()
    expect(counted([...(await first), ...(await calls)])).toEqual({ accepted: 4, DATABASE_ERROR: 1 })
    expect((await stats()).retries.oneByOne).toBe(1)
  })

  sqlite.test('of opening a file that was replaced', async () => {
    const { database, consumeCredits, stats } = await withCredits()
    fs.copyFileSync(database.file, `${database.file}.new`)
    fs.renameSync(`${database.file}.new`, database.file)
    expect(counted(await atOnce(1, () => consumeCredits(CONSUME)))).toEqual({ DATABASE_ERROR: 1 })
    const { retries, operations } = await stats()
    expect(retries.reopened).toBe(1)
    expect(operations.consumeCredits.failed).toEqual({ DATABASE_ERROR: 1 })
  })

  postgres.test('of calls whose connection was dead', async () => {
    const { database } = await withCredits()
    const { proxy, credits } = await throughProxy(database)
    await credits.consumeCredits(CONSUME)
    proxy.onClientData = (_, connection) => {
      proxy.onClientData = () => {}
      connection.kill()
      return false
    }
    await credits.consumeCredits(CONSUME)
    const { retries, operations } = await credits.stats()
    expect(retries.lostConnections).toBe(1)
    expect(operations.consumeCredits.done).toBe(2)
  })

  postgres.test('of calls that no longer fit the tables', async () => {
    const { database, createMediaTask, stats } = await withCredits()
    await createMediaTask(task('a', 'u'), 1)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN mood text')
    await createMediaTask(task('b', 'u', { mood: 'good' }), 1)
    expect((await stats()).retries.schemaChanges).toBe(1)
  })
})
