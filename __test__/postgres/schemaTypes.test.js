'use strict'

const { exactEntries, findings } = require('../helpers/books')
const { TestDatabase, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

const HOUR_MS = 3_600_000

/** Gives columns another type. */
function retype(table, type, columns, using = (column) => `${column}::${type}`) {
  return columns.map(
    (column) => `ALTER TABLE ${table}
      ALTER ${column} DROP DEFAULT, ALTER ${column} TYPE ${type} USING ${using(column)}`,
  )
}

const times = ['expires_at', 'created_at', 'updated_at', 'deleted_at']
const inUtc = (column) => `${column} AT TIME ZONE 'UTC'`
const MEDIA_STATUS = `CREATE TYPE media_status AS ENUM
  ('pending', 'downloading', 'processing', 'extracted', 'translating', 'completed', 'failed')`

const SCHEMAS = {
  'timestamptz instead of timestamp': [
    ...retype('credit', 'timestamptz', times, inUtc),
    ...retype('media_tasks', 'timestamptz', [...times, 'published_at'], inUtc),
  ],
  'times in milliseconds': [
    ...retype('credit', 'timestamp(3)', times),
    ...retype('media_tasks', 'timestamp(3)', times),
  ],
  enums: [
    MEDIA_STATUS,
    `CREATE TYPE credit_status AS ENUM ('active', 'expired', 'deleted')`,
    `CREATE TYPE transaction_type AS ENUM ('grant', 'consume')`,
    ...retype('media_tasks', 'media_status', ['status']),
    `ALTER TABLE media_tasks ALTER status SET DEFAULT 'pending'`,
    ...retype('credit', 'credit_status', ['status']),
    ...retype('credit', 'transaction_type', ['transaction_type']),
  ],
  jsonb: [...retype('credit', 'jsonb', ['metadata', 'consumed_detail'])],
  json: [...retype('credit', 'json', ['metadata', 'consumed_detail'])],
  varchar: [
    ...retype('credit', 'varchar(255)', [
      'id',
      'transaction_no',
      'status',
      'transaction_type',
      'description',
    ]),
    ...retype('media_tasks', 'varchar(255)', ['id', 'user_id', 'credit_id', 'status', 'title']),
    `ALTER TABLE media_tasks ALTER status SET DEFAULT 'pending'`,
  ],
  bigint: [
    ...retype('credit', 'bigint', ['credits', 'remaining_credits']),
    ...retype('media_tasks', 'bigint', ['duration', 'views']),
  ],
}

/** The calls of an app, one after the other. */
async function live({ createMediaTask, updateMediaTaskById, ...credits }, database) {
  const expiresAt = new Date(Date.now() + HOUR_MS)
  await database.user('u', { credits: 30, expiresAt }, 40)
  await credits.createCredit({ userId: 'u', credits: 99, expiresAt: new Date(Date.now() - HOUR_MS) })
  const created = await createMediaTask(task('t', 'u', { title: 'T', publishedAt: expiresAt }), 50)
  expect(created).toMatchObject({ status: 'pending', title: 'T', publishedAt: expiresAt })
  expect(Math.abs(created.createdAt - Date.now())).toBeLessThan(HOUR_MS)
  expect(await credits.getRemainingCredits('u')).toBe(20)
  const charge = await credits.consumeCredits({ userId: 'u', credits: 5, metadata: { a: [1] } })
  expect(
    [charge.metadata].flat().map((json) => (typeof json === 'string' ? JSON.parse(json) : json)),
  ).toEqual([{ a: [1] }])
  expect(await credits.hasActiveMediaTask('u')).toBe(false)
  await updateMediaTaskById('t', { status: 'processing' })
  expect(await credits.hasActiveMediaTask('u')).toBe(true)
  expect((await credits.getActiveMediaTasks('u')).map(({ id }) => id)).toEqual(['t'])
  const failed = await updateMediaTaskById('t', { status: 'failed' })
  expect(failed).toMatchObject({ status: 'failed', refund: { credits: 50, spendable: 50 } })
  expect(await credits.getRemainingCredits('u')).toBe(65)
  expect(await credits.getCredits({ userId: 'u', status: 'deleted' })).toMatchObject([{ credits: -50 }])
  expect(await credits.getCreditsCount({ userId: 'u', transactionType: 'grant' })).toBe(3)
  expect((await credits.getMediaTaskHistory('u')).list).toMatchObject([{ id: 't', status: 'failed' }])
  expect((await credits.getBalance('u')).credits).toBe(65)
  await exactEntries(credits, 'u')
  expect(await findings(credits)).toEqual([])
  await database.sql("UPDATE credit SET remaining_credits = 45 WHERE user_id = 'u' AND credits = 40")
  const { changes } = await credits.repairLedger({ apply: true })
  expect(changes).toMatchObject([{ kind: 'refunded-more-than-once', before: 45, after: 35 }])
  expect(await credits.getRemainingCredits('u')).toBe(65)
  expect(await violations(database)).toEqual([])
}

describe('an app works with', () => {
  test.each(Object.entries(SCHEMAS))('%s', async (_, statements) => {
    const database = await TestDatabase.fresh()
    await database.run(...statements)
    await live(database.credits, database)
  })

  // As with a migration in a deployment: this process knows the tables as they were.
  test.each(Object.entries(SCHEMAS))('%s, after a migration a moment ago', async (_, statements) => {
    const database = await TestDatabase.fresh()
    await database.user('v', 10)
    await database.credits.createMediaTask(task('old', 'v'), 1)
    await database.run(...statements)
    await live(database.credits, database)
    expect(await database.credits.findMediaTaskById('old')).toMatchObject({ id: 'old', status: 'pending' })
  })
})

describe('a value that its column can not hold', () => {
  test.each([
    ['text that is too long', 'title varchar(5)', 'title', 'a title'],
    ['text that is too long for a character(n)', 'author character(2)', 'author', 'abc'],
    ['an integer out of range', 'views integer', 'views', 2 ** 31],
    ['a negative integer out of range', 'views integer', 'views', -(2 ** 31) - 1],
    ['a smallint out of range', 'likes smallint', 'likes', 32_768],
    ['a status that the enum does not have', 'status media_status', 'status', 'lost'],
    ['a text with a NUL', 'title text', 'title', 'a\0b'],
    ['a fraction for an integer', 'views integer', 'views', 1.5],
  ])('%s is INVALID_VALUE, and names the field', async (_, column, field, value) => {
    const database = await TestDatabase.fresh()
    const [name, type] = column.split(' ')
    await database.run(MEDIA_STATUS, ...retype('media_tasks', type, [name], (old) => `${old}::text::${type}`))
    await database.user('u', 10)
    const { createMediaTask, updateMediaTaskById } = database.credits
    await database.sql(
      `INSERT INTO media_tasks (id, user_id, platform, video_url, status) VALUES ('t', 'u', 'x', 'y', 'pending')`,
    )
    for (const call of [
      () => createMediaTask(task('new', 'u', { [field]: value }), 1),
      () => updateMediaTaskById('t', { [field]: value }),
    ]) {
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'media_tasks', field, retryable: false })
    }
    expect(await violations(database)).toEqual([])
  })

  // Only the server can check these values.
  test.each([
    ['no UUID', 'uuid', 'xyz', '22P02'],
    ['no array', 'text[]', 'xyz', '22P02'],
    ['a list for an array', 'text[]', ['a', 'b c'], '22P02'],
    ['no date', 'date', 'one day', '22007'],
    ['a number with too many digits', 'numeric(3,1)', 1000, '22003'],
    ['a time before the first one of the server', 'timestamp', new Date(-8_640_000_000_000_000), '22008'],
  ])('%s is a DATABASE_ERROR', async (_, type, own, databaseCode) => {
    const database = await TestDatabase.fresh()
    await database.sql(`ALTER TABLE media_tasks ADD COLUMN own ${type}`)
    await database.user('u', 10)
    const error = await refusal(database, () =>
      database.credits.createMediaTask(task('new', 'u', { own }), 1),
    )
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode, retryable: false })
    expect(await violations(database)).toEqual([])
  })
})

