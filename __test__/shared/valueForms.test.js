'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { media, used } = require('../helpers/plans')
const { byStorage, postgres, sqlite } = require('../helpers/storage')

// Values that the app's own database stores without loss are accepted, in the form of their column.

// Media tasks also have a column with fractions and one with JSON.
TestDatabase.reuse((database) =>
  database.run(
    `ALTER TABLE media_tasks ADD COLUMN score ${byStorage({ sqlite: 'real', postgres: 'double precision' })}`,
    `ALTER TABLE media_tasks ADD COLUMN details ${byStorage({ sqlite: 'json', postgres: 'jsonb', mysql: 'json' })}`,
  ),
)

/** User `u` has 1000 credits. */
async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u', 600, 400)
  return database
}

/** Those that change a task. */
const CHANGES = {
  updateMediaTaskById: ({ updateMediaTaskById }, id, fields) => updateMediaTaskById(id, fields),
  chargeMediaTask: ({ chargeMediaTask }, id, fields) => chargeMediaTask(id, { credits: 1 }, fields),
}

/** All calls that write columns of a media task: each writes them into the task with this id. */
const WAYS = {
  createMediaTask: ({ createMediaTask }, id, fields) => createMediaTask(task(id, 'u', fields), 1),
  createMediaTasks: async ({ createMediaTasks }, id, fields) => {
    const [{ value, reason }] = await createMediaTasks([media(id, fields)])
    if (reason) throw reason
    return value
  },
  'atomic createMediaTasks': async ({ createMediaTasks }, id, fields) =>
    (await createMediaTasks([media(`${id} first`), media(id, fields)], { atomic: true }))[1],
  ...CHANGES,
}

/** Makes the tasks that are changed. */
async function makeChanged(database, mark = '') {
  for (const name in CHANGES) await database.credits.createMediaTask(task(name + mark, 'u'), 0)
}

/** Writes fields with each call, one after the other. */
async function onEveryWay(database, fields, look, mark = '') {
  for (const [name, write] of Object.entries(WAYS)) {
    const id = name + mark
    await look(id, () => write(database.credits, id, fields))
  }
}

/** The same on tasks that it makes before. */
async function onNewTasks(database, fields, look, mark) {
  await makeChanged(database, mark)
  await onEveryWay(database, fields, look, mark)
}

/** Rows `[field, …]` by their field, for a test each. */
const byField = (rows) => {
  const fields = new Map(rows.map(([field]) => [field, []]))
  for (const [field, ...rest] of rows) fields.get(field).push(rest)
  return [...fields]
}

const column = (field) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const BIG = Number.MAX_SAFE_INTEGER
const TIME = new Date('2026-11-28T01:02:03.004Z')

// A column, a value for it, the value in the row; and the value in the database, if it differs.
const TAKEN = [
  ['views', 56, 56],
  ['views', '56', 56],
  ['views', '-3', -3],
  ['views', '0', 0],
  ['views', '2147483647', 2_147_483_647],
  ['views', '-2147483648', -2_147_483_648],
  ['views', 7n, 7],
  ['views', null, null],
  ['progress', '100', 100],
  ['title', 'a', 'a'],
  ['title', '', ''],
  ['title', '56', '56'],
  ['title', 5, '5'],
  ['title', -5, '-5'],
  ['title', 5.5, '5.5'],
  ['title', 0.1, '0.1'],
  ['title', -0, '0'],
  ['title', BIG, '9007199254740991'],
  ['title', 1e20, '100000000000000000000'],
  ['title', 1e21, '1e+21'],
  ['title', 1.25e300, '1.25e+300'],
  ['title', 0.000001, '0.000001'],
  ['title', 1.5e-7, '1.5e-7'],
  ['title', 5e-324, '5e-324'],
  ['title', true, 'true'],
  ['title', false, 'false'],
  ['title', null, null],
  ['title', { a: [1] }, '{"a":[1]}'],
  ['title', ['a', 1], '["a",1]'],
  ['isFreeTrial', true, true, 1],
  ['isFreeTrial', false, false, 0],
  ['isFreeTrial', 1, true, 1],
  ['isFreeTrial', 0, false, 0],
  ['isFreeTrial', 'true', true, 1],
  ['isFreeTrial', 'false', false, 0],
  ['isFreeTrial', null, null],
  ['score', 12, 12],
  ['score', 12.5, 12.5],
  ['score', '12.5', 12.5],
  ['score', '-12.50', -12.5],
  ['score', '12', 12],
  ['score', '0.5', 0.5],
  ['details', { a: 1 }, { a: 1 }, byStorage({ sqlite: '{"a":1}', postgres: '{"a": 1}', mysql: '{"a":1}' })],
  ['details', '56', '56', '"56"'],
  // SQLite converts values of an unknown column type to numbers if it can.
  ['details', 56, 56, byStorage({ sqlite: 56, postgres: '56' })],
  ['details', true, true, 'true'],
  ['publishedAt', TIME, TIME, TIME.getTime()],
  ['publishedAt', null, null],
]

