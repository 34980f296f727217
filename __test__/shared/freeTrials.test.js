'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { outcome, staysSound, writingNothing } = require('../helpers/calls')
const { MEDIA_CREATES, NO_LIMITS, media, trial, trialsStayCounted, used } = require('../helpers/plans')
const { byStorage } = require('../helpers/storage')

TestDatabase.reuse()

// The transaction that creates a task counts its free trial.

const USED_UP = 'FREE_TRIAL_USED_UP'
const LONG_AGO = new Date(Date.now() - 3_600_000)

/** Users `u` and `v` have 100 credits each, and have used this many free trials. Their rows are an hour old. */
async function withUsers(used = 0, options) {
  const database = await TestDatabase.fresh(options)
  await database.user('u', 60, 40)
  await database.user('v', 100)
  await database.sql('UPDATE "user" SET free_trial_used = ?, updated_at = ?', used, LONG_AGO)
  return database
}

/** The user's current row. */
const userRow = async (database, id = 'u') => (await database.sql('SELECT * FROM "user" WHERE id = ?', id))[0]

describe.each(Object.entries(MEDIA_CREATES))('%s with freeTrialLimit', (_, { make, operation }) => {
  staysSound()

  const asTrial = { isFreeTrial: true }

  /** Makes the task `new` of user `u`. */
  const take = (database, freeTrialLimit, more = asTrial, options = {}) =>
    make(database.credits, 'new', { freeTrialLimit, ...options }, more)

  test('counts the task, and sets updated_at of the user', async () => {
    const database = await withUsers()
    const before = await userRow(database)
    const row = await take(database, 1)
    expect(row).toMatchObject({ id: 'new', isFreeTrial: true })
    const after = await userRow(database)
    expect(after).toEqual({ ...before, free_trial_used: 1, updated_at: row.updatedAt.getTime() })
    expect(await userRow(database, 'v')).toMatchObject({
      free_trial_used: 0,
      updated_at: LONG_AGO.getTime(),
    })
  })

  test.each([
    [0, 1],
    [1, 2],
    [2, 10],
    [0, Number.MAX_SAFE_INTEGER],
    [null, 1],
  ])('takes one more if %p are used, of %i', async (before, limit) => {
    const database = await withUsers(before)
    await take(database, limit)
    expect(await used(database)).toBe(before + 1)
  })

  test.each([
    [0, 0],
    [1, 1],
    [3, 2],
    [7, 0],
    [null, 0],
  ])('refuses one more if %p are used, of %i, and says so', async (before, limit) => {
    const database = await withUsers(before)
    const user = await userRow(database)
    const error = await refusal(database, () => take(database, limit))
    expect(error).toMatchObject({ code: USED_UP, used: before ?? 0, limit, retryable: false })
    expect(error.message).toContain(`Free trials are used up, ${before ?? 0} of ${limit}`)
    expect(await userRow(database)).toEqual(user)
  })

  test.each([
    ['true', true, 1],
    ['1', 1, 1],
    ["'true'", 'true', 1],
    ['false', false, 0],
    ['0', 0, 0],
    ["'false'", 'false', 0],
    ['null', null, 0],
    ['undefined', undefined, 0],
  ])('isFreeTrial %s', async (_, isFreeTrial, counted) => {
    const database = await withUsers()
    const row = await take(database, 1, { isFreeTrial })
    expect(row.isFreeTrial).toBe(isFreeTrial === null ? null : counted === 1)
    expect(await userRow(database)).toMatchObject({
      free_trial_used: counted,
      updated_at: (counted ? row.updatedAt : LONG_AGO).getTime(),
    })
    const stored = await database.sql('SELECT is_free_trial FROM media_tasks')
    expect(stored).toEqual([{ is_free_trial: isFreeTrial === null ? null : counted }])
  })

  test('refuses other values as isFreeTrial', async () => {
    const database = await withUsers()
    for (const isFreeTrial of ['1', '0', 'yes', 'TRUE', '', 2, -1, 0.5, {}, new Date()]) {
      const error = await refusal(database, () => take(database, 1, { isFreeTrial }))
      const expected = [isFreeTrial, 'INVALID_VALUE', 'isFreeTrial']
      expect([isFreeTrial, error.code, error.field]).toEqual(expected)
    }
    expect(await used(database)).toBe(0)
  })

  test('must be a whole number from 0, or null, also for tasks that are no free trial', async () => {
    const database = await withUsers()
    for (const limit of NO_LIMITS) {
      for (const more of [asTrial, {}]) {
        const error = await refusal(database, () => take(database, limit, more))
        expect([limit, error.code, error.field]).toEqual([limit, 'INVALID_ARGUMENT', 'freeTrialLimit'])
      }
    }
    expect(await used(database)).toBe(0)
  })

  test.each([
    ['null', null],
    ['undefined', undefined],
  ])('%s leaves the counting to the app', async (_, freeTrialLimit) => {
    const database = await withUsers(5)
    expect(await take(database, freeTrialLimit)).toMatchObject({ isFreeTrial: true })
    expect(await userRow(database)).toMatchObject({ free_trial_used: 5, updated_at: LONG_AGO.getTime() })
  })

  test('does not count a task that is created as failed', async () => {
    const database = await withUsers()
    await take(database, 0, { ...asTrial, status: 'failed', cost: 0 })
    expect(await used(database)).toBe(0)
  })

  test('counts a task that is created as completed', async () => {
    const database = await withUsers()
    await take(database, 1, { ...asTrial, status: 'completed' })
    expect(await used(database)).toBe(1)
  })

  test('counts nothing if the task is refused for another reason', async () => {
    const database = await withUsers()
    await make(database.credits, 'taken')
    const user = await userRow(database)
    const calls = [
      [() => take(database, 1, { ...asTrial, cost: 1000 }), 'INSUFFICIENT_CREDITS'],
      [() => take(database, 1, asTrial, { maxActive: 1 }), 'TOO_MANY_ACTIVE_TASKS'],
      [() => take(database, 1, { ...asTrial, userId: 'nobody' }), 'USER_NOT_FOUND'],
      [() => take(database, 1, { ...asTrial, views: '1e3' }), 'INVALID_VALUE'],
      [() => make(database.credits, 'taken', { freeTrialLimit: 1 }, asTrial), 'TASK_EXISTS'],
    ]
    for (const [call, code] of calls) expect(await refusal(database, call)).toMatchObject({ code })
    expect(await userRow(database)).toEqual(user)
  })

  test('counts a replay once, and returns its task with no trial left', async () => {
    const database = await withUsers()
    const call = (limit) => take(database, limit, asTrial, { replay: true })
    const first = await call(1)
    for (const limit of [1, 0]) {
      expect(await writingNothing(database, () => call(limit))).toEqual({ ...first, replayed: true })
      expect(await used(database)).toBe(1)
    }
  })

  test('emits a refusal, and counts it in stats()', async () => {
    // With options it has a connection of its own, which has counted nothing yet.
    const database = await withUsers(1, {})
    const told = []
    database.credits.on('refused', (event) => told.push(event))
    await refusal(database, () => take(database, 1))
    expect(told).toEqual([{ operation, code: USED_UP, userId: 'u', task: { kind: 'media', id: 'new' } }])
    const { operations } = await database.credits.stats()
    expect(operations[operation]).toEqual({ done: 0, refused: { [USED_UP]: 1 }, failed: {} })
  })
})

