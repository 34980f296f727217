'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { throughProxy } = require('../helpers/network')
const { byStorage, except, postgres } = require('../helpers/storage')
const { historyInParts, listInParts } = require('../../lib/lists')

// Pages with the text of a URL, of any length, with the users of their rows.

const ROWS = 2500

/** A moment for the row number `at`: three rows have the same. */
const moment = byStorage({
  sqlite: '1790000000000 + (at / 3) * 1000',
  postgres: `timestamp '2026-09-21' + (at / 3) * interval '1 second'`,
  mysql: `timestamp('2026-09-21') + INTERVAL (at DIV 3) SECOND`,
})

/** Adds this many rows to a table with one statement: for the users `u0`, `u1` and `u2` in turn. */
const fill = (database, table, columns, values) =>
  database.sql(
    `INSERT INTO ${table} (id, user_id, status, created_at, updated_at, ${columns})
      WITH RECURSIVE numbers (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM numbers WHERE at < ${ROWS})
      SELECT 'r' || at, 'u' || (at % 3), CASE at % 5 WHEN 0 THEN 'deleted' ELSE 'active' END,
        ${moment}, ${moment}, ${values} FROM numbers`,
  )

/** The lists: how their table is filled, a page is read, and its rows are selected in SQL. */
const LISTS = {
  getCredits: {
    table: 'credit',
    fill: (database) =>
      fill(
        database,
        'credit',
        'transaction_no, transaction_type, credits, remaining_credits',
        `'n' || at, 'grant', 5, 5`,
      ),
    read: ({ getCredits }, { userId, ...page } = {}) => getCredits({ userId, ...page }),
    where: '1 = 1',
  },
  getAITasks: {
    table: 'ai_task',
    fill: (database) =>
      fill(database, 'ai_task', 'media_type, provider, model, prompt', `'image', 'p', 'm', 'a cat'`),
    read: ({ getAITasks }, { userId, ...page } = {}) => getAITasks({ userId, ...page }),
    where: '1 = 1',
  },
  getMediaTaskHistory: {
    table: 'media_tasks',
    fill: (database) => fill(database, 'media_tasks', 'platform, video_url', `'youtube', 'x'`),
    read: async ({ getMediaTaskHistory }, { userId = 'u1', page, limit } = {}) =>
      (await getMediaTaskHistory(userId, page, limit)).list,
    where: `user_id = 'u1'`,
  },
}

const thrower = () => {
  throw new Error('this is no number')
}

const ids = (rows) => rows.map(({ id }) => id)

async function withUsers() {
  const database = await TestDatabase.fresh()
  for (const id of ['u0', 'u1', 'u2']) await database.user(id)
  return database
}

/** The ids of a page, by one statement. */
const pageOf = async (database, { table, where }, page, limit) =>
  ids(
    await database.sql(
      `SELECT id FROM ${table} WHERE ${where} ORDER BY created_at DESC, id DESC
        LIMIT ${limit} OFFSET ${(page - 1) * limit}`,
    ),
  )

