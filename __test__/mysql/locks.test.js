'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { atOnce, counted } = require('../helpers/calls')
const { addUsers, untilWaiting } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { Store, describeWithMysql } = require('../helpers/mysql')
const { connection, foreignTransaction } = require('../helpers/network')

// The app's own client holds locks on users, tasks and grants, in any order.

const message = expect.stringContaining('the database is locked by another process or connection')
const BUSY = { code: 'DATABASE_BUSY', retryable: true, message }
/** The server counts whole seconds. */
const BUSY_TIMEOUT_MS = 1000

const LOCK_USER = `SELECT id FROM "user" WHERE id = 'u0' FOR UPDATE`
const lockGrant = (at) => `SELECT id FROM credit WHERE id = 'u0-${at}' FOR UPDATE`
const LOCK_TASK = `SELECT id FROM media_tasks WHERE id = 't' FOR UPDATE`

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

describeWithMysql('while another client holds a lock,', () => {
  test.each([
    ['createMediaTask', 'the user', LOCK_USER],
    ['createMediaTask', 'a grant', lockGrant(2)],
    ['consumeCredits', 'the user', LOCK_USER],
    ['consumeCredits', 'a grant', lockGrant(2)],
    ['updateMediaTaskById', 'the user', LOCK_USER],
    ['updateMediaTaskById', 'the task', LOCK_TASK],
    ['updateMediaTaskById', 'a grant', lockGrant(1)],
    ['createCredit', 'the user', LOCK_USER],
  ])('%s gives up after busyTimeoutMs: %s', async (call, _, lock) => {
    const database = await open({ busyTimeoutMs: BUSY_TIMEOUT_MS, maxConnections: 1 })
    const foreign = await foreignTransaction(database, lock)
    const before = Date.now()
    const error = await refusal(database, () => CALLS[call](database.credits))
    expect(error).toMatchObject(BUSY)
    expect(Date.now() - before).toBeGreaterThanOrEqual(BUSY_TIMEOUT_MS - 100)
    expect(Date.now() - before).toBeLessThan(3 * BUSY_TIMEOUT_MS + 2000)
    // A caller that waits longer gets the lock.
    const longer = connection(database.url.replace('127.0.0.1', 'localhost'), { busyTimeoutMs: 60_000 })
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

describeWithMysql('a deadlock is retried:', () => {
  test.each([
    ['createMediaTask', lockGrant(2), LOCK_USER],
    ['consumeCredits', lockGrant(2), LOCK_USER],
    ['updateMediaTaskById', lockGrant(1), LOCK_USER],
    ['updateMediaTaskById', LOCK_TASK, LOCK_USER],
  ])('%s meets a transaction that locks the user last: %s', async (call, first, second) => {
    const database = await open()
    const foreign = await foreignTransaction(database, first)
    const waiting = CALLS[call](database.credits).catch((error) => error)
    await untilWaiting(database)
    // The server undoes one of the two: the app's own client gets the error, and this package retries.
    await foreign.sql(second).catch(({ errno }) => expect(errno).toBe(1213))
    await foreign.commit()
    expect(await waiting).toMatchObject({ userId: 'u0' })
    expect(await violations(database)).toEqual([])
  })
})

/** Repeats a call while its errors are retryable. */
async function again(call) {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (error.code !== 'DATABASE_BUSY') throw error
    }
  }
}

/** Like the app's `consumeCredits`: locks grants in the order of their expiry, and draws on them. */
async function appConsume(store, userId, credits) {
  const run = (sql, ...args) => store.query([[sql, args]])
  for (;;) {
    try {
      await run('BEGIN')
      const grants = await run(
        `SELECT id, remaining_credits FROM credit WHERE user_id = ? AND status = 'active'
           AND transaction_type = 'grant' AND remaining_credits > 0 ORDER BY expires_at FOR UPDATE`,
        userId,
      )
      const grant = grants.find(({ remaining_credits: remaining }) => remaining >= credits)
      const now = new Date()
      await run(
        'UPDATE credit SET remaining_credits = remaining_credits - ?, updated_at = ? WHERE id = ?',
        ...[credits, now, grant.id],
      )
      const id = crypto.randomUUID()
      const detail = JSON.stringify([{ creditId: grant.id, creditsConsumed: credits }])
      await run(
        `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
           updated_at, consumed_detail) VALUES (?, ?, ?, 'consume', ?, 0, 'active', ?, ?)`,
        ...[id, userId, id, -credits, now, detail],
      )
      await run('COMMIT')
      return
    } catch (error) {
      await run('ROLLBACK')
      if (![1213, 1205].includes(error.errno)) throw error
    }
  }
}

describeWithMysql("beside the app's own consumeCredits, which locks grants itself,", () => {
  // A call that conflicts ten times is refused as retryable, and repeated.
  test('16 callers of one user spend the balance once', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 200, 200)
    const app = new Store(database.store.name, database.url)
    const charging = (async () => {
      for (let at = 0; at < 30; at++) await appConsume(app, 'u', 1)
    })()
    const { consumeCredits, createMediaTask, updateMediaTaskById } = database.credits
    const settled = await atOnce(16, async (number) => {
      for (let at = 0; at < 6; at++) {
        await again(() => consumeCredits({ userId: 'u', credits: 1 }))
        const { id } = await again(() => createMediaTask(task(`${number}-${at}`, 'u'), 2))
        await again(() => updateMediaTaskById(id, { status: 'failed' }))
      }
    })
    await charging
    await app.disconnect()
    expect(counted(settled)).toEqual({ accepted: 16 })
    expect(await database.credits.getRemainingCredits('u')).toBe(400 - 30 - 16 * 6)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('16 callers of one user', () => {
  test('cause no deadlock among themselves', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 200, 200)
    const { consumeCredits, createMediaTask, updateMediaTaskById } = database.credits
    const settled = await atOnce(16, async (number) => {
      for (let at = 0; at < 6; at++) {
        await consumeCredits({ userId: 'u', credits: 1 })
        const { id } = await createMediaTask(task(`${number}-${at}`, 'u'), 2)
        await updateMediaTaskById(id, { status: 'failed' })
      }
    })
    expect(counted(settled)).toEqual({ accepted: 16 })
    expect((await database.credits.stats()).retries.conflicts).toBe(0)
    expect(await database.credits.getRemainingCredits('u')).toBe(400 - 16 * 6)
    expect(await violations(database)).toEqual([])
  })
})
