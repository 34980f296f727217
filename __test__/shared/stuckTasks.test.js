'use strict'

const { MediaCreditsError } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow } = require('../helpers/rows')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const COST = 10
const MINUTE_MS = 60_000
const NONE = { tasks: [], credits: 0, spendable: 0, errors: [] }

const ago = (minutes) => new Date(Date.now() - minutes * MINUTE_MS)
const ids = (rows) => rows.map(({ id }) => id)
const numbered = (count, name = 't') =>
  Array.from({ length: count }, (_, at) => `${name}${String(at).padStart(4, '0')}`)

/** A user with this many tasks of `COST` each, which were not updated for an hour. */
async function addTasks(database, userId, taskIds) {
  await database.user(userId, { id: `grant of ${userId}`, credits: taskIds.length * COST, expiresAt: null })
  const items = taskIds.map((id) => ({ task: task(id, userId), costCredits: COST }))
  await database.credits.createMediaTasks(items, { atomic: true })
  await database.sql('UPDATE media_tasks SET updated_at = ? WHERE user_id = ?', ago(60), userId)
}

/** User `u` has these tasks, in a status and last changed minutes ago: `{ id: [status, minutes] }`. */
async function withTasks(tasks) {
  const database = await TestDatabase.fresh()
  await addTasks(database, 'u', Object.keys(tasks))
  for (const [id, [status, minutes]] of Object.entries(tasks)) {
    const change = 'UPDATE media_tasks SET status = ?, updated_at = ? WHERE id = ?'
    await database.sql(change, status, ago(minutes), id)
  }
  const { findStuckMediaTasks, failStuckMediaTasks } = database.credits
  return { database, find: findStuckMediaTasks, fail: failStuckMediaTasks }
}

/** Makes what the charges of a user's tasks drew unreadable. */
function corrupt(database, userId) {
  const change =
    "UPDATE credit SET consumed_detail = 'junk' WHERE transaction_type = 'consume' AND user_id = ?"
  return database.sql(change, userId)
}

const STATUSES = {
  pending: true,
  downloading: true,
  processing: true,
  translating: true,
  extracted: false,
  completed: false,
  failed: false,
  'of a fork': false,
}

describe('findStuckMediaTasks', () => {
  test('finds tasks in a working status, oldest first', async () => {
    const { database, find } = await withTasks(
      Object.fromEntries(Object.keys(STATUSES).map((status, at) => [status, [status, 60 - at]])),
    )
    const found = await find({ olderThanMs: 5 * MINUTE_MS })
    expect(ids(found)).toEqual(Object.keys(STATUSES).filter((status) => STATUSES[status]))
    expect(found[0]).toEqual(await database.credits.findMediaTaskById('pending'))
  })

  test.each([
    [['pending'], ['a']],
    [
      ['translating', 'pending'],
      ['a', 'c'],
    ],
    [['of a fork'], ['d']],
    [['no task has this'], []],
  ])('finds those in the states %j', async (statuses, expected) => {
    const { find } = await withTasks({
      a: ['pending', 9],
      b: ['processing', 8],
      c: ['translating', 7],
      d: ['of a fork', 6],
    })
    expect(ids(await find({ olderThanMs: 1, statuses }))).toEqual(expected)
  })

  test.each([
    [1, ['b', 'c', 'a']],
    [20, ['b', 'c']],
    [45, ['b']],
    [90, []],
  ])('finds those that were not changed for %d minutes', async (minutes, expected) => {
    const { find } = await withTasks({ a: ['pending', 10], b: ['pending', 60], c: ['pending', 30] })
    expect(ids(await find({ olderThanMs: minutes * MINUTE_MS }))).toEqual(expected)
  })

  test('does not find a task that was changed a moment ago', async () => {
    const { database, find } = await withTasks({ a: ['pending', 60], b: ['pending', 60] })
    await database.credits.updateMediaTaskById('a', { progress: 5 })
    expect(ids(await find({ olderThanMs: MINUTE_MS }))).toEqual(['b'])
  })

  test('finds a task with a deletedAt, too', async () => {
    const { database, find } = await withTasks({ a: ['pending', 60], b: ['pending', 50] })
    await database.sql("UPDATE media_tasks SET deleted_at = ? WHERE id = 'a'", ago(55))
    expect(ids(await find({ olderThanMs: MINUTE_MS }))).toEqual(['a', 'b'])
  })

  test('finds 100 by default, or as many as limit, and changes nothing', async () => {
    const database = await TestDatabase.fresh()
    await addTasks(database, 'u', numbered(105))
    const before = await database.everything()
    const find = (limit) => database.credits.findStuckMediaTasks({ olderThanMs: MINUTE_MS, limit })
    for (const [limit, count] of [
      [undefined, 100],
      [1, 1],
      [104, 104],
      [1000, 105],
    ]) {
      expect((await find(limit)).length).toBe(count)
    }
    expect(await database.everything()).toEqual(before)
  })

  test('finds nothing without tasks', async () => {
    const database = await TestDatabase.fresh()
    expect(await database.credits.findStuckMediaTasks({ olderThanMs: 1 })).toEqual([])
  })
})

