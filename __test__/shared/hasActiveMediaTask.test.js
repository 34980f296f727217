'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

describe('hasActiveMediaTask', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['empty text', ''],
    ['a number', 5],
    ['an object', { userId: 'u' }],
    ['256 characters', 'u'.repeat(256)],
    ['text with NUL', 'u\0'],
  ])('refuses %s', async (_, userId) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const before = await database.everything()
    const error = await database.credits.hasActiveMediaTask(userId).catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
    expect(await database.everything()).toEqual(before)
  })

  test.each([
    ['pending', false],
    ['downloading', false],
    ['processing', true],
    ['translating', true],
    ['extracted', false],
    ['completed', false],
    ['failed', false],
    ['Pending', false],
    ['a status of a fork', false],
  ])('for a task that is %s returns %p', async (status, active) => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.user('v')
    await database.credits.createMediaTask(task('t', 'u', { status }), 0)
    expect(await database.credits.hasActiveMediaTask('u')).toBe(active)
    expect(await database.credits.hasActiveMediaTask('v')).toBe(false)
  })

  test('does not count deleted tasks', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.credits.createMediaTask(task('t', 'u', { status: 'processing' }), 0)
    await database.credits.updateMediaTaskById('t', { deletedAt: new Date() })
    expect(await database.credits.hasActiveMediaTask('u')).toBe(false)
    await database.credits.createMediaTask(task('t2', 'u', { status: 'translating' }), 0)
    expect(await database.credits.hasActiveMediaTask('u')).toBe(true)
  })

  test('agrees with SQL for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    await database.sql(
      `UPDATE media_tasks SET status = 'processing' WHERE id IN
         (SELECT id FROM (SELECT id FROM media_tasks WHERE status = 'pending' ORDER BY id LIMIT 12) AS pending)`,
    )
    const users = await database.sql(
      `SELECT id, EXISTS (SELECT 1 FROM media_tasks WHERE user_id = "user".id AND deleted_at IS NULL
         AND status IN ('processing', 'translating')) AS active FROM "user"`,
    )
    const found = await Promise.all(users.map(({ id }) => database.credits.hasActiveMediaTask(id)))
    expect(new Set(found)).toEqual(new Set([true, false]))
    expect(found).toEqual(users.map(({ active }) => active === 1))
  })

  test('sees the write before it, in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    const users = Array.from({ length: 20 }, (_, at) => `u${at}`)
    for (const user of users) await database.user(user, 50)
    const { createMediaTask, updateMediaTaskById, hasActiveMediaTask } = database.credits
    await Promise.all(
      users.map(async (user) => {
        expect(await hasActiveMediaTask(user)).toBe(false)
        await createMediaTask(task(`of ${user}`, user, { status: 'processing' }), 10)
        expect(await hasActiveMediaTask(user)).toBe(true)
        await updateMediaTaskById(`of ${user}`, { status: 'failed' })
        expect(await hasActiveMediaTask(user)).toBe(false)
      }),
    )
    expect(await violations(database)).toEqual([])
  })
})
