'use strict'

const { unchanging } = require('../helpers/calls')
const { TestDatabase, refusal } = require('../helpers/database')
const { NO_VALUE, TAKES, refusesAllBut } = require('../helpers/wrong')

/** User `u` has a grant `g` of an order and a subscription, of which a call `r` has withdrawn a part. */
const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 10, orderNo: 'o', subscriptionNo: 's' })
  await database.credits.revokeGrants({ orderNo: 'o' }, { total: 3, transactionNo: 'r' })
  return database
})

const ORDER = { orderNo: 'o' }
const RENEWAL = {
  ...{ userId: 'u', subscriptionNo: 's', credits: 5, transactionNo: 'k' },
  ...{ periodEnd: new Date(9e12), rollover: { atMost: 5, graceMs: 5 } },
}
const renewal = (field) => (it) => [{ ...RENEWAL, [field]: it }]
const rollover = (field) => (it) => [{ ...RENEWAL, rollover: { ...RENEWAL.rollover, [field]: it } }]
const target = (field) => (it) => [{ [field]: it }, { transactionNo: 'k' }]
const option = (field) => (it) => [ORDER, { transactionNo: 'k', [field]: it }]

const { id, text, amount, date, object, none, column } = TAKES
const ID = 'INVALID_ID'
const NO_ARGUMENT = 'INVALID_ARGUMENT'

describe.each([
  ['revokeGrants', 'target', (it) => [it, { transactionNo: 'k' }], NO_ARGUMENT, object],
  ['revokeGrants', 'creditId', target('creditId'), ID, ['nothing', ...id]],
  ['revokeGrants', 'orderNo', target('orderNo'), ID, ['nothing', ...id]],
  ['revokeGrants', 'subscriptionNo', target('subscriptionNo'), ID, ['nothing', ...id]],
  ['revokeGrants', 'options', (it) => [ORDER, it], NO_ARGUMENT, ['nothing', ...object]],
  ['revokeGrants', 'transactionNo', option('transactionNo'), ID, id],
  ['revokeGrants', 'total', option('total'), 'INVALID_AMOUNT', ['nothing', 'zero', ...amount]],
  ['revokeGrants', 'reason', option('reason'), NO_ARGUMENT, [...none, ...text]],
  ['revokeGrants', 'recover', option('recover'), NO_ARGUMENT, none],
  ['restoreGrants', 'transactionNo', (it) => [it], ID, id],
  ['restoreGrants', 'target', (it) => ['k', it], NO_ARGUMENT, ['nothing', ...object]],
  ['restoreGrants', 'creditId', (it) => ['k', { creditId: it }], ID, ['nothing', ...id]],
  ['restoreGrants', 'orderNo', (it) => ['k', { orderNo: it }], ID, ['nothing', ...id]],
  ['restoreGrants', 'subscriptionNo', (it) => ['k', { subscriptionNo: it }], ID, ['nothing', ...id]],
  ['renewGrants', 'renewal', (it) => [it], NO_ARGUMENT, object],
  ['renewGrants', 'userId', renewal('userId'), ID, id],
  ['renewGrants', 'subscriptionNo', renewal('subscriptionNo'), ID, id],
  ['renewGrants', 'replaces', renewal('replaces'), ID, [...none, ...id]],
  ['renewGrants', 'credits', renewal('credits'), 'INVALID_AMOUNT', amount],
  ['renewGrants', 'periodEnd', renewal('periodEnd'), 'INVALID_DATE', date],
  ['renewGrants', 'transactionNo', renewal('transactionNo'), ID, id],
  ['renewGrants', 'rollover', renewal('rollover'), NO_ARGUMENT, [...none, 'an object']],
  ['renewGrants', 'atMost', rollover('atMost'), NO_ARGUMENT, ['zero', 'a number']],
  ['renewGrants', 'graceMs', rollover('graceMs'), NO_ARGUMENT, ['nothing', 'zero', 'a number']],
  ['renewGrants', 'id', renewal('id'), { other: ID, null: 'INVALID_VALUE' }, ['nothing', ...id]],
  ...['transactionScene', 'description', 'metadata', 'orderNo', 'userEmail'].map((name) => [
    ...['renewGrants', name, renewal(name), NO_VALUE, column],
  ]),
  ['extendGrant', 'creditId', (it) => [it, new Date(9e12)], ID, id],
  ['extendGrant', 'expiresAt', (it) => ['g', it], 'INVALID_DATE', ['null', ...date]],
])('%s', (name, argument, args, ...[code, takes]) => {
  const field = { atMost: 'rollover', graceMs: 'rollover' }[argument] ?? argument
  const isWhole = ['target', 'options', 'renewal'].includes(argument)

  test(`refuses each value that is no ${argument}`, () =>
    refusesAllBut(takes, { code, field: isWhole ? `${name}(${argument})` : field }, (it) =>
      opened().credits[name](...args(it)),
    ))
})

test.each([
  ['revokeGrants', 'a target', [{ orderNo: 'o', order: 'o' }, { transactionNo: 'k' }], 'order'],
  ['revokeGrants', 'options', [ORDER, { transactionNo: 'k', Total: 5 }], 'Total'],
  ['restoreGrants', 'a target', ['k', { order: 'o' }], 'order'],
  ['renewGrants', 'a renewal', renewal('periodStart')(new Date(0)), 'periodStart'],
  ['renewGrants', 'a rollover', rollover('days')(3), 'days'],
  ['renewGrants', 'a rollover, whose value JSON leaves out', rollover('days')(() => 3), 'days'],
  ['renewGrants', 'a rollover without a limit', renewal('rollover')({ most: 5 }), 'most'],
  ...['expiresAt', 'status', 'transactionType', 'remainingCredits', 'createdAt'].map((field) => [
    ...['renewGrants', `a ${field}`, renewal(field)('active'), field],
  ]),
])('%s refuses an unknown field in %s', async (name, _, args, field) => {
  const database = opened()
  const error = await refusal(database, () => database.credits[name](...args))
  expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field, retryable: false })
})