describe('failStuckMediaTasks', () => {
  test('fails and refunds each task, oldest first, and returns its earlier status', async () => {
    const { database, fail } = await withTasks({
      a: ['translating', 10],
      b: ['pending', 60],
      c: ['processing', 30],
      'just now': ['processing', 0],
      done: ['completed', 60],
    })
    await database.credits.createMediaTask(task('free', 'u'), 0)
    await database.sql("UPDATE media_tasks SET updated_at = ? WHERE id = 'free'", ago(5))
    const refund = (credits) => ({ credits, spendable: credits, skipped: [] })
    expect(await fail({ olderThanMs: 2 * MINUTE_MS, errorMessage: 'timed out' })).toEqual({
      tasks: [
        { id: 'b', userId: 'u', status: 'pending', refund: refund(COST) },
        { id: 'c', userId: 'u', status: 'processing', refund: refund(COST) },
        { id: 'a', userId: 'u', status: 'translating', refund: refund(COST) },
        { id: 'free', userId: 'u', status: 'pending', refund: refund(0) },
      ],
      credits: 3 * COST,
      spendable: 3 * COST,
      errors: [],
    })
    const rows = await database.sql('SELECT id, status, error_message FROM media_tasks ORDER BY id')
    const failed = (id) => ({ id, status: 'failed', error_message: 'timed out' })
    expect(rows).toEqual([
      failed('a'),
      failed('b'),
      failed('c'),
      { id: 'done', status: 'completed', error_message: null },
      failed('free'),
      { id: 'just now', status: 'processing', error_message: null },
    ])
    expect(await database.credits.getRemainingCredits('u')).toBe(3 * COST)
    expect(await violations(database)).toEqual([])
  })

  test('finds nothing the second time', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60] })
    expect((await fail({ olderThanMs: MINUTE_MS })).tasks.length).toBe(1)
    const before = await database.everything()
    expect(await fail({ olderThanMs: 1, statuses: ['pending', 'processing'] })).toEqual(NONE)
    expect(await database.everything()).toEqual(before)
    expect(await violations(database)).toEqual([])
  })

  test('without an errorMessage does not change the existing one', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60] })
    await database.sql("UPDATE media_tasks SET error_message = 'slow'")
    await fail({ olderThanMs: MINUTE_MS })
    expect(await database.credits.findMediaTaskById('a')).toMatchObject({
      status: 'failed',
      errorMessage: 'slow',
    })
    expect(await violations(database)).toEqual([])
  })

  test('fails deleted tasks too, and only those with the given statuses', async () => {
    const { database, fail } = await withTasks({
      a: ['queued', 60],
      b: ['pending', 60],
      c: ['queued', 50],
      d: ['queued', 1],
    })
    await database.sql("UPDATE media_tasks SET deleted_at = ? WHERE id = 'c'", ago(55))
    const { tasks, credits } = await fail({ olderThanMs: 2 * MINUTE_MS, statuses: ['queued'] })
    expect(tasks.map(({ id, status }) => [id, status])).toEqual([
      ['a', 'queued'],
      ['c', 'queued'],
    ])
    expect(credits).toBe(2 * COST)
    expect(await violations(database)).toEqual([])
  })

  test('fails at most as many as limit, the oldest first', async () => {
    const { database, fail } = await withTasks({
      a: ['pending', 10],
      b: ['pending', 60],
      c: ['pending', 30],
    })
    const failed = async (limit) => ids((await fail({ olderThanMs: MINUTE_MS, limit })).tasks)
    expect(await failed(1)).toEqual(['b'])
    expect(await failed(1000)).toEqual(['c', 'a'])
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['all of 250', undefined, 250],
    ['150 of 250', 150, 150],
  ])('fails %s, the oldest first', async (_, limit, count) => {
    const database = await TestDatabase.fresh()
    const all = numbered(250)
    await addTasks(database, 'u', all)
    // From the last to the first.
    await database.run(
      ...all.map((id, at) => ['UPDATE media_tasks SET updated_at = ? WHERE id = ?', ago(10 + at), id]),
    )
    const outcome = await database.credits.failStuckMediaTasks({ olderThanMs: MINUTE_MS, limit })
    expect(ids(outcome.tasks)).toEqual(all.toReversed().slice(0, count))
    expect(outcome).toMatchObject({ credits: count * COST, spendable: count * COST, errors: [] })
    expect(await database.credits.getRemainingCredits('u')).toBe(count * COST)
    expect(await violations(database)).toEqual([])
  })

  test('counts spendable credits separately from those of an expired grant', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60], b: ['pending', 50] })
    await addTasks(database, 'v', ['c'])
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'grant of u'", ago(5))
    const outcome = await fail({ olderThanMs: MINUTE_MS })
    expect(outcome).toMatchObject({ credits: 3 * COST, spendable: COST, errors: [] })
    expect(await violations(database)).toEqual([])
  })

  test('applies the refundPolicy', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60], b: ['pending', 50] })
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'grant of u'", ago(5))
    const outcome = await fail({ olderThanMs: MINUTE_MS, refundPolicy: { regrantDays: 7 } })
    expect(outcome).toMatchObject({ credits: 2 * COST, spendable: 2 * COST, errors: [] })
    for (const { refund } of outcome.tasks) {
      expect(refund.regranted).toEqual({
        creditId: expect.any(String),
        credits: COST,
        expiresAt: expect.any(Date),
      })
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(2 * COST)
    expect(await violations(database)).toEqual([])
  })

  test('refunds the rest of a settled charge, and of several charges the last', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60], b: ['pending', 50] })
    await database.credits.createCredit({ userId: 'u', credits: 7 })
    await database.credits.settleMediaTask('a', 4)
    await database.credits.chargeMediaTask('b', { credits: 7 }, { status: 'translating' })
    await database.sql('UPDATE media_tasks SET updated_at = ?', ago(5))
    const { tasks, credits } = await fail({ olderThanMs: MINUTE_MS })
    expect(tasks.map(({ id, refund }) => [id, refund.credits])).toEqual([
      ['a', 4],
      ['b', 7],
    ])
    expect(credits).toBe(11)
    expect(await violations(database)).toEqual([])
  })

  postgres.test('fails tasks whose times have microseconds, as the database writes them', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60], b: ['pending', 60] })
    await database.sql("UPDATE media_tasks SET updated_at = timestamp '2026-01-01 10:00:00.123999'")
    expect((await fail({ olderThanMs: MINUTE_MS })).credits).toBe(2 * COST)
    expect(await violations(database)).toEqual([])
  })
})

