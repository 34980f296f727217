'use strict'

const { refusal } = require('../helpers/database')
const { KINDS } = require('../helpers/kinds')
const { stepRefusals } = require('../helpers/step-refusals')

const NO_OBJECT = [5, NaN, 5n, true, [{}], new Date(), new Date(NaN), () => ({}), Symbol('x')]

const circular = {}
circular.itself = circular

describe('chargeMediaTask and chargeAITask refuse', () => {
  const { opened, isRefused } = stepRefusals()

  test.each([
    ['no id', undefined],
    ['null', null],
    ['an empty id', ''],
    ['a number', 5],
    ['an object', { id: 't' }],
    ['an id of 256 characters', 'x'.repeat(256)],
    ['an id with NUL', 't\0'],
  ])('%s as id', async (_, id) => {
    const database = opened()
    for (const kind of Object.keys(KINDS)) {
      const error = await refusal(database, () => database.credits[`charge${kind}`](id, { credits: 5 }))
      expect(error).toMatchObject({ code: 'INVALID_ID', field: 'id' })
    }
  })

  test('a value that is not an object as a charge', async () => {
    for (const charge of [undefined, null, 'charge', ...NO_OBJECT]) {
      await isRefused({ code: 'INVALID_ARGUMENT', field: 'charge' }, () => [charge])
    }
  })

  test('a value that is not an object as a patch', async () => {
    for (const patch of [null, 'failed', ...NO_OBJECT]) {
      await isRefused({ code: 'INVALID_ARGUMENT', field: 'patch' }, () => [{ credits: 5 }, patch])
    }
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a negative number', -1],
    ['less than a credit', 0.5],
    ['a fraction', 5.5],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['more than the largest integer of PostgreSQL', 2_147_483_648],
    ['text', '5'],
    ['empty text', ''],
    ['true', true],
    ['an object', {}],
    ['a list', [5]],
    ['a Date', new Date(5)],
    ['a bigint that is too large', 10n ** 30n],
    ['a function', () => 5],
    ['a symbol', Symbol('5')],
  ])('%s as credits', async (_, credits) => {
    await isRefused({ code: 'INVALID_AMOUNT', field: 'credits' }, () => [{ credits }])
  })

  test.each([
    ['metadata in text that is no JSON object', 'translation', '', '[]', 'null', '5', '"{}"', '{"a":'],
    ['a value that is not an object as metadata', ...NO_OBJECT, Buffer.from('{}')],
    [
      'metadata that is no object in JSON',
      circular,
      { a: 5n },
      { toJSON: () => JSON.parse('') },
      { toJSON: () => [] },
      { toJSON: () => undefined },
    ],
  ])('%s', async (_, ...all) => {
    for (const metadata of all) {
      for (const credits of [5, 0]) {
        await isRefused({ code: 'INVALID_ARGUMENT', field: 'metadata' }, () => [{ credits, metadata }])
      }
    }
  })

  test.each([
    ["of the task's creation", (type) => type],
    ['of the other kind', (type) => `${type === 'ai-task' ? 'media' : 'ai'}-task-step`],
    ['that does not begin like its own', (type) => `my-${type}-step`],
    ['in capitals', (type) => `${type}-step`.toUpperCase()],
    ['of neither kind', () => 'translation'],
    ['that is empty', () => ''],
    ['that is null', () => null],
    ['that is a number', () => 5],
    ['that is a list', (type) => [`${type}-step`]],
  ])('metadata with a type %s', async (_, made) => {
    for (const pass of [(metadata) => metadata, (metadata) => JSON.stringify(metadata)]) {
      const step = (type) => [{ credits: 5, metadata: pass({ type: made(type), taskId: 't' }) }]
      await isRefused({ code: 'INVALID_ARGUMENT', field: 'metadata' }, step)
    }
  })

  test.each([
    ['allowRefunded', { allowRefunded: true }],
    ['refundPolicy', { refundPolicy: 'source' }],
    ['replay', { replay: true }],
    ['a mistyped guard', { ifstatus: 'pending' }],
  ])('%s as an option', async (_, options) => {
    const expected = { code: 'UNKNOWN_FIELD', field: Object.keys(options)[0] }
    await isRefused(expected, () => [{ credits: 5 }, {}, options])
  })
})
