'use strict'

const { unchanging } = require('../helpers/calls')
const { TestDatabase, refusal } = require('../helpers/database')
const { NO_VALUE, TAKES, refusesAllBut } = require('../helpers/wrong')

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
  ['a cap without a period', { atMost: { credits: 5 } }, 'INVALID_ARGUMENT'],
  ['a cap per year', { atMost: { credits: 5, per: 'year' } }, 'INVALID_ARGUMENT'],
  ['a cap of 0', { atMost: { credits: 0, per: 'day' } }, 'INVALID_ARGUMENT'],
  ['an end that is not a Date', { expiresAt: 'soon' }, 'INVALID_DATE'],
  ['a status', { status: 'active' }, 'UNKNOWN_FIELD'],
  ['an unknown parameter', { above: 5 }, 'UNKNOWN_FIELD'],
])('claimTopUp refuses %s', async (_, fields, code) => {
  const { database, claimTopUp } = withUser()
  expect(await refusal(database, () => claimTopUp({ ...CLAIM, ...fields }))).toMatchObject({ code })
})

const { id, amount, date, object, none, column } = TAKES
const NO_ARGUMENT = 'INVALID_ARGUMENT'
const NO_DATE = {
  ...{ other: 'INVALID_DATE', 'a text with NUL': 'INVALID_VALUE' },
  ...{ NaN: 'INVALID_VALUE', Infinity: 'INVALID_VALUE' },
}
const COOLDOWNS = ['zero', 'a number', 'a number beyond all', 'a bigint']

const claim = (field) => (it) => [{ ...CLAIM, [field]: it }]
const cap = (field) => (it) => [{ ...CLAIM, atMost: { credits: 5, per: 'day', [field]: it } }]
const query = (field) => (it) => [{ [field]: it }]

describe.each([
  ['claimTopUp', 'parameters', (it) => [it], NO_ARGUMENT, object],
  ['claimTopUp', 'userId', claim('userId'), 'INVALID_ID', id],
  ['claimTopUp', 'transactionNo', claim('transactionNo'), 'INVALID_ID', id],
  ['claimTopUp', 'below', claim('below'), 'INVALID_AMOUNT', amount],
  ['claimTopUp', 'credits', claim('credits'), 'INVALID_AMOUNT', amount],
  ['claimTopUp', 'cooldownMs', claim('cooldownMs'), NO_ARGUMENT, [...none, ...COOLDOWNS]],
  ['claimTopUp', 'atMost', claim('atMost'), NO_ARGUMENT, [...none, 'an object']],
  ['claimTopUp', 'atMost.credits', cap('credits'), NO_ARGUMENT, ['a number']],
  ['claimTopUp', 'atMost.per', cap('per'), NO_ARGUMENT, ['a number']],
  ['claimTopUp', 'expiresAt', claim('expiresAt'), NO_DATE, [...none, ...date]],
  ...['transactionScene', 'orderNo', 'subscriptionNo', 'userEmail', 'description', 'metadata'].map((name) => [
    'claimTopUp',
    name,
    claim(name),
    NO_VALUE,
    column,
  ]),
  ['confirmTopUp', 'transactionNo', (it) => [it], 'INVALID_ID', id],
  ['abandonTopUp', 'transactionNo', (it) => [it], 'INVALID_ID', id],
  ['listTopUps', 'query', (it) => [it], NO_ARGUMENT, ['nothing', ...object]],
  ['listTopUps', 'olderThanMs', query('olderThanMs'), NO_ARGUMENT, ['nothing', ...amount]],
  ['listTopUps', 'limit', query('limit'), NO_ARGUMENT, ['nothing', ...amount]],
])('%s', (name, argument, args, ...[code, takes]) => {
  const [field] = argument.split('.')
  const isWhole = ['parameters', 'query'].includes(argument)

  test(`refuses each value that is no ${argument}`, () =>
    refusesAllBut(takes, { code, field: isWhole ? `${name}(${argument})` : field }, (it) =>
      withUser()[name](...args(it)),
    ))
})

test.each([
  ['a number', 3],
  ['null', null],
  ['a function', () => 3],
])('claimTopUp refuses a cap with a further field: %s', async (_, days) => {
  const { database, claimTopUp } = withUser()
  const error = await refusal(database, () => claimTopUp(...cap('days')(days)))
  expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'days', retryable: false })
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
