'use strict'

const { TestDatabase } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

describe('getCreditsCount', () => {
  test.each([
    ['null', null, 'INVALID_ARGUMENT', 'getCreditsCount(query)'],
    ['text', 'u', 'INVALID_ARGUMENT', 'getCreditsCount(query)'],
    ['a page, which would mean nothing', { page: 1 }, 'UNKNOWN_FIELD', 'page'],
    ['an unknown key', { user: 'u' }, 'UNKNOWN_FIELD', 'user'],
    ['null as userId, which would be all users', { userId: null }, 'INVALID_ID', 'userId'],
    ['a number as userId', { userId: 5 }, 'INVALID_ID', 'userId'],
    ['a boolean as status', { status: true }, 'INVALID_ID', 'status'],
    ['a long transactionType', { transactionType: 'x'.repeat(256) }, 'INVALID_ID', 'transactionType'],
  ])('refuses %s', async (_, query, code, field) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const before = await database.everything()
    const error = await database.credits.getCreditsCount(query).catch((error) => error)
    expect(error).toMatchObject({ name: 'MediaCreditsError', code, field })
    expect(await database.everything()).toEqual(before)
  })

  test('is 0 without rows', async () => {
    const database = await TestDatabase.fresh()
    expect(await database.credits.getCreditsCount()).toBe(0)
    expect(await database.credits.getCreditsCount({ userId: 'nobody' })).toBe(0)
  })

  test('counts the rows that match the filters', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10, 20, { credits: 30, status: 'deleted' })
    await database.user('v', 40)
    for (const userId of ['u', 'u', 'v']) await database.credits.consumeCredits({ userId, credits: 5 })
    for (const [query, count] of [
      [undefined, 7],
      [{}, 7],
      [{ userId: undefined, status: undefined }, 7],
      [{ userId: '', status: '', transactionType: null }, 7],
      [{ userId: 'u' }, 5],
      [{ userId: 'u', transactionType: 'grant' }, 3],
      [{ userId: 'u', transactionType: 'grant', status: 'active' }, 2],
      [{ transactionType: 'consume' }, 3],
      [{ status: 'deleted' }, 1],
      [{ status: "deleted' OR '1" }, 0],
    ]) {
      expect(await database.credits.getCreditsCount(query)).toBe(count)
    }
  })

  test('counts as many rows as getCredits lists, for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const { getCredits, getCreditsCount } = database.credits
    const users = await database.sql('SELECT id FROM "user"')
    for (const more of [{}, { status: 'deleted' }, { transactionType: 'grant', status: 'active' }]) {
      const queries = users.map(({ id }) => ({ userId: id, ...more }))
      const counts = await Promise.all(queries.map(getCreditsCount))
      const lists = await Promise.all(queries.map((query) => getCredits({ ...query, limit: 1000 })))
      expect(counts).toEqual(lists.map((list) => list.length))
      expect(await getCreditsCount(more)).toBe(counts.reduce((sum, count) => sum + count))
    }
  })

  test('sees each row as soon as it is written, in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { consumeCredits, getCreditsCount } = database.credits
    const calls = Array.from({ length: 50 }, async (_, at) => {
      await consumeCredits({ userId: 'u', credits: 1, transactionNo: `${at}` })
      return getCreditsCount({ userId: 'u', transactionType: 'consume' })
    })
    const counts = await Promise.all(calls)
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(1)
    expect(Math.max(...counts)).toBe(50)
    expect(await violations(database)).toEqual([])
  })
})