describe('a batch of free trials', () => {
  trialsStayCounted()

  const list = (prefix, count, more) =>
    Array.from({ length: count }, (_, at) => media(`${prefix}${at}`, { isFreeTrial: true, ...more }))

  test('counts the trials of the items before', async () => {
    const database = await withUsers()
    const { createMediaTasks } = database.credits
    const options = { atomic: true, freeTrialLimit: 3 }
    const items = [...list('free', 2), media('paid', {}), ...list('more', 2)]
    const error = await refusal(database, () => createMediaTasks(items, options))
    expect(error).toMatchObject({ code: USED_UP, used: 3, limit: 3, index: 4 })
    expect(await used(database)).toBe(0)
    expect(await createMediaTasks(items.slice(0, 4), options)).toHaveLength(4)
    expect(await used(database)).toBe(3)
  })

  test('counts each user separately', async () => {
    const database = await withUsers()
    const items = [...list('u', 2), ...list('v', 2, { userId: 'v' }), media('paid', {})]
    await database.credits.createMediaTasks(items, { atomic: true, freeTrialLimit: 2 })
    expect([await used(database), await used(database, 'v')]).toEqual([2, 2])
  })

  test('creates as many tasks as trials are left if it is not atomic', async () => {
    const database = await withUsers()
    const settled = await database.credits.createMediaTasks(list('b', 5), { freeTrialLimit: 2 })
    expect(settled.map(outcome)).toEqual(['accepted', 'accepted', USED_UP, USED_UP, USED_UP])
    expect(await used(database)).toBe(2)
    expect(await database.credits.getRemainingCredits('u')).toBe(98)
  })

  test('is replayed without using more trials', async () => {
    const database = await withUsers()
    const call = (freeTrialLimit) =>
      database.credits.createMediaTasks(list('b', 3), { atomic: true, replay: true, freeTrialLimit })
    const first = await call(3)
    const again = await writingNothing(database, () => call(0))
    expect(again).toEqual(first.map((row) => ({ ...row, replayed: true })))
    expect(await used(database)).toBe(3)
  })
})

