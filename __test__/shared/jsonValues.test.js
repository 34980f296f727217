'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { withTask } = require('../helpers/kinds')
const { byStorage, postgres } = require('../helpers/storage')

TestDatabase.reuse()

const HALF = '🎬'.slice(0, 1)
const OTHER_HALF = '🎬'.slice(1)
const NUL = String.fromCharCode(0)

/** A value in this many nested arrays. */
const nested = (depth, inside = 1) => {
  let value = inside
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

/** What JSON.stringify can't write. */
const circular = () => {
  const value = {}
  value.self = value
  return value
}

/** MariaDB's check of its JSON columns accepts no deeper nesting. */
const DEEPEST = byStorage({ sqlite: 100, postgres: 100, mysql: 31 })

const JSON_TYPES = byStorage({
  sqlite: ['text', 'json'],
  postgres: ['text', 'json', 'jsonb'],
  mysql: ['text', 'json'],
})

/** A database whose charges keep `metadata`, and whose media tasks keep `options`, in columns of this type. */
async function withColumns(type) {
  const database = await TestDatabase.fresh()
  await database.run(
    'ALTER TABLE credit DROP COLUMN metadata',
    `ALTER TABLE credit ADD COLUMN metadata ${type}`,
    `ALTER TABLE media_tasks ADD COLUMN options ${type}`,
  )
  await database.user('u', 100)
  return database
}

const parsed = (value) => (typeof value === 'string' ? JSON.parse(value) : value)

describe.each(JSON_TYPES)('JSON in a column of type %s', (type) => {
  test.each([
    ['half an emoji', { title: HALF }, { title: '\uFFFD' }],
    ['the other half of an emoji', [`a${OTHER_HALF}b`], ['a\uFFFDb']],
    ['two halves the wrong way round', [OTHER_HALF + HALF], ['\uFFFD\uFFFD']],
    ['half an emoji before a whole one', [`${HALF}🎬`], ['\uFFFD🎬']],
    ['half an emoji in a key', { [HALF]: { [OTHER_HALF]: 1 } }, { '\uFFFD': { '\uFFFD': 1 } }],
    ['a NUL', { [`a${NUL}`]: NUL }, { 'a\uFFFD': '\uFFFD' }],
    ['text that only looks like half an emoji', ['\\ud83c', '\\\\u0000'], ['\\ud83c', '\\\\u0000']],
    ['whole emoji and other letters', { '🎬': 'é\u001f"\\' }, { '🎬': 'é\u001f"\\' }],
    ['the maximum number of nested arrays', nested(DEEPEST), nested(DEEPEST)],
  ])('is stored and read: %s', async (_, value, expected) => {
    const database = await withColumns(type)
    const { createMediaTask, updateMediaTaskById, consumeCredits } = database.credits
    const row = await createMediaTask(task('t', 'u', { options: value }), 10)
    expect(parsed(row.options)).toEqual(expected)
    expect(parsed((await updateMediaTaskById('t', { options: value })).options)).toEqual(expected)
    const charge = await consumeCredits({ userId: 'u', credits: 10, metadata: value })
    expect(parsed(charge.metadata)).toEqual(expected)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['passed as an object', { title: `${HALF}a`, note: NUL }],
    ['passed as text', JSON.stringify({ title: `${HALF}a`, note: NUL })],
  ])('is stored and read as the metadata of a step, %s', async (_, metadata) => {
    const database = await withColumns(type)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await database.credits.chargeMediaTask('t', { credits: 10, metadata })
    const [, step] = await database.credits.getMediaTaskCharges('t')
    expect(parsed(step.metadata)).toMatchObject({ title: '\uFFFDa', note: '\uFFFD', taskId: 't' })
    expect(await violations(database)).toEqual([])
  })

  test.each([101, 10_000, 100_000])('the metadata of a step that is %d deep is refused', async (depth) => {
    const database = await withColumns(type)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    const metadata = { deep: nested(depth - 1) }
    const error = await refusal(database, () =>
      database.credits.chargeMediaTask('t', { credits: 10, metadata }),
    )
    // Up to the depth of JSON.stringify; beyond it, JSON has no text for the object.
    expect(error).toMatchObject({
      code: expect.stringMatching(/^INVALID_(VALUE|ARGUMENT)$/),
      field: 'metadata',
    })
    expect(error.message).toMatch(/at most 100 deep|JSON can't hold .*too deep/)
  })
})

describe.each(JSON_TYPES.filter((type) => type !== 'text'))('a column of type %s', (type) => {
  test.each([101, 10_000, 100_000])('refuses arrays that are %d deep', async (depth) => {
    const database = await withColumns(type)
    const options = nested(depth)
    const error = await refusal(database, () =>
      database.credits.createMediaTask(task('t', 'u', { options }), 10),
    )
    expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'media_tasks', field: 'options' })
    expect(error.message).toMatch(/at most 100 deep|JSON can't hold .*too deep/)
  })
})

describe('a failure is written with any other fields in the patch:', () => {
  /** Node 26 stringifies what is too deep for earlier versions. */
  function textOf(value) {
    try {
      return JSON.stringify(value)
    } catch {
      return expect.stringContaining("JSON can't hold")
    }
  }

  /** The other fields of a patch; the fields of the row. */
  const CARRIED = [
    ['half an emoji', { errorMessage: HALF }, { errorMessage: '\uFFFD' }],
    ['a NUL', { errorMessage: `a${NUL}b` }, { errorMessage: 'a\uFFFDb' }],
    ['JSON with half an emoji', { options: { error: HALF } }, { options: { error: '\uFFFD' } }],
    ['JSON with a NUL', { options: { error: NUL } }, { options: { error: '\uFFFD' } }],
    ['JSON that is too deep', { options: nested(200) }, { options: JSON.stringify(nested(200)) }],
    [
      'JSON that is too deep for JSON.stringify',
      { options: nested(100_000) },
      { options: textOf(nested(100_000)) },
    ],
    [
      'an object that refers to itself',
      { errorMessage: circular() },
      { errorMessage: expect.stringContaining("JSON can't hold") },
    ],
  ]

  test.each(CARRIED)('%s', async (_, carried, expected) => {
    const { database, update, balance } = await withTask('MediaTask')
    const json = byStorage({ sqlite: 'json', postgres: 'jsonb', mysql: 'json' })
    await database.sql(`ALTER TABLE media_tasks ADD COLUMN options ${json}`)
    const row = await update({ ...carried, status: 'failed', title: 'B' })
    expect(row).toMatchObject({ ...expected, status: 'failed', title: 'B' })
    expect(row.refund.credits).toBe(10)
    expect(await balance()).toBe(100)
    expect(await violations(database)).toEqual([])
  })

  postgres.test('text that is too long is truncated', async () => {
    const { database, update } = await withTask('MediaTask')
    await database.sql('ALTER TABLE media_tasks ALTER error_message TYPE varchar(5)')
    const row = await update({ status: 'failed', errorMessage: '🎬 a long one' })
    expect(row).toMatchObject({ status: 'failed', errorMessage: '🎬 a l' })
    expect(row.refund.credits).toBe(10)
  })

  test('all of them at once for an AI task', async () => {
    const { database, update, balance } = await withTask('AITask')
    const row = await update({
      taskInfo: NUL,
      taskResult: circular(),
      options: { a: HALF },
      status: 'failed',
    })
    expect(row).toMatchObject({ status: 'failed', taskInfo: '\uFFFD', options: '{"a":"\uFFFD"}' })
    expect(row.taskResult).toContain("JSON can't hold")
    expect(await balance()).toBe(100)
    expect(await violations(database)).toEqual([])
  })

  test('the same fields in a patch without a failure are refused', async () => {
    const { database, update } = await withTask('MediaTask')
    const error = await refusal(database, () => update({ status: 'processing', errorMessage: NUL }))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', field: 'errorMessage' })
  })

  test.each([
    ['text in a number', { progress: 'half' }],
    ['null where NULL is refused', { progress: null }],
    ['an invalid Date', { publishedAt: new Date(NaN) }],
    ['a function', { title: () => {} }],
  ])('a value of another type is a slip, and refused: %s', async (_, slip) => {
    const { database, update } = await withTask('MediaTask')
    const error = await refusal(database, () => update({ status: 'failed', errorMessage: NUL, ...slip }))
    expect(error).toMatchObject({ field: Object.keys(slip)[0] })
  })

  test('a field without a column is refused', async () => {
    const { database, update } = await withTask('MediaTask')
    const error = await refusal(database, () => update({ status: 'failed', errorMesage: 'x' }))
    expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'errorMesage' })
  })
})
