'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has 50 credits and an old task; user `v` has 50 and a charge. */
const twoUsers = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'grant of u', credits: 50 })
  await database.user('v', 50)
  await database.credits.createMediaTask(task('old', 'u'), 10)
  const { id } = await database.credits.consumeCredits({ userId: 'v', credits: 10 })
  return { database, createMediaTask: database.credits.createMediaTask, foreignCharge: id }
})

describe('createMediaTask refuses a task with', () => {
  test.each(['titel', 'video_url', 'VideoUrl', '', '__proto__', 'constructor', 'toString', '$date'])(
    'the unknown key %p',
    async (field) => {
      const { database, createMediaTask } = twoUsers()
      const error = await refusal(database, () => createMediaTask(task('t', 'u', { [field]: 'x' }), 10))
      expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field, table: 'media_tasks' })
      expect(error.message).toContain(JSON.stringify(field))
    },
  )

  test.each([
    ['no videoUrl', { videoUrl: undefined }, 'MISSING_FIELD', 'videoUrl'],
    ['no platform', { platform: undefined }, 'MISSING_FIELD', 'platform'],
    ['null as videoUrl', { videoUrl: null }, 'INVALID_VALUE', 'videoUrl'],
    ['null as status', { status: null }, 'INVALID_VALUE', 'status'],
    ['a fraction as duration', { duration: 12.5 }, 'INVALID_VALUE', 'duration'],
    ['NaN as duration', { duration: NaN }, 'INVALID_VALUE', 'duration'],
    ['text that is not a whole number as duration', { duration: '12.0' }, 'INVALID_VALUE', 'duration'],
    ['a Date as title', { title: new Date(0) }, 'INVALID_VALUE', 'title'],
    ['a Date as title', { title: new Date() }, 'INVALID_VALUE', 'title'],
    ['NUL in the title', { title: 'a\0b' }, 'INVALID_VALUE', 'title'],
    ['text as isFreeTrial', { isFreeTrial: 'yes' }, 'INVALID_VALUE', 'isFreeTrial'],
    ['a number as isFreeTrial', { isFreeTrial: 2 }, 'INVALID_VALUE', 'isFreeTrial'],
  ])('%s', async (_, changes, code, field) => {
    const { database, createMediaTask } = twoUsers()
    const error = await refusal(database, () => createMediaTask(task('t', 'u', changes), 10))
    expect(error).toMatchObject({ code, field, table: 'media_tasks' })
  })

  test.each([
    ['an invalid Date', new Date('tomorrow')],
    ['a number', 1_795_380_509_258],
    ['text', '2026-11-22T20:48:29.258Z'],
    ['true', true],
    ['an object', {}],
  ])('%s as publishedAt', async (_, publishedAt) => {
    const { database, createMediaTask } = twoUsers()
    const error = await refusal(database, () => createMediaTask(task('t', 'u', { publishedAt }), 10))
    // The error names the key that was passed.
    expect(error).toMatchObject({ code: 'INVALID_DATE', field: 'publishedAt' })
  })
})

describe('createMediaTask refuses, after it has read the database,', () => {
  test('an unknown user', async () => {
    const { database, createMediaTask } = twoUsers()
    for (const cost of [0, 10]) {
      const error = await refusal(database, () => createMediaTask(task('t', 'nobody'), cost))
      expect(error).toMatchObject({ code: 'USER_NOT_FOUND', userId: 'nobody' })
    }
  })

  test.each([
    ['of the same user', 'u', 10],
    ['of another user', 'v', 10],
    ['that would cost nothing', 'u', 0],
    ['that the balance would not pay for', 'u', 1000],
  ])('the id of a task that exists, %s', async (_, userId, cost) => {
    const { database, createMediaTask } = twoUsers()
    const error = await refusal(database, () => createMediaTask(task('old', userId), cost))
    expect(error).toMatchObject({ code: 'TASK_EXISTS', taskId: 'old' })
  })

  test('a cost above the balance', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 5)
    const error = await refusal(database, () => database.credits.createMediaTask(task('t', 'u'), 10))
    expect(error).toMatchObject({ code: 'INSUFFICIENT_CREDITS', required: 10, available: 5 })
    expect(error.message).toBe('Insufficient credits, 5 < 10')
  })

  test('the largest cost, of a user without grants', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const call = () => database.credits.createMediaTask(task('t', 'u'), 2_147_483_647)
    const error = await refusal(database, call)
    expect(error).toMatchObject({ code: 'INSUFFICIENT_CREDITS', required: 2_147_483_647, available: 0 })
  })

  test('a creditId beside a cost', async () => {
    const { database, createMediaTask, foreignCharge } = twoUsers()
    for (const creditId of ['nothing', foreignCharge]) {
      const error = await refusal(database, () => createMediaTask(task('t', 'u', { creditId }), 10))
      expect(error).toMatchObject({ code: 'READ_ONLY_FIELD', field: 'creditId' })
    }
  })

  test('a cost for a task with the status failed', async () => {
    const { database, createMediaTask } = twoUsers()
    const error = await refusal(database, () => createMediaTask(task('t', 'u', { status: 'failed' }), 10))
    expect(error).toMatchObject({ code: 'READ_ONLY_FIELD', field: 'status' })
  })

  test('a creditId that is not a charge of this user', async () => {
    const { database, createMediaTask, foreignCharge } = twoUsers()
    for (const [creditId, code] of [
      ['nothing', 'CHARGE_NOT_FOUND'],
      ['grant of u', 'CHARGE_NOT_FOUND'],
      [foreignCharge, 'CHARGE_OWNER_MISMATCH'],
    ]) {
      const error = await refusal(database, () => createMediaTask(task('t', 'u', { creditId }), 0))
      expect(error).toMatchObject({ code, creditId })
    }
  })
})
