'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  const paid = { credits: 10, orderNo: 'order', subscriptionNo: 's' }
  await database.user(
    'u',
    { id: 'g', ...paid },
    { id: 'h', credits: 10, orderNo: 'shared', transactionNo: 'n' },
  )
  await database.user('v', { id: 'i', credits: 10, orderNo: 'shared' })
  await database.credits.revokeGrants({ orderNo: 'order' }, { total: 3, transactionNo: 'r' })
  return database
})

const OPTIONS = { transactionNo: 'x' }
const ORDER = { orderNo: 'order' }

test.each([
  ['no target', undefined, OPTIONS, 'INVALID_ARGUMENT'],
  ['an empty target', {}, OPTIONS, 'INVALID_ARGUMENT'],
  ['two targets', { orderNo: 'order', creditId: 'g' }, OPTIONS, 'INVALID_ARGUMENT'],
  ['a user', { userId: 'u' }, OPTIONS, 'UNKNOWN_FIELD'],
  ['an order that is null', { orderNo: null }, OPTIONS, 'INVALID_ID'],
  ['an order that is a number', { orderNo: 7 }, OPTIONS, 'INVALID_ID'],
  ['an order that does not exist', { orderNo: 'none' }, OPTIONS, 'GRANT_NOT_FOUND'],
  ['a subscription that does not exist', { subscriptionNo: 'none' }, OPTIONS, 'GRANT_NOT_FOUND'],
  ['a grant that does not exist', { creditId: 'none' }, OPTIONS, 'GRANT_NOT_FOUND'],
  ['an order of two users', { orderNo: 'shared' }, OPTIONS, 'INVALID_ARGUMENT'],
  ['no options', ORDER, undefined, 'INVALID_ID'],
  ['no key', ORDER, { total: 5 }, 'INVALID_ID'],
  ['a key of a grant', ORDER, { transactionNo: 'n' }, 'IDEMPOTENCY_CONFLICT'],
  ['a key of another call', { creditId: 'h' }, { total: 3, transactionNo: 'r' }, 'IDEMPOTENCY_CONFLICT'],
  ['another total', ORDER, { total: 4, transactionNo: 'r' }, 'IDEMPOTENCY_CONFLICT'],
  ['no total', ORDER, { transactionNo: 'r' }, 'IDEMPOTENCY_CONFLICT'],
  ['to recover', ORDER, { total: 3, transactionNo: 'r', recover: 'available' }, 'IDEMPOTENCY_CONFLICT'],
  ['a total that is null', ORDER, { ...OPTIONS, total: null }, 'INVALID_AMOUNT'],
  ['a total below zero', ORDER, { ...OPTIONS, total: -1 }, 'INVALID_AMOUNT'],
  ['a fraction', ORDER, { ...OPTIONS, total: 1.5 }, 'INVALID_AMOUNT'],
  ['a total in text', ORDER, { ...OPTIONS, total: '5' }, 'INVALID_AMOUNT'],
  ['a reason that is not text', ORDER, { ...OPTIONS, reason: 5 }, 'INVALID_ARGUMENT'],
  ['a reason with a NUL', ORDER, { ...OPTIONS, reason: 'a\0b' }, 'INVALID_ARGUMENT'],
  ['another recover', ORDER, { ...OPTIONS, recover: 'all' }, 'INVALID_ARGUMENT'],
  ['a flag', ORDER, { ...OPTIONS, recover: true }, 'INVALID_ARGUMENT'],
  ['an unknown option', ORDER, { ...OPTIONS, replay: true }, 'UNKNOWN_FIELD'],
])('revokeGrants refuses %s', async (_, target, options, code) => {
  const database = opened()
  const error = await refusal(database, () => database.credits.revokeGrants(target, options))
  expect(error).toMatchObject({ code, retryable: false })
})

test.each([
  ['no key', [], 'INVALID_ID'],
  ['a key that does not exist', ['none'], 'REVOCATION_NOT_FOUND'],
  ['a key of a grant', ['n'], 'REVOCATION_NOT_FOUND'],
  ['a key of a grant, and a target', ['n', ORDER], 'REVOCATION_NOT_FOUND'],
  ['a target that does not exist', ['none', { orderNo: 'none' }], 'GRANT_NOT_FOUND'],
  ['a target that is not an object', ['none', 'order'], 'INVALID_ARGUMENT'],
  ['two targets', ['none', { ...ORDER, creditId: 'g' }], 'INVALID_ARGUMENT'],
])('restoreGrants refuses %s', async (_, args, code) => {
  const database = opened()
  const error = await refusal(database, () => database.credits.restoreGrants(...args))
  expect(error).toMatchObject({ code, retryable: false })
})
