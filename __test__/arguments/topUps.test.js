'use strict'

const { unchanging } = require('../helpers/calls')
const { TestDatabase, refusal } = require('../helpers/database')

const withUser = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 5)
  return { database, ...database.credits }
})

const CLAIM = { userId: 'u', below: 20, credits: 100, transactionNo: 'k' }

test.each([
  ['no user', { userId: undefined }, 'INVALID_ID'],
  ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND'],
  ['no key', { transactionNo: null }, 'INVALID_ID'],
  ['no threshold', { below: undefined }, 'INVALID_AMOUNT'],
  ['a threshold of 0', { below: 0 }, 'INVALID_AMOUNT'],
  ['credits that are text', { credits: '5' }, 'INVALID_AMOUNT'],
  ['a negative number of credits', { credits: -5 }, 'INVALID_AMOUNT'],
  ['a negative cooldown', { cooldownMs: -1 }, 'INVALID_ARGUMENT'],
  ['a cooldown that is text', { cooldownMs: '5' }, 'INVALID_ARGUMENT'],
  ['a cap that is a number', { atMost: 5 }, 'INVALID_ARGUMENT'],
  ['a cap without a window', { atMost: { credits: 5 } }, 'INVALID_ARGUMENT'],
  ['a cap per year', { atMost: { credits: 5, per: 'year' } }, 'INVALID_ARGUMENT'],
  ['a cap of nothing', { atMost: { credits: 0, per: 'day' } }, 'INVALID_ARGUMENT'],
  ['an end that is not a Date', { expiresAt: 'soon' }, 'INVALID_DATE'],
  ['a status', { status: 'active' }, 'UNKNOWN_FIELD'],
  ['an unknown parameter', { above: 5 }, 'UNKNOWN_FIELD'],
])('claimTopUp refuses %s', async (_, fields, code) => {
  const { database, claimTopUp } = withUser()
  expect(await refusal(database, () => claimTopUp({ ...CLAIM, ...fields }))).toMatchObject({ code })
})

test.each([undefined, null, 'k'])('claimTopUp takes no %p', async (parameters) => {
  const { database, claimTopUp } = withUser()
  expect(await refusal(database, () => claimTopUp(parameters))).toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test.each([undefined, null, '', 5, {}, 'x'.repeat(256), 'c\0'])('an end takes no %p', async (key) => {
  const { database, confirmTopUp, abandonTopUp } = withUser()
  for (const end of [confirmTopUp, abandonTopUp]) {
    expect(await refusal(database, () => end(key))).toMatchObject({
      code: 'INVALID_ID',
      field: 'transactionNo',
    })
  }
})

test.each([
  [{ limit: 0 }, 'INVALID_ARGUMENT'],
  [{ limit: 1001 }, 'INVALID_ARGUMENT'],
  [{ olderThanMs: -1 }, 'INVALID_ARGUMENT'],
  [{ userId: 'u' }, 'UNKNOWN_FIELD'],
  ['all', 'INVALID_ARGUMENT'],
])('listTopUps takes no %j', async (query, code) => {
  const { database, listTopUps } = withUser()
  expect(await refusal(database, () => listTopUps(query))).toMatchObject({ code })
})
