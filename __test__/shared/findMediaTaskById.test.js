'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { postgres, sqlite } = require('../helpers/storage')

TestDatabase.reuse()

describe('findMediaTaskById', () => {
  test('returns undefined for a task that does not exist', async () => {
    const database = await TestDatabase.fresh()
    for (const id of ['t', "' OR '1'='1", '%', 't'.repeat(255)]) {
      expect(await database.credits.findMediaTaskById(id)).toBeUndefined()
    }
  })

  test('returns the row with exactly this id', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    for (const id of ['t', 'T', ' t', "'t'"]) await database.credits.createMediaTask(task(id, 'u'), 0)
    for (const id of ['t', 'T', ' t', "'t'"]) {
      expect(await database.credits.findMediaTaskById(id)).toMatchObject(task(id, 'u'))
    }
  })

  test('returns a deleted task too', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.credits.createMediaTask(task('t', 'u', { deletedAt: new Date(5000) }), 0)
    expect(await database.credits.findMediaTaskById('t')).toMatchObject({ deletedAt: new Date(5000) })
  })

  sqlite.test('returns values of any type that another process wrote', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.credits.createMediaTask(task('t', 'u'), 0)
    await database.sql(`UPDATE media_tasks SET is_free_trial = 1, likes = 9007199254740991, views = 1.5,
                        shares = 'many', published_at = -1, expires_at = NULL`)
    expect(await database.credits.findMediaTaskById('t')).toMatchObject({
      isFreeTrial: true,
      likes: 9007199254740991,
      views: 1.5,
      shares: 'many',
      publishedAt: new Date(-1),
      expiresAt: null,
    })
  })

  postgres.test('returns the rows of another process as the app reads them', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.credits.createMediaTask(task('t', 'u'), 0)
    await database.sql(`UPDATE media_tasks SET is_free_trial = true, likes = 2147483647, views = -1, author = 'Zoë',
                        published_at = '1969-12-31 23:59:59.999', expires_at = '2026-11-22 20:48:36.078917'`)
    expect(await database.credits.findMediaTaskById('t')).toMatchObject({
      isFreeTrial: true,
      likes: 2147483647,
      views: -1,
      author: 'Zoë',
      publishedAt: new Date(-1),
      // Without the microseconds.
      expiresAt: new Date('2026-11-22T20:48:36.078Z'),
    })
  })

  test('returns each task of a real database in concurrent calls', async () => {
    const database = await TestDatabase.fixture()
    const before = await violations(database)
    const stored = await database.sql('SELECT * FROM media_tasks')
    expect(stored.length).toBeGreaterThan(50)
    const found = await Promise.all(stored.map(({ id }) => database.credits.findMediaTaskById(id)))
    const camelCase = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
    const convert = ([name, value]) => {
      if (name.endsWith('_at') && value !== null) return [camelCase(name), new Date(value)]
      return [camelCase(name), name === 'is_free_trial' ? value === 1 : value]
    }
    expect(found).toEqual(stored.map((row) => Object.fromEntries(Object.entries(row).map(convert))))
    expect(await violations(database)).toEqual(before)
  })

  test('sees the write before it, in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    const { createMediaTask, updateMediaTaskById, findMediaTaskById } = database.credits
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        const row = await createMediaTask(task(`t${at}`, 'u'), 10)
        expect(await findMediaTaskById(row.id)).toEqual(row)
        await updateMediaTaskById(row.id, { progress: at })
        expect(await findMediaTaskById(row.id)).toMatchObject({ progress: at })
      }),
    )
    expect(await violations(database)).toEqual([])
  })
})
