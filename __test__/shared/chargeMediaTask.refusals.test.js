'use strict'

const { stepRefusals } = require('../helpers/step-refusals')

describe('chargeMediaTask and chargeAITask refuse', () => {
  const { isRefused } = stepRefusals()

  test.each([
    ['an empty transactionNo', { transactionNo: '' }, 'INVALID_ID'],
    ['a number as transactionNo', { transactionNo: 5 }, 'INVALID_ID'],
    ['a transactionNo of 256 characters', { transactionNo: '5'.repeat(256) }, 'INVALID_ID'],
    ['NUL in the transactionNo', { transactionNo: '5\0' }, 'INVALID_ID'],
    ['an object as transactionNo', { transactionNo: {} }, 'INVALID_ID'],
    ['a Date as description', { description: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in the description', { description: '\0' }, 'INVALID_VALUE'],
    ['a function as description', { description: () => 'x' }, 'INVALID_VALUE'],
    ['a Date as description', { description: new Date() }, 'INVALID_VALUE'],
    ['an unknown key', { cost: 5 }, 'UNKNOWN_FIELD'],
    ['the column name of the scene', { transactionScene: 'payment' }, 'UNKNOWN_FIELD'],
    ['a user', { userId: 'u' }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 5 }, 'UNKNOWN_FIELD'],
  ])('a charge with %s', async (_, charge, code) => {
    for (const credits of [5, 0]) {
      await isRefused({ code, field: Object.keys(charge)[0] }, () => [{ credits, ...charge }])
    }
  })

  test('a scene that is not text', async () => {
    for (const scene of ['\0', new Date(), () => 'payment']) {
      await isRefused({ code: 'INVALID_VALUE' }, () => [{ credits: 5, scene }])
    }
  })

  test.each([
    ['the same id', { id: 't' }, 'READ_ONLY_FIELD'],
    ['null as id', { id: null }, 'READ_ONLY_FIELD'],
    ['the same user', { userId: 'u' }, 'READ_ONLY_FIELD'],
    ['a creditId', { creditId: 'x' }, 'READ_ONLY_FIELD'],
    ['null as creditId', { creditId: null }, 'READ_ONLY_FIELD'],
    ['a failure', { status: 'failed' }, 'READ_ONLY_FIELD'],
    ['an unknown key', { titel: 'x' }, 'UNKNOWN_FIELD'],
    ["a column's own name", { created_at: new Date() }, 'UNKNOWN_FIELD'],
    ['credits in the patch', { credits: 5 }, 'UNKNOWN_FIELD'],
    ['__proto__', { ['__proto__']: 'x' }, 'UNKNOWN_FIELD'],
    ['null as status', { status: null }, 'INVALID_VALUE'],
    ['a Date as status', { status: new Date(0) }, 'INVALID_VALUE'],
    ['NUL in the status', { status: '\0' }, 'INVALID_VALUE'],
    ['a function as status', { status: () => 'x' }, 'INVALID_VALUE'],
    ['text as a time', { deletedAt: '2026-11-22' }, 'INVALID_DATE'],
    ['an invalid Date', { deletedAt: new Date(NaN) }, 'INVALID_DATE'],
  ])('a patch with %s', async (_, patch, code) => {
    for (const credits of [5, 0]) {
      const expected = { code, field: Object.keys(patch)[0] }
      await isRefused(expected, () => [{ credits }, { createdAt: new Date(), ...patch }])
    }
  })
})