describe.each(Object.entries(LISTS))('%s', (name, list) => {
  // All pages are read from one database, which does not change.
  const PAGES = [
    // page, limit
    [undefined, undefined],
    ['1', undefined],
    ['2', undefined],
    [undefined, '10'],
    ['2', '10'],
    [3, '7'],
    ['3', 7],
    [1, 1000],
    [1, 1001],
    ['1', '1001'],
    ['2', '1001'],
    [1, 2000],
    ['2', '2000'],
    ['3', '2000'],
    [1, 2499],
    [1, ROWS],
    [2, ROWS],
    [1, ROWS + 1],
    [1, 5000],
    [1, '5000'],
    ['2', '1500'],
    [2, 833],
    [1, 833],
    [1, 4_294_967_295],
    ['4294967295', '4294967295'],
    [1, Number.MAX_SAFE_INTEGER],
    ['', ''],
  ]
  const DEFAULT_LIMIT = name === 'getMediaTaskHistory' ? 20 : 30

  describe('with many rows', () => {
    const filled = unchanging(async () => {
      const database = await withUsers()
      // A page of a user has 834 rows, and one of all 2500.
      await list.fill(database)
      return database
    })

    test('returns the rows of one statement for each page and length', async () => {
      const database = filled()
      for (const [page, limit] of PAGES) {
        const found = ids(await list.read(database.credits, { page, limit }))
        const [number, length] = [Number(page || 1), Number(limit || DEFAULT_LIMIT)]
        const expected = number > 1000 ? [] : await pageOf(database, list, number, length)
        expect({ page, limit, found }).toEqual({ page, limit, found: expected })
      }
    })

    test('returns the same rows on long and on short pages', async () => {
      const database = filled()
      const [long, short] = [await list.read(database.credits, { limit: 5000 }), []]
      for (let page = 1; page <= 10; page++) {
        short.push(...(await list.read(database.credits, { page: String(page), limit: '250' })))
      }
      expect(long).toEqual(short)
    })
  })

  test('returns each row once while rows are written', async () => {
    const database = await withUsers()
    // All for one user, so that each list is long.
    await list.fill(database)
    await database.sql(`UPDATE ${list.table} SET user_id = 'u1'`)
    const before = new Set(await pageOf(database, list, 1, 5000))
    const { createCredit, createAITask, createMediaTask } = database.credits
    const writes = {
      getCredits: () => createCredit({ userId: 'u1', credits: 1 }),
      getAITasks: (at) => createAITask(aiTask(`new${at}`, 'u1')),
      getMediaTaskHistory: (at) => createMediaTask(task(`new${at}`, 'u1'), 0),
    }
    let goesOn = true
    let written = 0
    const writer = (async () => {
      while (goesOn) await writes[name](written++)
    })()
    for (let at = 0; at < 5; at++) {
      const found = ids(await list.read(database.credits, { limit: 500_000 }))
      expect(new Set(found).size).toBe(found.length)
      expect(found.filter((id) => before.has(id)).length).toBe(ROWS)
    }
    goesOn = false
    await writer
    expect(written).toBeGreaterThan(5)
  })

  test('shows no row twice if another row is written between the parts of a page', async () => {
    const database = await withUsers()
    await list.fill(database)
    await database.sql(`UPDATE ${list.table} SET user_id = 'u1'`)
    const part = (page) => list.read(database.credits, { page, limit: 1000 })
    const parts = []
    const lists = {
      getCredits: listInParts((query, offset) => next(offset)),
      getAITasks: listInParts((query, offset) => next(offset)),
      getMediaTaskHistory: historyInParts(async (userId, page, limit, offset) => ({
        list: await next(offset),
      })),
    }
    const next = async (offset) => {
      parts.push(offset)
      const rows = await part(offset / 1000 + 1)
      const id = `new${offset}`
      await database.sql(
        `INSERT INTO ${list.table} SELECT ${await copied(database, list.table, id)} FROM ${list.table} WHERE id = 'r1'`,
      )
      return rows
    }
    const found = ids(await list.read(lists, { limit: 5000 }))
    expect(parts).toEqual([0, 1000, 2000])
    expect(found).toHaveLength(ROWS)
    expect(new Set(found).size).toBe(ROWS)
  })

  describe('without rows', () => {
    const opened = unchanging(withUsers)

    const BAD = [
      ...[
        '0',
        '-1',
        '1.5',
        '1e3',
        '1e4',
        'abc',
        ' 1',
        '1 ',
        '+1',
        '01',
        '１',
        '9007199254740992',
        'Infinity',
      ],
      ...[0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 1e21, null, true, false],
      ...[[], [1], [5000], {}, new Date(5000), Buffer.from('5'), () => 5000],
      ...[{ valueOf: () => 5000 }, -1n],
    ]

    test.each(['page', 'limit'])('refuses a %s that is not a whole number', async (field) => {
      const database = opened()
      for (const value of BAD) {
        const error = await refusal(database, () => list.read(database.credits, { [field]: value }))
        expect([value, error.code, error.field]).toEqual([value, 'INVALID_ARGUMENT', field])
        expect(error.message).toContain('a whole number from 1 to 9007199254740991')
      }
    })

    // No value makes the call throw before it returns a promise.
    test.each(['page', 'limit'])('refuses a %s that can not be converted to a number', async (field) => {
      const database = opened()
      for (const value of [Symbol('5'), Object.create(null), { valueOf: thrower }]) {
        const error = await refusal(database, () => list.read(database.credits, { [field]: value }))
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field })
      }
    })

    test('has its function name, and errors with the line of the caller', async () => {
      const { credits } = opened()
      expect(credits[name].name).toBe(name)
      const error = await list.read(credits, { page: 0 }).catch((error) => error)
      expect(error.stack.split('\n')[1]).toContain('lists.test.js')
    })
  })
})

