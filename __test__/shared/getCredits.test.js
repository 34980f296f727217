'use strict'

const { TestDatabase, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { sqlite } = require('../helpers/storage')

TestDatabase.reuse()

/** User `u` has 3 grants (one of them deleted) and 2 charges, `v` has 1 grant and 1 charge. */
async function twoUsers() {
  const database = await TestDatabase.fresh()
  const made = (days) => new Date(Date.now() - days * DAY_MS)
  await database.user(
    'u',
    { id: 'oldest', credits: 10, createdAt: made(9) },
    { id: 'old', credits: 20, createdAt: made(8) },
    { id: 'deleted', credits: 30, createdAt: made(7), status: 'deleted' },
  )
  await database.user('v', { id: "v's", credits: 40, createdAt: made(6) })
  const { consumeCredits, getCredits } = database.credits
  const charges = []
  for (const userId of ['u', 'u', 'v']) charges.push((await consumeCredits({ userId, credits: 5 })).id)
  return { database, getCredits, charges }
}

const ids = (rows) => rows.map(({ id }) => id)

describe('getCredits', () => {
  test('returns all rows, newest first', async () => {
    const { getCredits, charges } = await twoUsers()
    const expected = [...charges].reverse().concat("v's", 'deleted', 'old', 'oldest')
    for (const query of [undefined, {}, { userId: undefined }]) {
      expect(ids(await getCredits(query))).toEqual(expected)
    }
  })

  test('returns the rows that match the filters', async () => {
    const { getCredits, charges } = await twoUsers()
    const [first, second, third] = charges
    for (const [query, expected] of [
      [{ userId: 'u' }, [second, first, 'deleted', 'old', 'oldest']],
      [{ userId: 'nobody' }, []],
      [{ status: 'deleted' }, ['deleted']],
      [{ transactionType: 'consume' }, [third, second, first]],
      [{ transactionType: "' OR 1 --" }, []],
      [{ userId: 'u', transactionType: 'grant' }, ['deleted', 'old', 'oldest']],
      [{ userId: 'u', transactionType: 'grant', status: 'active' }, ['old', 'oldest']],
      [{ userId: 'v', status: 'deleted' }, []],
    ]) {
      expect(ids(await getCredits(query))).toEqual(expected)
    }
  })

  test('returns pages', async () => {
    const { getCredits } = await twoUsers()
    const all = await getCredits()
    const pages = []
    for (const page of [1, 2, 3, 4, 2 ** 32 - 1]) pages.push(await getCredits({ page, limit: 3 }))
    expect(pages).toEqual([all.slice(0, 3), all.slice(3, 6), all.slice(6), [], []])
    expect(await getCredits({ limit: 1000 })).toEqual(all)
    expect(await getCredits({ userId: 'u', page: 2, limit: 2 })).toEqual(
      (await getCredits({ userId: 'u' })).slice(2, 4),
    )
  })

  test('returns 30 rows a page by default', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', ...Array(35).fill(1))
    expect(await database.credits.getCredits()).toHaveLength(30)
    expect(await database.credits.getCredits({ page: 2 })).toHaveLength(5)
  })

  test('returns rows with one time by id, the last one first', async () => {
    const database = await TestDatabase.fresh()
    const createdAt = new Date()
    await database.user('u', ...['b', 'c', 'a'].map((id) => ({ id, credits: 1, createdAt })))
    expect(ids(await database.credits.getCredits())).toEqual(['c', 'b', 'a'])
  })

  sqlite.test('returns the same for rows without a rowid: a table WITHOUT ROWID, a view', async () => {
    const { database, getCredits } = await twoUsers()
    const query = { userId: 'u', page: 2, limit: 2 }
    const expected = await getCredits(query)
    const [{ sql }] = await database.sql("SELECT sql FROM sqlite_master WHERE name = 'credit'")
    await database.run(
      'ALTER TABLE credit RENAME TO rows',
      `${sql} WITHOUT ROWID`,
      'INSERT INTO credit SELECT * FROM rows',
    )
    expect(await getCredits(query)).toEqual(expected)
    await database.run('DROP TABLE credit', 'CREATE VIEW credit AS SELECT * FROM rows')
    expect(await getCredits(query)).toEqual(expected)
  })

  test('returns each row of a real database unchanged', async () => {
    const database = await TestDatabase.fixture()
    const stored = await database.sql('SELECT * FROM credit ORDER BY created_at DESC, id DESC')
    const rows = await database.credits.getCredits({ limit: 1000 })
    expect(rows.length).toBeGreaterThan(100)
    const date = (time) => time && new Date(time)
    expect(rows).toEqual(
      stored.map((row) => ({
        id: row.id,
        userId: row.user_id,
        userEmail: row.user_email,
        orderNo: row.order_no,
        subscriptionNo: row.subscription_no,
        transactionNo: row.transaction_no,
        transactionType: row.transaction_type,
        transactionScene: row.transaction_scene,
        credits: row.credits,
        remainingCredits: row.remaining_credits,
        description: row.description,
        expiresAt: date(row.expires_at),
        status: row.status,
        createdAt: date(row.created_at),
        updatedAt: date(row.updated_at),
        deletedAt: date(row.deleted_at),
        consumedDetail: row.consumed_detail,
        metadata: row.metadata,
      })),
    )
  })
})

describe('concurrent calls of getCredits', () => {
  test('each see a moment in which the invariants hold', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100, 100)
    const { consumeCredits, getCredits } = database.credits
    const seen = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const [rows] = await Promise.all([
          getCredits({ limit: 1000 }),
          consumeCredits({ userId: 'u', credits: 3 }),
        ])
        return rows.reduce((sum, { credits, remainingCredits }) => sum + credits - remainingCredits, 0)
      }),
    )
    expect(seen).toEqual(Array(60).fill(0))
    expect(await getCredits({ limit: 1000 })).toHaveLength(62)
    expect(await violations(database)).toEqual([])
  })
})