describe("an app's own column", () => {
  const UUID = '3b241101-e2bb-4255-8caf-4136c566a962'

  const KEPT = [
    ['numeric', 12.5, 12.5],
    ['numeric(10,2)', 12.5, 12.5],
    ['numeric', -3, -3],
    ['real', 0.5, 0.5],
    ['double precision', 0.1, 0.1],
    ['bigint', 2 ** 53 - 1, 2 ** 53 - 1],
    ['smallint', -32_768, -32_768],
    ['boolean', false, false],
    ['uuid', UUID, UUID],
    ['date', '2026-11-23', '2026-11-23'],
    ['interval', '1 day', '1 day'],
    ['inet', '127.0.0.1', '127.0.0.1/32'],
    ['text[]', '{a,"b c"}', '{a,"b c"}'],
    ['bytea', Buffer.from([0, 1, 255]), Buffer.from([0, 1, 255])],
    ['jsonb', { b: 1, a: [null, 'é'] }, { b: 1, a: [null, 'é'] }],
    ['timestamp', new Date(1_700_000_000_123), new Date(1_700_000_000_123)],
    ['timestamptz', new Date(1_700_000_000_123), new Date(1_700_000_000_123)],
    ['timestamp', new Date(8_640_000_000_000_000), new Date(8_640_000_000_000_000)],
    ['text', null, null],
    ['varchar(3)', '🎬é字', '🎬é字'],
  ]

  test('stores the passed value', async () => {
    const database = await TestDatabase.fresh()
    for (const [at, [type]] of KEPT.entries()) {
      await database.sql(`ALTER TABLE media_tasks ADD COLUMN own${at} ${type}`)
    }
    await database.user('u', 10)
    const pick = (row) => KEPT.map(([type], at) => [type, row[`own${at}`]])
    const given = Object.fromEntries(KEPT.map(([, value], at) => [`own${at}`, value]))
    const nothing = Object.fromEntries(KEPT.map((_, at) => [`own${at}`, null]))
    const expected = KEPT.map(([type, , value]) => [type, value])
    const { createMediaTask, updateMediaTaskById, findMediaTaskById } = database.credits
    expect(pick(await createMediaTask(task('t', 'u', given), 1))).toEqual(expected)
    await updateMediaTaskById('t', nothing)
    expect(pick(await findMediaTaskById('t'))).toEqual(KEPT.map(([type]) => [type, null]))
    expect(pick(await updateMediaTaskById('t', given))).toEqual(expected)
    expect(pick(await findMediaTaskById('t'))).toEqual(expected)
    expect(await violations(database)).toEqual([])
  })

  const ODD = [
    ['numeric', `'12345678901234567890.123'`],
    ['numeric', `'NaN'`],
    ['double precision', `'Infinity'`],
    ['bigint', '9223372036854775807'],
    ['timestamp', `'infinity'`],
    ['timestamptz', `'-infinity'`],
    ['timestamp', `'4713-01-01 BC'`],
    ['date', `'infinity'`],
    ['int4range', `'[1,5)'`],
    ['point', `'(1,2)'`],
    ['text[]', `'{a,NULL}'`],
    ['jsonb', `'null'`],
    ['bit(3)', `'101'`],
    ['xml', `'<a/>'`],
  ]

  test('can hold values that JavaScript does not have, and its row can be read and refunded', async () => {
    const database = await TestDatabase.fresh()
    for (const [at, [type, value]] of ODD.entries()) {
      await database.sql(`ALTER TABLE media_tasks ADD COLUMN own${at} ${type} DEFAULT ${value}`)
    }
    await database.user('u', 10)
    const { createMediaTask, updateMediaTaskById, findMediaTaskById } = database.credits
    expect(await createMediaTask(task('t', 'u'), 1)).toHaveProperty(`own${ODD.length - 1}`)
    await updateMediaTaskById('t', { status: 'failed' })
    expect(await findMediaTaskById('t')).toMatchObject({ status: 'failed' })
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['that is an identity', 'integer GENERATED ALWAYS AS IDENTITY', 1],
    ['that is computed', `text GENERATED ALWAYS AS (upper(platform)) STORED`, 'YOUTUBE'],
    ['with a default', `text NOT NULL DEFAULT 'x'`, 'x'],
  ])('%s is filled by the server', async (_, definition, expected) => {
    const database = await TestDatabase.fresh()
    await database.sql(`ALTER TABLE media_tasks ADD COLUMN own ${definition}`)
    await database.user('u', 10)
    expect((await database.credits.createMediaTask(task('t', 'u'), 1)).own).toBe(expected)
    expect(await violations(database)).toEqual([])
  })

  test('that is unique is not reported as the id if its value is taken', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.sql('CREATE UNIQUE INDEX own ON media_tasks (user_id, video_url)')
    const { createMediaTask } = database.credits
    await createMediaTask(task('t', 'u'), 1)
    const again = { ...task('t', 'u'), id: 'new' }
    const error = await refusal(database, () => createMediaTask(again, 1))
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '23505', retryable: false })
    expect(await violations(database)).toEqual([])
  })
})