describe('a value that its column stores without loss is accepted:', () => {
  staysSound()

  test.each(byField(TAKEN))('%s', async (field, rows) => {
    const database = await withUser()
    for (const [at, [value, kept, stored = kept]] of rows.entries()) {
      const look = async (id, write) => {
        const written = await write()
        expect([id, value, written[field]]).toEqual([id, value, kept])
        expect((await database.credits.findMediaTaskById(id))[field]).toEqual(kept)
        const sql = `SELECT ${column(field)} AS value FROM media_tasks WHERE id = ?`
        expect(await database.sql(sql, id)).toEqual([{ value: stored }])
      }
      await onNewTasks(database, { [field]: value }, look, ` ${at}`)
    }
    const { list } = await database.credits.getMediaTaskHistory('u', 1, '2000')
    const read = new Map(list.map((row) => [row.id, row[field]]))
    for (const [at, [, kept]] of rows.entries()) {
      for (const name of Object.keys(WAYS)) expect(read.get(`${name} ${at}`)).toEqual(kept)
    }
  })

  test('all fields at once, as an API returns them', async () => {
    const database = await withUser()
    const fields = { views: '56', likes: '7', shares: 0, duration: '212', title: 1984, isFreeTrial: '1' }
    const given = { ...fields, isFreeTrial: 'false', publishedAt: TIME, score: '4.5' }
    const kept = { views: 56, likes: 7, shares: 0, duration: 212, title: '1984', isFreeTrial: false }
    await onNewTasks(database, given, async (_, write) => {
      expect(await write()).toMatchObject({ ...kept, publishedAt: TIME, score: 4.5 })
    })
  })

  sqlite.test.each([
    ['2147483648', 2_147_483_648],
    ['9007199254740991', BIG],
  ])('views %p, as large as integers get', async (value, kept) => {
    const database = await withUser()
    await onNewTasks(database, { views: value }, async (_, write) => {
      expect(await write()).toMatchObject({ views: kept })
    })
  })

  sqlite.test('views with all digits', async () => {
    const database = await withUser()
    const most = '9223372036854775807'
    await onNewTasks(database, { views: most }, (_, write) => write())
    const rows = await database.sql('SELECT CAST(views AS text) AS views FROM media_tasks WHERE views > 0')
    expect(rows).toEqual(Object.keys(WAYS).map(() => ({ views: most })))
    // Later readers of the ledger need numbers that JavaScript can hold.
    await database.sql('UPDATE media_tasks SET views = 0')
  })

  postgres.test.each([
    ['bigint', '9223372036854775807'],
    ['smallint', '-32768'],
  ])('views of type %s: %p', async (type, value) => {
    const database = await withUser()
    await database.sql(`ALTER TABLE media_tasks ALTER views TYPE ${type}`)
    await onNewTasks(database, { views: value }, (_, write) => write())
    const rows = await database.sql('SELECT views::text FROM media_tasks WHERE views IS NOT NULL')
    expect(rows).toEqual(Object.keys(WAYS).map(() => ({ views: value })))
  })

  test('columns of an AI task and of credit with each value that they store without loss', async () => {
    const database = await withUser()
    const { createAITask, updateAITaskById, createCredit, consumeCredits } = database.credits
    const made = await createAITask(aiTask('a', 'u', { prompt: 5, costCredits: 2, options: { steps: 4 } }))
    expect(made).toMatchObject({ prompt: '5', costCredits: 2, options: '{"steps":4}' })
    expect(await updateAITaskById('a', { taskId: 12345, taskInfo: false })).toMatchObject({
      taskId: '12345',
      taskInfo: 'false',
    })
    const granted = await createCredit({ userId: 'u', credits: 5, orderNo: 2026, description: 1.5 })
    expect(granted).toMatchObject({ orderNo: '2026', description: '1.5' })
    const charged = await consumeCredits({ userId: 'u', credits: 5, description: true, scene: 7 })
    expect(charged).toMatchObject({ description: 'true', transactionScene: '7' })
    const stored = await database.sql(
      'SELECT order_no, description FROM credit WHERE id IN (?, ?) ORDER BY description',
      granted.id,
      charged.id,
    )
    expect(stored).toEqual([
      { order_no: '2026', description: '1.5' },
      { order_no: null, description: 'true' },
    ])
  })
})