/** The columns of a row, with another id and the newest time, as a SELECT lists them. */
async function copied(database, table, id) {
  const [row] = await database.sql(`SELECT * FROM ${table} WHERE id = 'r1'`)
  const latest = byStorage({
    sqlite: '1890000000000',
    postgres: `timestamp '2030-01-01'`,
    mysql: `timestamp('2030-01-01')`,
  })
  const changed = { id: `'${id}'`, transaction_no: `'${id}'`, created_at: latest }
  return Object.keys(row)
    .map((column) => changed[column] ?? column)
    .join(', ')
}

describe('the history of media tasks', () => {
  test('returns the total for each page length', async () => {
    const database = await withUsers()
    await LISTS.getMediaTaskHistory.fill(database)
    const { getMediaTaskHistory } = database.credits
    const { list, ...rest } = await getMediaTaskHistory('u1', '1', '2000')
    expect(list).toHaveLength(834)
    expect(rest).toEqual({ page: 1, limit: 2000, total: 834, totalPages: 1 })
    await database.sql(`UPDATE media_tasks SET user_id = 'u1'`)
    const { list: second, ...others } = await getMediaTaskHistory('u1', '2', '2000')
    expect(second).toHaveLength(500)
    expect(others).toEqual({ page: 2, limit: 2000, total: ROWS, totalPages: 2 })
  })
})

/** Lists with users: how a row is added for a user. */
const WITH_USERS = {
  getCredits: ({ createCredit }, id, userId) => createCredit({ id, userId, credits: 1 }),
  getAITasks: ({ createAITask }, id, userId) => createAITask(aiTask(id, userId)),
}

