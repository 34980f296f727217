'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

/** User `u` has 50 credits. */
const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 50)
  return { database, createMediaTask: database.credits.createMediaTask }
})

describe('createMediaTask refuses', () => {
  test.each([
    ['a negative number', -5],
    ['less than one credit', 0.5],
    ['a fraction', 10.5],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['-Infinity', -Infinity],
    ['more than the largest integer of PostgreSQL', 2_147_483_648],
    ['a cost of 1e300', 1e300],
    ['text', '10'],
    ['null', null],
    ['undefined', undefined],
    ['true', true],
    ['an object', {}],
    ['an array', [10]],
    ['a Date', new Date()],
    ['an invalid Date', new Date(NaN)],
    ['a negative bigint', -1n],
    ['a bigint that is too large', 10n ** 30n],
    ['a function', () => 10],
    ['a symbol', Symbol('10')],
  ])('%s as costCredits', async (_, cost) => {
    const { database, createMediaTask } = opened()
    const error = await refusal(database, () => createMediaTask(task('t', 'u'), cost))
    expect(error).toMatchObject({ code: 'INVALID_AMOUNT', field: 'costCredits', retryable: false })
    expect(error.message).toMatch(/^costCredits must be a whole number from 0 to 2147483647, got /)
  })

  describe.each(['id', 'userId'])('as %s', (field) => {
    test.each([
      ['nothing', undefined],
      ['empty text', ''],
      ['a number', 5],
      ['null', null],
      ['an object', { id: 'u' }],
      ['256 characters', 'x'.repeat(256)],
      ['text with NUL', 'u\0'],
    ])('%s', async (_, id) => {
      const { database, createMediaTask } = opened()
      const error = await refusal(database, () => createMediaTask(task('t', 'u', { [field]: id }), 10))
      expect(error).toMatchObject({ code: 'INVALID_ID', field })
    })
  })

  test.each([
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['text', 'task', 'the text "task"'],
    ['a number', 5, '5'],
    ['an array', [task('t', 'u')], 'an array'],
    ['a Date', new Date(), 'a Date'],
    ['a function', () => task('t', 'u'), 'a function'],
  ])('%s as a task', async (_, notTask, given) => {
    const { database, createMediaTask } = opened()
    const error = await refusal(database, () => createMediaTask(notTask, 10))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'task' })
    expect(error.message).toBe(`task must be an object, got ${given}`)
  })

  test.each([
    ['a function', () => 'title', 'a function'],
    ['a symbol', Symbol('title'), 'a symbol'],
    ['a bigint that is too large', 10n ** 30n, `the bigint ${10n ** 30n}`],
  ])('%s as a value', async (_, title, given) => {
    const { database, createMediaTask } = opened()
    const error = await refusal(database, () => createMediaTask(task('t', 'u', { title }), 10))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'media_tasks', field: 'title' })
    expect(error.message).toMatch(new RegExp(`got ${given}$`))
  })

  test('an object that refers to itself', async () => {
    const { database, createMediaTask } = opened()
    const title = {}
    title.title = title
    const error = await refusal(database, () => createMediaTask(task('t', 'u', { title }), 10))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'media_tasks', field: 'title' })
    expect(error.message).toContain("an object that JSON can't hold")
  })

  test.each([
    ['null', null],
    ['text', 'tx'],
    ['a number', 0],
    ['a list', []],
  ])('%s as options', async (_, options) => {
    const { database, createMediaTask } = opened()
    const error = await refusal(database, () => createMediaTask(task('t', 'u'), 10, options))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'createMediaTask(options)' })
  })

  test('an object that only looks like a Date', async () => {
    const { database, createMediaTask } = opened()
    const publishedAt = { [Symbol.toStringTag]: 'Date' }
    const error = await refusal(database, () => createMediaTask(task('t', 'u', { publishedAt }), 10))
    expect(error).toMatchObject({ code: 'INVALID_DATE', field: 'publishedAt' })
  })
})
