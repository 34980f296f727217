'use strict'

const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

const ids = (rows) => rows.map(({ id }) => id)

/** User `u` has tasks `t0` (the newest) to `t24`, and two deleted ones; `v` has one. */
async function withHistory() {
  const database = await TestDatabase.fresh()
  await database.user('u')
  await database.user('v')
  const create = (id, userId, days, more) => {
    const createdAt = new Date(Date.now() - days * DAY_MS)
    return database.credits.createMediaTask(task(id, userId, { createdAt, ...more }), 0)
  }
  await Promise.all([
    ...Array.from({ length: 25 }, (_, at) => create(`t${at}`, 'u', at)),
    create('deleted, first', 'u', 0, { deletedAt: new Date() }),
    create('deleted, last', 'u', 30, { deletedAt: new Date() }),
    create("v's", 'v', 3),
  ])
  return { database, history: database.credits.getMediaTaskHistory }
}

describe('getMediaTaskHistory', () => {
  test('returns 20 tasks a page, newest first, without deleted ones', async () => {
    const { database, history } = await withHistory()
    const first = await history('u')
    expect(first).toMatchObject({ total: 25, page: 1, limit: 20, totalPages: 2 })
    expect(Object.keys(first).sort()).toEqual(['limit', 'list', 'page', 'total', 'totalPages'])
    expect(ids(first.list)).toEqual(Array.from({ length: 20 }, (_, at) => `t${at}`))
    expect(first.list[0]).toEqual(await database.credits.findMediaTaskById('t0'))
    const second = await history('u', 2)
    expect(second).toMatchObject({ total: 25, page: 2, limit: 20, totalPages: 2 })
    expect(ids(second.list)).toEqual(['t20', 't21', 't22', 't23', 't24'])
  })

  test.each([
    // page, limit; tasks on it, pages
    [1, 1, 1, 25],
    [25, 1, 1, 25],
    [26, 1, 0, 25],
    [3, 10, 5, 3],
    [1, 25, 25, 1],
    [2, 24, 1, 2],
    [1, 1000, 25, 1],
    [4_294_967_295, 1000, 0, 1],
    [undefined, undefined, 20, 2],
  ])('page %p of %p has %p tasks, of %p pages', async (page, limit, length, totalPages) => {
    const { history } = await withHistory()
    const result = await history('u', page, limit)
    expect(result).toMatchObject({ total: 25, page: page ?? 1, limit: limit ?? 20, totalPages })
    expect(result.list).toHaveLength(length)
  })

  test('is empty for a user without tasks and for an unknown user', async () => {
    const { database, history } = await withHistory()
    await database.user('w')
    for (const user of ['w', 'nobody']) {
      expect(await history(user)).toEqual({ list: [], total: 0, page: 1, limit: 20, totalPages: 0 })
    }
  })

  test('omits a task as soon as it is deleted, and lists it again when it is restored', async () => {
    const { database, history } = await withHistory()
    await database.credits.updateMediaTaskById('t0', { deletedAt: new Date() })
    expect(await history('u', 1, 1)).toMatchObject({ list: [{ id: 't1' }], total: 24 })
    await database.credits.updateMediaTaskById('t0', { deletedAt: null })
    expect(await history('u', 1, 1)).toMatchObject({ list: [{ id: 't0' }], total: 25 })
  })

  test('returns the same pages as SQL for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const users = await database.sql('SELECT id FROM "user"')
    const tasks = await database.sql('SELECT id, user_id FROM media_tasks ORDER BY created_at DESC, id DESC')
    for (const { id } of users) {
      const pages = [1, 2, 3, 4].map((page) => database.credits.getMediaTaskHistory(id, page, 2))
      const found = (await Promise.all(pages)).flatMap(({ list }) => ids(list))
      expect(found).toEqual(ids(tasks.filter((row) => row.user_id === id)).slice(0, 8))
    }
  })

  test('returns a page and its total of one moment, in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    const { createMediaTask, getMediaTaskHistory } = database.credits
    const pages = await Promise.all(
      Array.from({ length: 60 }, async (_, at) => {
        const [page] = await Promise.all([
          getMediaTaskHistory('u', 1, 1000),
          createMediaTask(task(`t${at}`, 'u'), 10),
        ])
        return page
      }),
    )
    for (const { list, total } of pages) expect(list).toHaveLength(total)
    expect(await getMediaTaskHistory('u')).toMatchObject({ total: 60, totalPages: 3 })
    expect(await violations(database)).toEqual([])
  })
})