describe('failStuckMediaTasks does not change, and lists in errors,', () => {
  test('a task whose charge is corrupt; the others fail', async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60], c: ['pending', 50] })
    await addTasks(database, 'x', ['b'])
    await corrupt(database, 'x')
    const damage = await violations(database)
    const row = await database.credits.findMediaTaskById('b')
    const charge = await creditRow(database, row.creditId)
    const { tasks, credits, errors } = await fail({ olderThanMs: MINUTE_MS, errorMessage: 'timed out' })
    expect(ids(tasks)).toEqual(['a', 'c'])
    expect(credits).toBe(2 * COST)
    expect(errors).toEqual([{ id: 'b', userId: 'x', error: expect.any(MediaCreditsError) }])
    expect(errors[0].error).toMatchObject({ code: 'CHARGE_CORRUPT', creditId: row.creditId })
    expect(await database.credits.findMediaTaskById('b')).toEqual(row)
    expect(await creditRow(database, row.creditId)).toEqual(charge)
    expect(await violations(database)).toEqual(damage)
  })

  test("a task that names another user's charge", async () => {
    const { database, fail } = await withTasks({ a: ['pending', 60] })
    await database.user('v', 50)
    const { id } = await database.credits.consumeCredits({ userId: 'v', credits: 5 })
    await database.sql('UPDATE media_tasks SET credit_id = ?', id)
    const { tasks, errors } = await fail({ olderThanMs: MINUTE_MS })
    expect({ tasks, code: errors[0].error.code }).toEqual({ tasks: [], code: 'CHARGE_OWNER_MISMATCH' })
    expect(await violations(database)).toEqual([])
  })

  test('230 corrupt ones that are the oldest; the others fail', async () => {
    const database = await TestDatabase.fresh()
    await addTasks(database, 'x', numbered(230, 'x'))
    await addTasks(database, 'u', numbered(120))
    await corrupt(database, 'x')
    await database.sql("UPDATE media_tasks SET updated_at = ? WHERE user_id = 'x'", ago(90))
    const damage = await violations(database)
    const outcome = await database.credits.failStuckMediaTasks({ olderThanMs: MINUTE_MS })
    expect(ids(outcome.tasks)).toEqual(numbered(120))
    expect(ids(outcome.errors)).toEqual(numbered(230, 'x'))
    expect(new Set(outcome.errors.map(({ error }) => error.code))).toEqual(new Set(['CHARGE_CORRUPT']))
    expect(outcome.credits).toBe(120 * COST)
    expect(await violations(database)).toEqual(damage)
  })

  test('corrupt ones, which do not count for the limit', async () => {
    const database = await TestDatabase.fresh()
    await addTasks(database, 'x', numbered(5, 'x'))
    await addTasks(database, 'u', numbered(5))
    await corrupt(database, 'x')
    await database.sql("UPDATE media_tasks SET updated_at = ? WHERE user_id = 'x'", ago(90))
    const damage = await violations(database)
    const outcome = await database.credits.failStuckMediaTasks({ olderThanMs: MINUTE_MS, limit: 3 })
    expect(ids(outcome.tasks)).toEqual(numbered(3))
    expect(ids(outcome.errors)).toEqual(numbered(5, 'x'))
    expect(await violations(database)).toEqual(damage)
  })
})