const NO_INTEGERS = ['12abc', '1e3', ' 12', '12 ', '12.0', '+5', '007', '-0', '0x10', '1_000', '１２', '']
const NO_NUMBERS = ['1e3', '12abc', '.5', '5.', '012.5', '+5', ' 5', 'NaN', 'Infinity', '']
const NO_TRUTH = ['1', '0', 'TRUE', 'True', 'yes', 'on', ' true', '', 2, -1, 0.5]
const NO_TIMES = ['2026-11-28T00:00:00.000Z', '2026-11-28', '1797022109250', '', 1_797_022_109_250, 0, 1.5]

// A column, a value that it refuses, and the code.
const REFUSED = [
  ...NO_INTEGERS.map((text) => ['views', text, 'INVALID_VALUE']),
  ...[1.5, NaN, Infinity, true, {}, [5], TIME, '9223372036854775808'].map((value) => [
    'views',
    value,
    'INVALID_VALUE',
  ]),
  ...[NaN, -Infinity, TIME, Buffer.from('a'), 'a\0b', () => 'a', Symbol('a')].map((value) => [
    'title',
    value,
    'INVALID_VALUE',
  ]),
  ...NO_TRUTH.map((value) => ['isFreeTrial', value, 'INVALID_VALUE']),
  ...[TIME, {}].map((value) => ['isFreeTrial', value, 'INVALID_VALUE']),
  ...NO_NUMBERS.map((text) => ['score', text, 'INVALID_VALUE']),
  ...[true, NaN, TIME, '0.1234567890123456789'].map((value) => ['score', value, 'INVALID_VALUE']),
  ...NO_TIMES.map((value) => ['publishedAt', value, 'INVALID_DATE']),
  ...[new Date(NaN), true, {}].map((value) => ['publishedAt', value, 'INVALID_DATE']),
  ...['views', 'title', 'isFreeTrial', 'score'].map((field) => [field, new Date(NaN), 'INVALID_DATE']),
  ['progress', null, 'INVALID_VALUE'],
  ['status', null, 'INVALID_VALUE'],
  ...byStorage({
    sqlite: [],
    postgres: ['2147483648', '-2147483649', 2_147_483_648].map((value) => ['views', value, 'INVALID_VALUE']),
  }),
]

describe('a value that its column can not store is refused, and nothing is written:', () => {
  staysSound()

  test.each(byField(REFUSED))('%s', async (field, rows) => {
    const database = await withUser()
    await makeChanged(database)
    for (const [value, code] of rows) {
      const look = async (id, write) => {
        const error = await refusal(database, write)
        expect([id, value, error.code, error.field]).toEqual([id, value, code, field])
        expect(error.table).toBe(code === 'INVALID_DATE' ? undefined : 'media_tasks')
        expect(error.index).toBe(id.startsWith('atomic') ? 1 : undefined)
      }
      await onEveryWay(database, { [field]: value }, look)
    }
  })

  test.each([
    ['an ISO text', '2027-01-01T00:00:00.000Z'],
    ['epoch milliseconds', Date.now() + 1000],
  ])('%s as expiresAt of a grant', async (_, expiresAt) => {
    const database = await withUser()
    const call = () => database.credits.createCredit({ userId: 'u', credits: 5, expiresAt })
    expect(await refusal(database, call)).toMatchObject({ code: 'INVALID_DATE', field: 'expiresAt' })
  })
})

