'use strict'

const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

const ids = (rows) => rows.map(({ id }) => id)

describe('getActiveMediaTasks', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['empty text', ''],
    ['a number', 5],
    ['an array', ['u']],
    ['256 characters', 'u'.repeat(256)],
    ['text with NUL', 'u\0'],
  ])('refuses %s', async (_, userId) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const before = await database.everything()
    const error = await database.credits.getActiveMediaTasks(userId).catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
    expect(await database.everything()).toEqual(before)
  })

  test('returns an empty list for a user without tasks and for an unknown user', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    expect(await database.credits.getActiveMediaTasks('u')).toEqual([])
    expect(await database.credits.getActiveMediaTasks('nobody')).toEqual([])
  })

  test('returns the active tasks, newest first', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.user('v')
    const { createMediaTask, getActiveMediaTasks } = database.credits
    const made = (days) => new Date(Date.now() - days * DAY_MS)
    const statuses = 'pending extracted downloading failed processing completed translating'
    for (const [at, status] of statuses.split(' ').entries()) {
      await createMediaTask(task(status, 'u', { status, createdAt: made(at) }), 0)
    }
    await createMediaTask(task('older', 'u', { status: 'processing', createdAt: made(9) }), 0)
    await createMediaTask(task('deleted', 'u', { status: 'processing', deletedAt: made(0) }), 0)
    await createMediaTask(task("v's", 'v', { status: 'processing' }), 0)
    const rows = await getActiveMediaTasks('u')
    expect(ids(rows)).toEqual(['processing', 'translating', 'older'])
    expect(rows[0]).toEqual(await database.credits.findMediaTaskById('processing'))
  })

  test('returns all active tasks without a limit', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const create = (_, at) =>
      database.credits.createMediaTask(task(`t${at}`, 'u', { status: 'translating' }), 0)
    await Promise.all(Array.from({ length: 150 }, create))
    expect(await database.credits.getActiveMediaTasks('u')).toHaveLength(150)
  })

  test('agrees with SQL for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    await database.sql(
      `UPDATE media_tasks SET status = 'processing' WHERE id IN
         (SELECT id FROM (SELECT id FROM media_tasks WHERE status = 'pending' ORDER BY id LIMIT 12) AS pending)`,
    )
    const users = await database.sql('SELECT id FROM "user"')
    const active = await database.sql(
      `SELECT id, user_id FROM media_tasks
       WHERE deleted_at IS NULL AND status IN ('processing', 'translating')
       ORDER BY created_at DESC, id DESC`,
    )
    expect(active).toHaveLength(12)
    const lists = await Promise.all(users.map(({ id }) => database.credits.getActiveMediaTasks(id)))
    expect(lists.map(ids)).toEqual(users.map(({ id }) => ids(active.filter((row) => row.user_id === id))))
  })

  test('sees the write before it, in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    const users = Array.from({ length: 20 }, (_, at) => `u${at}`)
    for (const user of users) await database.user(user, 50)
    const { createMediaTask, updateMediaTaskById, getActiveMediaTasks } = database.credits
    await Promise.all(
      users.map(async (user) => {
        const row = await createMediaTask(task(`of ${user}`, user, { status: 'processing' }), 10)
        expect(await getActiveMediaTasks(user)).toEqual([row])
        await updateMediaTaskById(row.id, { status: 'failed' })
        expect(await getActiveMediaTasks(user)).toEqual([])
      }),
    )
    expect(await violations(database)).toEqual([])
  })
})
