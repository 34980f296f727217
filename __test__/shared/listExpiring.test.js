'use strict'

const { DAY_MS, TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const now = Math.floor(Date.now() / 1000) * 1000
const inDays = (days) => new Date(now + days * DAY_MS)
const ends = (credits, days, more) => ({ credits, expiresAt: days === null ? null : inDays(days), ...more })

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('a', ends(10, 2), ends(20, 1), ends(40, 5), ends(80, null), ends(5, -1))
  await database.user('b', ends(7, 2, { status: 'deleted' }), ends(9, 2, { status: 'expired' }))
  await database.user('c', ends(3, 2))
  await database.user('d', ends(30, 2, { transactionNo: 'spent' }), ends(1, 3))
  await database.user("e'é", ends(12, 2.5))
  await database.credits.consumeCredits({ userId: 'd', credits: 30 })
  return database
})

const list = (query) => opened().credits.listExpiring(query)

test('listExpiring lists each user whose credits expire soon, once', async () => {
  expect(await list({ within: 3 * DAY_MS + 60_000 })).toEqual({
    users: [
      { userId: 'a', credits: 30, grants: 2, expiresAt: inDays(1) },
      { userId: 'c', credits: 3, grants: 1, expiresAt: inDays(2) },
      { userId: 'd', credits: 1, grants: 1, expiresAt: inDays(3) },
      { userId: "e'é", credits: 12, grants: 1, expiresAt: inDays(2.5) },
    ],
    cursor: null,
  })
})

test.each([
  [{ within: 1 }, []],
  [{ within: 2 * DAY_MS }, ['a', 'c']],
  [{ within: 9 * DAY_MS, atLeast: 12 }, ['a', "e'é"]],
  [{ within: 9 * DAY_MS, atLeast: 70 }, ['a']],
  [{ within: 9 * DAY_MS, atLeast: 71 }, []],
  [{ within: 9 * DAY_MS, cursor: 'c' }, ['d', "e'é"]],
  [{ within: 9 * DAY_MS, cursor: 'bb' }, ['c', 'd', "e'é"]],
])('listExpiring lists the users with the query %j', async (query, expected) => {
  expect((await list(query)).users.map(({ userId }) => userId)).toEqual(expected)
})

test('listExpiring returns consecutive pages with each user once', async () => {
  const seen = []
  let pages = 0
  for (let cursor; cursor !== null; pages++) {
    const page = await list({ within: 9 * DAY_MS, limit: 3, cursor })
    seen.push(...page.users.map(({ userId }) => userId))
    cursor = page.cursor
  }
  expect([seen, pages]).toEqual([['a', 'c', 'd', "e'é"], 2])
})

test.each([
  ['nothing', undefined, 'INVALID_ARGUMENT', 'listExpiring(query)'],
  ['null', null, 'INVALID_ARGUMENT', 'listExpiring(query)'],
  ['a query without within', {}, 'INVALID_ARGUMENT', 'within'],
  ['a Date', { within: new Date() }, 'INVALID_ARGUMENT', 'within'],
  ['text', { within: '3d' }, 'INVALID_ARGUMENT', 'within'],
  ['a period of 0', { within: 0 }, 'INVALID_ARGUMENT', 'within'],
  ['an infinite period', { within: Infinity }, 'INVALID_ARGUMENT', 'within'],
  ['no credits', { within: 1, atLeast: 0 }, 'INVALID_ARGUMENT', 'atLeast'],
  ['half a credit', { within: 1, atLeast: 0.5 }, 'INVALID_ARGUMENT', 'atLeast'],
  ['a number as cursor', { within: 1, cursor: 5 }, 'INVALID_ID', 'cursor'],
  ['an empty cursor', { within: 1, cursor: '' }, 'INVALID_ID', 'cursor'],
  ['a limit above 1000', { within: 1, limit: 1001 }, 'INVALID_ARGUMENT', 'limit'],
  ['an unknown field', { within: 1, userId: 'a' }, 'UNKNOWN_FIELD', 'userId'],
])('listExpiring refuses %s', async (_, query, code, field) => {
  expect(await refusal(opened(), () => list(query))).toMatchObject({ code, field })
})