// Each amount of credits that a caller passes: the call with the amount, and its name in the error.
const AMOUNTS = [
  ['createCredit', ({ createCredit }, credits) => createCredit({ userId: 'u', credits }), 'credits'],
  [
    'createCredit with remainingCredits',
    ({ createCredit }, remainingCredits) => createCredit({ userId: 'u', credits: 5, remainingCredits }),
    'remainingCredits',
    'INVALID_VALUE',
  ],
  [
    'grantCreditsForUser',
    ({ grantCreditsForUser }, credits) => grantCreditsForUser({ user: { id: 'u' }, credits }),
    'credits',
  ],
  ['consumeCredits', ({ consumeCredits }, credits) => consumeCredits({ userId: 'u', credits }), 'credits'],
  [
    'consumeCreditsBatch',
    ({ consumeCreditsBatch }, credits) => consumeCreditsBatch([{ userId: 'u', credits }], { atomic: true }),
    'credits',
  ],
  ['createMediaTask', ({ createMediaTask }, cost) => createMediaTask(task('new', 'u'), cost), 'costCredits'],
  [
    'createMediaTasks',
    ({ createMediaTasks }, cost) => createMediaTasks([media('new', { cost })], { atomic: true }),
    'costCredits',
  ],
  [
    'createAITask',
    ({ createAITask }, costCredits) => createAITask(aiTask('new', 'u', { costCredits })),
    'costCredits',
  ],
  [
    'createAITasks',
    ({ createAITasks }, costCredits) =>
      createAITasks([aiTask('new', 'u', { costCredits })], { atomic: true }),
    'costCredits',
  ],
  [
    'updateAITaskById',
    ({ updateAITaskById }, costCredits) => updateAITaskById('a', { costCredits }),
    'costCredits',
    'INVALID_VALUE',
  ],
  [
    'updateAITaskById, which fails,',
    ({ updateAITaskById }, costCredits) => updateAITaskById('a', { status: 'failed', costCredits }),
    'costCredits',
    'INVALID_VALUE',
  ],
  [
    'the patch of chargeAITask',
    ({ chargeAITask }, costCredits) => chargeAITask('a', { credits: 1 }, { costCredits }),
    'costCredits',
    'INVALID_VALUE',
  ],
  ['chargeMediaTask', ({ chargeMediaTask }, credits) => chargeMediaTask('t', { credits }), 'credits'],
  ['settleMediaTask', ({ settleMediaTask }, credits) => settleMediaTask('t', credits), 'finalCredits'],
  ['settleAITask', ({ settleAITask }, credits) => settleAITask('a', credits), 'finalCredits'],
  ['quoteCredits', ({ quoteCredits }, credits) => quoteCredits('u', credits), 'credits'],
  ['settleCredits', ({ settleCredits }, credits, charge) => settleCredits(charge, credits), 'credits'],
  ['refundCredits', ({ refundCredits }, credits, charge) => refundCredits(charge, credits), 'credits'],
]

describe('amounts of credits must be numbers in', () => {
  staysSound()

  test.each(AMOUNTS)('%s', async (_, call, field, code = 'INVALID_AMOUNT') => {
    const database = await withUser()
    const { createMediaTask, createAITask, consumeCredits } = database.credits
    await createMediaTask(task('t', 'u'), 10)
    await createAITask(aiTask('a', 'u', { costCredits: 10 }))
    const { id } = await consumeCredits({ userId: 'u', credits: 10 })
    for (const amount of ['5', '0', '', '5.0', ' 5', true, 1.5, NaN, Infinity, {}, [5], new Date(5)]) {
      const error = await refusal(database, () => call(database.credits, amount, id))
      const isDate = amount instanceof Date && code === 'INVALID_VALUE'
      expect([amount, error.code, error.field]).toEqual([amount, isDate ? error.code : code, field])
    }
  })
})

describe('a failing update with such values', () => {
  staysSound()

  test('refunds the charge, and returns the free trial', async () => {
    const database = await withUser()
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    await createMediaTask(task('t', 'u', { isFreeTrial: '1'.length }), 10, { freeTrialLimit: 1 })
    expect(await used(database)).toBe(1)
    const patch = { status: 'failed', views: '56', progress: '99', title: 404, errorMessage: 500 }
    const failed = await updateMediaTaskById('t', { ...patch, isFreeTrial: 'true' })
    expect(failed).toMatchObject({ views: 56, progress: 99, title: '404', errorMessage: '500' })
    expect(failed.refund).toMatchObject({ credits: 10, spendable: 10 })
    expect(await getRemainingCredits('u')).toBe(1000)
    expect(await used(database)).toBe(0)
  })

  test('refunds nothing if a value is refused, and can be repeated without it', async () => {
    const database = await withUser()
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    await createMediaTask(task('t', 'u'), 10)
    const fail = (views) => updateMediaTaskById('t', { status: 'failed', views })
    expect(await refusal(database, () => fail('1e3'))).toMatchObject({ code: 'INVALID_VALUE' })
    expect(await getRemainingCredits('u')).toBe(990)
    expect((await fail('1000')).refund.credits).toBe(10)
  })

  test('refunds an AI task too', async () => {
    const database = await withUser()
    const { createAITask, updateAITaskById } = database.credits
    await createAITask(aiTask('a', 'u', { costCredits: 10 }))
    const failed = await updateAITaskById('a', { status: 'failed', taskInfo: 500, taskResult: false })
    expect(failed).toMatchObject({ taskInfo: '500', taskResult: 'false', refund: { credits: 10 } })
  })
})