describe.each(Object.entries(WITH_USERS))('%s with getUser', (name, add) => {
  const table = LISTS[name].table

  /** Rows `a` and `c` of `u1`, and `b` of `u2`. */
  async function withRows() {
    const database = await withUsers()
    for (const [id, userId] of Object.entries({ a: 'u1', b: 'u2', c: 'u1' })) {
      await add(database.credits, id, userId)
    }
    return { database, list: database.credits[name] }
  }

  const userRow = (row) => ({
    id: row.id,
    name: row.name,
    email: row.email,
    emailVerified: row.email_verified === 1,
    image: row.image,
    planType: row.plan_type,
    freeTrialUsed: row.free_trial_used,
    lastCheckinDate: row.last_checkin_date,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  })

  test('returns each row with the row of its user', async () => {
    const { database, list } = await withRows()
    await database.sql(
      `UPDATE "user" SET plan_type = 'pro', image = 'i.png', email_verified = ${byStorage({ sqlite: 1, postgres: true })}
        WHERE id = 'u1'`,
    )
    const plain = await list()
    const rows = await list({ getUser: true })
    const users = (await database.sql('SELECT * FROM "user"')).map(userRow)
    const byId = Object.fromEntries(users.map((user) => [user.id, user]))
    expect(byId.u1).toMatchObject({ planType: 'pro', emailVerified: true })
    expect(rows).toEqual(plain.map((row) => ({ ...row, user: byId[row.userId] })))
    expect(rows).toHaveLength(3)
    expect(rows.filter(({ userId }) => userId === 'u1').map(({ user }) => user)).toEqual([byId.u1, byId.u1])
  })

  test.each([
    ['false', { getUser: false }],
    ['null', { getUser: null }],
    ['undefined', { getUser: undefined }],
    ['left out', {}],
  ])('%s returns rows without a user', async (_, query) => {
    const { list } = await withRows()
    for (const row of await list(query)) expect(row).not.toHaveProperty('user')
  })

  test.each([['true'], [1], ['yes'], [{}], [[]]])('is refused as %p', async (getUser) => {
    const { database, list } = await withRows()
    const error = await refusal(database, () => list({ getUser }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'getUser' })
  })

  test('is refused by a count', async () => {
    const { database } = await withRows()
    const call = () => database.credits[`${name}Count`]({ getUser: true })
    expect(await refusal(database, call)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'getUser' })
  })

  // A libSQL server deletes a user's rows with the user.
  except('libsql').test('returns undefined for a deleted user', async () => {
    const { database, list } = await withRows()
    await database.run(
      byStorage({
        sqlite: 'PRAGMA foreign_keys = OFF',
        postgres: `ALTER TABLE ${table} DROP CONSTRAINT ${table}_user_id_user_id_fk`,
        mysql: `ALTER TABLE ${table} DROP FOREIGN KEY ${table}_user_id_user_id_fk`,
      }),
      `DELETE FROM "user" WHERE id = 'u2'`,
      byStorage({ sqlite: 'PRAGMA foreign_keys = ON', postgres: 'SELECT 1' }),
    )
    const rows = await list({ getUser: true })
    expect(rows.map(({ userId, user }) => [userId, user?.id]).sort()).toEqual([
      ['u1', 'u1'],
      ['u1', 'u1'],
      ['u2', undefined],
    ])
    for (const row of rows) expect(Object.keys(row)).toContain('user')
  })

  test('accepts filters and pages, and returns an empty list without rows', async () => {
    const { list } = await withRows()
    const found = await list({ getUser: true, userId: 'u1', page: '2', limit: '1', status: '' })
    expect(found.map(({ id, user }) => [id, user.id])).toEqual([['a', 'u1']])
    expect(await list({ getUser: true, page: '9' })).toEqual([])
    expect(await list({ getUser: true, userId: 'nobody' })).toEqual([])
  })

  test('returns the users of a long page', async () => {
    const database = await withUsers()
    await LISTS[name].fill(database)
    const rows = await database.credits[name]({ getUser: true, limit: '5000' })
    expect(rows).toHaveLength(ROWS)
    expect(rows.filter(({ userId, user }) => user?.id !== userId)).toEqual([])
  })

  postgres.test('needs one more statement and one more round trip for any number of users', async () => {
    const { database } = await withRows()
    for (let at = 0; at < 20; at++) await add(database.credits, `r${at}`, await database.user(`w${at}`))
    const { proxy, credits } = await throughProxy(database, { maxConnections: 1 })
    await credits[name]()
    // So the proxy sees whether the client waits for the answer to one of several statements.
    proxy.delayMs = 4
    const trips = []
    for (const query of [{}, { getUser: true }, { getUser: true, limit: '1000' }]) {
      proxy.resetRoundTrips()
      await credits[name](query)
      trips.push(proxy.roundTrips().total)
    }
    expect(trips[0]).toBe(1)
    expect(Math.max(...trips)).toBeLessThanOrEqual(2)
  })
})

describe('an empty filter does not restrict a list:', () => {
  const FILTERS = {
    getCredits: ['userId', 'status', 'transactionType'],
    getAITasks: ['userId', 'status', 'mediaType', 'provider'],
  }
  const rows = Object.entries(FILTERS).flatMap(([name, fields]) => fields.map((field) => [name, field]))

  test.each(rows)('%s, %s', async (name, field) => {
    const database = await withUsers()
    for (const userId of ['u1', 'u2']) await WITH_USERS[name](database.credits, `of ${userId}`, userId)
    const { [name]: list, [`${name}Count`]: count } = database.credits
    for (const value of ['', undefined, ...(field === 'userId' ? [] : [null])]) {
      expect(ids(await list({ [field]: value })).sort()).toEqual(['of u1', 'of u2'])
      expect(await count({ [field]: value })).toBe(2)
    }
    expect(await list({ [field]: 'nothing has this' })).toEqual([])
    expect(await list({ [field]: ' ' })).toEqual([])
  })

  test.each(Object.keys(FILTERS))('%s, but null as user is refused', async (name) => {
    const database = await withUsers()
    for (const call of [name, `${name}Count`]) {
      const error = await refusal(database, () => database.credits[call]({ userId: null, status: '' }))
      expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
    }
  })

  test.each([[undefined], [null], ['']])('but the history of the user %p is refused', async (userId) => {
    const database = await withUsers()
    const error = await refusal(database, () => database.credits.getMediaTaskHistory(userId, '1', '2000'))
    expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
  })
})
