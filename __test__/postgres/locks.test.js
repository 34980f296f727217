'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { addUsers, until, untilWaiting } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { connection, foreignTransaction } = require('../helpers/network')

const message = expect.stringContaining('the database is locked by another process or connection')
const BUSY = { code: 'DATABASE_BUSY', retryable: true, message }
const BUSY_TIMEOUT_MS = 200

const LOCK_USER = `SELECT id FROM "user" WHERE id = 'u0' FOR UPDATE`
const lockGrant = (at) => `SELECT id FROM credit WHERE id = 'u0-${at}' FOR UPDATE`

/** A user with two grants of 100, and a task `t` that drew on both. */
async function open(options) {
  const database = await TestDatabase.fresh(options)
  await addUsers(database, 1)
  await database.credits.createMediaTask(task('t', 'u0'), 150)
  await database.credits.createCredit({ userId: 'u0', credits: 300 })
  return database
}

const CALLS = {
  createMediaTask: ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 80),
  consumeCredits: ({ consumeCredits }) => consumeCredits({ userId: 'u0', credits: 80 }),
  updateMediaTaskById: ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' }),
  createCredit: ({ createCredit }) => createCredit({ userId: 'u0', credits: 5 }),
}
const LOCKS = [
  ['createMediaTask', 'the user', LOCK_USER],
  ['createMediaTask', 'a grant', lockGrant(2)],
  ['consumeCredits', 'the user', LOCK_USER],
  ['consumeCredits', 'a grant', lockGrant(2)],
  ['updateMediaTaskById', 'the user', LOCK_USER],
  ['updateMediaTaskById', 'the task', `SELECT id FROM media_tasks WHERE id = 't' FOR UPDATE`],
  ['updateMediaTaskById', 'a grant', lockGrant(1)],
  ['createCredit', 'the user', LOCK_USER],
]

describe('while another client holds a lock,', () => {
  test.each(LOCKS)('%s gives up after busyTimeoutMs: %s', async (call, _, lock) => {
    const database = await open({ busyTimeoutMs: BUSY_TIMEOUT_MS, maxConnections: 1 })
    const foreign = await foreignTransaction(database, lock)
    const before = Date.now()
    const error = await refusal(database, () => CALLS[call](database.credits))
    expect(error).toMatchObject(BUSY)
    expect(Date.now() - before).toBeGreaterThanOrEqual(BUSY_TIMEOUT_MS)
    expect(Date.now() - before).toBeLessThan(BUSY_TIMEOUT_MS + 2000)
    // A caller that waits longer gets the lock.
    const longer = connection(`${database.url}?application_name=longer`)
    const waiting = CALLS[call](longer)
    await untilWaiting(database)
    await foreign.commit()
    await waiting
    expect(await database.credits.getRemainingCredits('u0')).toBe(await longer.getRemainingCredits('u0'))
    expect(await violations(database)).toEqual([])
  })

  test('reads do not wait', async () => {
    const database = await open({ busyTimeoutMs: BUSY_TIMEOUT_MS })
    await foreignTransaction(database, LOCK_USER, lockGrant(1), lockGrant(2))
    expect(await database.credits.getRemainingCredits('u0')).toBe(350)
    expect(await database.credits.hasActiveMediaTask('u0')).toBe(false)
  })

  // Callers of one user queue; each of them has its own deadline.
  test('many callers of one user give up together, not one after the other', async () => {
    const CALLERS = 12
    // Long enough that delays of a busy machine stay below the time of waiting one after the other.
    const busyTimeoutMs = 1000
    const database = await open({ busyTimeoutMs })
    const foreign = await foreignTransaction(database, LOCK_USER)
    const before = Date.now()
    const errors = await Promise.all(
      Array.from({ length: CALLERS }, () => CALLS.consumeCredits(database.credits).catch((error) => error)),
    )
    expect(errors.map(({ code }) => code)).toEqual(Array(CALLERS).fill('DATABASE_BUSY'))
    expect(Date.now() - before).toBeLessThan((busyTimeoutMs * CALLERS) / 2)
    await foreign.commit()
    expect(await violations(database)).toEqual([])
  })

  test('a call for another user does not wait', async () => {
    const database = await open()
    await addUsers(database, 1, { prefix: 'v' })
    const foreign = await foreignTransaction(database, LOCK_USER)
    const waiting = Array.from({ length: 20 }, (_, at) =>
      database.credits.createMediaTask(task(`w${at}`, 'u0'), 1),
    )
    await untilWaiting(database)
    await database.credits.createMediaTask(task('other', 'v0'), 1)
    await foreign.commit()
    await Promise.all(waiting)
    expect(await violations(database)).toEqual([])
  })
})

describe('a deadlock is retried:', () => {
  /** The transaction that detects the deadlock first is undone. The other one checks later. */
  const LOOKS_LATE = `SET LOCAL deadlock_timeout = '30s'`
  const DEADLOCKS = 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'

  const wide = {
    ...CALLS,
    createMediaTask: ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 150),
    consumeCredits: ({ consumeCredits }) => consumeCredits({ userId: 'u0', credits: 150 }),
  }

  async function deadlock(call, first, second) {
    const database = await TestDatabase.fresh()
    await addUsers(database, 1)
    await database.credits.createMediaTask(task('t', 'u0'), 10)
    const foreign = await foreignTransaction(database, LOOKS_LATE, first)
    const waiting = wide[call](database.credits).catch((error) => error)
    await untilWaiting(database)
    await foreign.sql(second)
    await foreign.commit()
    expect(await waiting).toMatchObject({ userId: 'u0' })
    expect(await violations(database)).toEqual([])
    // A server session reports its deadlocks when it ends.
    await database.credits.close()
    await until(async () => (await database.sql(DEADLOCKS))[0].deadlocks > 0, 'it was a deadlock')
  }

  // Concurrently: the server needs a second to detect a deadlock.
  test('another transaction locks the grants in another order, or the user last', async () => {
    await Promise.all([
      deadlock('createMediaTask', lockGrant(2), lockGrant(1)),
      deadlock('createMediaTask', lockGrant(2), LOCK_USER),
      deadlock('consumeCredits', lockGrant(2), LOCK_USER),
      deadlock('updateMediaTaskById', lockGrant(1), LOCK_USER),
    ])
  })
})

test('a client that died in its transaction blocks no call', async () => {
  const database = await open()
  const foreign = await foreignTransaction(database, LOCK_USER, lockGrant(2))
  const waiting = CALLS.createMediaTask(database.credits)
  await untilWaiting(database)
  const [{ pid }] = await foreign.sql('SELECT pg_backend_pid() AS pid')
  await database.sql('SELECT pg_terminate_backend(?::integer)', pid)
  expect((await waiting).id).toBe('new')
  expect(await violations(database)).toEqual([])
})