describe('AI tasks', () => {
  test('have no free trials', async () => {
    const database = await withUsers()
    const calls = [
      () => database.credits.createAITask(aiTask('a', 'u'), { freeTrialLimit: 1 }),
      () => database.credits.createAITasks([aiTask('a', 'u')], { freeTrialLimit: 1, atomic: true }),
    ]
    for (const call of calls) {
      expect(await refusal(database, call)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'freeTrialLimit' })
    }
  })
})

describe('a database without', () => {
  staysSound()

  const drop = (table, column) => `ALTER TABLE "${table}" DROP COLUMN ${column}`
  const OPTIONS = { freeTrialLimit: 1 }

  /** All calls that work without free trials, over the life of a task. */
  async function isOfUse({ credits }, more) {
    await credits.createMediaTask(task('t', 'u', more), 5, { maxActive: 1 })
    // No free trial, so no limit.
    await credits.createMediaTask(task('no trial', 'u', { isFreeTrial: undefined }), 5, OPTIONS)
    expect((await credits.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(5)
    await credits.chargeMediaTask('t', { credits: 3 }, { status: 'translating' })
    await credits.settleMediaTask('t', 2)
    expect((await credits.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(2)
    await credits.createMediaTasks([media('b', more)], { atomic: true, maxActive: 2 })
    await credits.createAITask(aiTask('a', 'u', { costCredits: 1 }), { maxActive: 1 })
    expect((await credits.getMediaTaskHistory('u')).total).toBe(3)
    expect(await credits.getRemainingCredits('u')).toBe(93)
  }

  test.each([
    ['user.free_trial_used', 'user', 'free_trial_used', { isFreeTrial: true }],
    ['media_tasks.is_free_trial', 'media_tasks', 'is_free_trial', {}],
  ])('%s has no free trials, and is of use for all else', async (name, table, column, more) => {
    const database = await withUsers()
    await database.sql(drop(table, column))
    for (const { make } of Object.values(MEDIA_CREATES)) {
      const call = () => make(database.credits, 'new', OPTIONS, { isFreeTrial: true })
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
      expect(error.message).toContain(`column ${name} is missing`)
      const quoted = byStorage({ sqlite: '"user"', postgres: '"user"', mysql: '`user`' })
      const add = `ALTER TABLE ${table === 'user' ? quoted : table} ADD COLUMN`
      const type = {
        user: byStorage({ sqlite: 'integer', postgres: 'integer', mysql: 'int' }),
        media_tasks: byStorage({ sqlite: 'integer DEFAULT false', postgres: 'boolean DEFAULT false' }),
      }
      expect(error.message).toContain(`${add} ${column} ${type[table]};`)
    }
    await isOfUse(database, more)
  })

  test('user.updated_at counts free trials too', async () => {
    const database = await withUsers()
    await database.sql(drop('user', 'updated_at'))
    const { createMediaTask, updateMediaTaskById } = database.credits
    await createMediaTask(trial('t'), 0, OPTIONS)
    expect(await used(database)).toBe(1)
    await updateMediaTaskById('t', { status: 'failed' })
    expect(await used(database)).toBe(0)
  })

  test('user.free_trial_used, dropped a moment ago, refuses only free trials', async () => {
    const database = await withUsers()
    const { createMediaTask } = database.credits
    await createMediaTask(trial('t'), 0, OPTIONS)
    await database.sql(drop('user', 'free_trial_used'))
    const call = () => createMediaTask(trial('new'), 0, { freeTrialLimit: 2 })
    expect(await refusal(database, call)).toMatchObject({ code: 'SCHEMA_MISMATCH' })
    // A trial that was counted before can't be returned.
    expect(await database.credits.updateMediaTaskById('t', { status: 'failed' })).toMatchObject({ id: 't' })
  })
})
