'use strict'

const { randomUUID } = require('node:crypto')
const { exactEntries, findings } = require('../helpers/books')
const { until } = require('../helpers/callers')
const { TestDatabase, refusal, task } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')
const { violations } = require('../helpers/invariants')

const HOUR_MS = 3_600_000

const USER_IDS = [
  ['"user"', 'id'],
  ['credit', 'user_id'],
  ['media_tasks', 'user_id'],
  ['ai_task', 'user_id'],
]

/** Gives the ids of users, and all columns that refer to them, another type. */
const withUserIds = (type) => [
  ...['credit', 'media_tasks', 'ai_task'].map(
    (table) => `ALTER TABLE ${table} DROP CONSTRAINT ${table}_user_id_user_id_fk`,
  ),
  ...USER_IDS.map(
    ([table, column]) => `ALTER TABLE ${table} ALTER ${column} TYPE ${type} USING ${column}::${type}`,
  ),
  ...['credit', 'media_tasks', 'ai_task'].map(
    (table) => `ALTER TABLE ${table} ADD FOREIGN KEY (user_id) REFERENCES "user" (id) ON DELETE CASCADE`,
  ),
]

/** The calls of an app for a user, with ids in each argument and result. */
async function live(database, userId, taskId, sent = userId) {
  const { credits } = database
  const expiresAt = new Date(Date.now() + HOUR_MS)
  expect(await credits.createCredit({ userId: sent, credits: 30, expiresAt })).toMatchObject({ userId })
  await credits.createCredit({ userId: sent, credits: 40 })
  const created = await credits.createMediaTask(task(taskId, sent), 50)
  expect(created).toMatchObject({ id: taskId, userId })
  expect(await credits.createMediaTask(task(taskId, sent), 50, { replay: true })).toEqual({
    ...created,
    replayed: true,
  })
  const charge = await credits.consumeCredits({ userId: sent, credits: 5 }, { replay: false })
  expect(charge).toMatchObject({ userId, credits: -5 })
  await credits.consumeCreditsBatch([{ userId: sent, credits: 1 }], { atomic: true })
  expect(await credits.getRemainingCredits(sent)).toBe(14)
  expect(await credits.quoteCredits(sent, 5)).toMatchObject({ sufficient: true, available: 14 })
  await credits.refundCredits(charge.id)
  await credits.chargeMediaTask(taskId, { credits: 2 }, { status: 'processing' })
  expect(await credits.hasActiveMediaTask(sent)).toBe(true)
  expect(await credits.getActiveMediaTasks(sent)).toMatchObject([{ id: taskId, userId }])
  expect((await credits.getMediaTaskHistory(sent)).total).toBe(1)
  expect(await credits.getMediaTaskCharges(taskId)).toMatchObject([{ credits: -50 }, { credits: -2 }])
  expect(await credits.settleMediaTask(taskId, 1)).toMatchObject({ refund: { credits: 1 } })
  const { refund } = await credits.updateMediaTaskById(taskId, { status: 'failed' })
  expect(refund).toMatchObject({ credits: 1, spendable: 1 })
  await credits.createMediaTask({ ...task(randomUUID(), sent), isFreeTrial: true }, 0, {
    freeTrialLimit: 1,
    maxActive: 5,
  })
  expect(await credits.getCreditsCount({ userId: sent, transactionType: 'grant' })).toBe(2)
  const [listed] = await credits.getCredits({ userId: sent, getUser: true })
  expect(listed).toMatchObject({ userId, user: { id: userId } })
  expect((await credits.getBalance(sent)).credits).toBe(19)
  await exactEntries(credits, sent)
  expect(await findings(credits)).toEqual([])
  expect(await violations(database)).toEqual([])
}

describe('the ids of users can be', () => {
  const UUID = randomUUID()
  const CASES = [
    ['uuid', UUID, UUID],
    ['integer', 7, 7],
    ['integer, passed as text', 7, '7'],
    ['integer, passed as a bigint', 7, 7n],
    ['smallint', 7, 7],
    ['bigint', 7, 7],
    // An id with too many digits for a number is returned as text, and accepted as text.
    ['bigint with more digits than a number has', '9007199254740993', '9007199254740993'],
    ['varchar(36)', UUID, UUID],
  ]
  const typeOf = (title) => title.split(/[, ](?!\d)/)[0]

  test.each(CASES)('%s', async (title, userId, sent) => {
    const database = await TestDatabase.fresh()
    await database.run(...withUserIds(typeOf(title)))
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', `${userId}`, 'u', 'u')
    await live(database, userId, 't', sent)
  })

  test.each(CASES)('%s, after a migration a moment ago', async (title, userId, sent) => {
    const database = await TestDatabase.fresh()
    expect(await database.credits.getRemainingCredits('1')).toBe(0)
    await database.run(...withUserIds(typeOf(title)))
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', `${userId}`, 'u', 'u')
    await database.credits.getRemainingCredits('1')
    await live(database, userId, 't', sent)
  })

  test('integer, and events of each function have the number', async () => {
    const database = await TestDatabase.fresh({ maxConnections: 1 })
    await database.run(...withUserIds('integer'))
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', '7', 'u', 'u')
    const { credits } = database
    await credits.createCredit({ userId: 7, credits: 30, orderNo: 'order' })
    const told = []
    credits.on('balance-low', { below: 20 }, (event) => told.push(event))
    await credits.revokeGrants({ orderNo: 'order' }, { total: 11, transactionNo: 'refund' })
    await until(() => told.length === 1)
    await credits.restoreGrants('refund')
    await credits.consumeCredits({ userId: 7, credits: 12 })
    await until(() => told.length === 2)
    expect(told).toEqual([
      { userId: 7, balance: 19, below: 20 },
      { userId: 7, balance: 18, below: 20 },
    ])
  })

  test('a domain, with its own default', async () => {
    const database = await TestDatabase.fresh()
    await database.run('CREATE DOMAIN user_id AS uuid NOT NULL', ...withUserIds('user_id'))
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', UUID, 'u', 'u')
    await live(database, UUID, 't')
  })

  test.each([
    ['uuid', ['no uuid', UUID.toUpperCase(), '7']],
    ['integer', ['no number', '07', '7.0', ' 7', '9223372036854775808', '2147483648']],
  ])('%s: an id that the column cannot hold belongs to no user', async (type, ids) => {
    const database = await TestDatabase.fresh()
    await database.run(...withUserIds(type))
    const { getRemainingCredits, consumeCredits, getCredits, getStatement } = database.credits
    for (const userId of ids) {
      expect(await getRemainingCredits(userId)).toBe(0)
      expect(await getCredits({ userId })).toEqual([])
      expect((await getStatement(userId)).entries).toEqual([])
      const error = await refusal(database, () => consumeCredits({ userId, credits: 1 }))
      expect(error.code).toBe('USER_NOT_FOUND')
    }
  })

  test('text, and then a number is refused', async () => {
    const database = await TestDatabase.fresh()
    for (const call of [
      ({ getRemainingCredits }) => getRemainingCredits(7),
      ({ consumeCredits }) => consumeCredits({ userId: 7, credits: 1 }),
      ({ createMediaTask }) => createMediaTask(task('t', 7), 0),
      ({ createMediaTasks }) => createMediaTasks([{ task: task('t', 7n), costCredits: 0 }], { atomic: true }),
    ]) {
      const error = await refusal(database, () => call(database.credits))
      expect(error).toMatchObject({ code: 'INVALID_ID', field: 'userId' })
    }
  })
})

describe('all other ids can be uuid:', () => {
  const ALL_UUID = [
    ...withUserIds('uuid'),
    'ALTER TABLE media_tasks ALTER id TYPE uuid USING id::uuid, ALTER credit_id TYPE uuid USING credit_id::uuid',
    'ALTER TABLE ai_task ALTER id TYPE uuid USING id::uuid, ALTER credit_id TYPE uuid USING credit_id::uuid',
    'ALTER TABLE credit ALTER id TYPE uuid USING id::uuid',
  ]

  test('the ids of tasks and of credit', async () => {
    const database = await TestDatabase.fresh()
    await database.run(...ALL_UUID)
    const [userId, taskId] = [randomUUID(), randomUUID()]
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', userId, 'u', 'u')
    await live(database, userId, taskId)
  })

  test('a new id of such a column must be a uuid', async () => {
    const database = await TestDatabase.fresh()
    await database.run(...ALL_UUID)
    const userId = randomUUID()
    await database.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', userId, 'u', 'u')
    const { createMediaTask, createCredit, findMediaTaskById, refundCredits } = database.credits
    for (const call of [
      () => createMediaTask(task('t', userId), 0),
      () => createCredit({ id: 'c', userId, credits: 1 }),
    ]) {
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'INVALID_VALUE', field: 'id' })
    }
    expect(await findMediaTaskById('t')).toBeUndefined()
    expect((await refusal(database, () => refundCredits('c'))).code).toBe('CHARGE_NOT_FOUND')
  })
})

describe('a type that can not hold the values of the ledger', () => {
  const alter = (table, column, type, using = `NULL::${type}`) => [
    `ALTER TABLE ${table} ALTER ${column} DROP DEFAULT, ALTER ${column} TYPE ${type} USING ${using}`,
  ]

  const MISFITS = [
    ['credit.credits', 'numeric(10,2)', alter('credit', 'credits', 'numeric(10,2)'), 'integer or bigint'],
    ['credit.remaining_credits', 'numeric', alter('credit', 'remaining_credits', 'numeric'), 'integer'],
    ['credit.remaining_credits', 'smallint', alter('credit', 'remaining_credits', 'smallint'), 'integer'],
    ['credit.expires_at', 'bigint', alter('credit', 'expires_at', 'bigint'), 'timestamp'],
    ['credit.expires_at', 'date', alter('credit', 'expires_at', 'date'), 'timestamp'],
    ['credit.expires_at', 'text', alter('credit', 'expires_at', 'text'), 'timestamp'],
    ['credit.updated_at', 'bigint', alter('credit', 'updated_at', 'bigint'), 'timestamp'],
    ['credit.id', 'integer', alter('credit', 'id', 'integer'), 'text, varchar(36) or uuid'],
    ['credit.id', 'character varying(20)', alter('credit', 'id', 'varchar(20)'), 'varchar(36)'],
    ['credit.transaction_no', 'bigint', alter('credit', 'transaction_no', 'bigint'), 'text'],
    ['credit.status', 'boolean', alter('credit', 'status', 'boolean'), 'text, varchar or an enum'],
    ['credit.consumed_detail', 'bytea', alter('credit', 'consumed_detail', 'bytea'), 'text, json or jsonb'],
    ['credit.metadata', 'text[]', alter('credit', 'metadata', 'text[]'), 'text, json or jsonb'],
    [
      'credit.user_id',
      'uuid',
      withUserIds('uuid')
        .slice(0, 3)
        .concat(alter('credit', 'user_id', 'uuid')),
      'text',
    ],
    ['user.id', 'numeric', withUserIds('numeric'), 'text, varchar, uuid, integer or bigint'],
    ['user.id', 'character(36)', withUserIds('character(36)'), 'text, varchar, uuid, integer or bigint'],
    [
      'credit.transaction_type',
      'kind',
      ["CREATE TYPE kind AS ENUM ('grant', 'charge')", ...alter('credit', 'transaction_type', 'kind')],
      'one that takes "consume"',
    ],
    [
      'credit.remaining_credits',
      'integer, computed',
      [
        'ALTER TABLE credit DROP COLUMN remaining_credits',
        'ALTER TABLE credit ADD COLUMN remaining_credits integer GENERATED ALWAYS AS (credits) STORED',
      ],
      'a plain column',
    ],
  ]

  test.each(MISFITS)(
    'is reported before credits move: %s of %s',
    async (column, type, statements, needed) => {
      const database = await TestDatabase.fresh()
      await database.run(...statements)
      const { getRemainingCredits, consumeCredits } = database.credits
      for (const call of [
        () => getRemainingCredits('u'),
        () => consumeCredits({ userId: 'u', credits: 1 }),
      ]) {
        const error = await refusal(database, call)
        expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
        expect(error.message).toContain(`${column} is ${type}`)
        expect(error.message).toContain(`${column} must be `)
        expect(error.message).toContain(needed)
      }
    },
  )

  test.each([
    ['media_tasks.updated_at', 'date', alter('media_tasks', 'updated_at', 'date')],
    ['media_tasks.id', 'integer', alter('media_tasks', 'id', 'integer')],
    ['media_tasks.status', 'integer', alter('media_tasks', 'status', 'integer')],
    ['media_tasks.credit_id', 'uuid', alter('media_tasks', 'credit_id', 'uuid')],
  ])('stops the functions about tasks alone: %s of %s', async (column, type, statements) => {
    const database = await TestDatabase.fresh()
    await database.run(...statements)
    await database.user('u', 10)
    const { consumeCredits, createMediaTask, findMediaTaskById } = database.credits
    await consumeCredits({ userId: 'u', credits: 1 })
    for (const call of [() => createMediaTask(task('t', 'u'), 1), () => findMediaTaskById('t')]) {
      const error = await refusal(database, call)
      expect(error.code).toBe('SCHEMA_MISMATCH')
      expect(error.message).toContain(`${column} is ${type}`)
    }
  })

  test('is reported by doctor', async () => {
    const database = await TestDatabase.fresh()
    await database.run(
      ...alter('credit', 'credits', 'numeric(10,2)'),
      ...alter('credit', 'expires_at', 'date'),
    )
    const { code, json } = await cliOn(database, 'doctor', '--json')
    expect(code).toBe(1)
    const [{ name, message }] = json.checks.filter(({ status }) => status === 'problem')
    expect(name).toBe('schema')
    expect(message).toContain('credit.credits is numeric(10,2), credit.expires_at is date')
  })
})

describe('rows with NULL in a column that allows it', () => {
  test('are read, such as a grant without a transactionNo and one without credits', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.run(
      ...['transaction_no', 'credits', 'remaining_credits', 'status', 'updated_at', 'created_at'].map(
        (column) => `ALTER TABLE credit ALTER ${column} DROP NOT NULL`,
      ),
      `UPDATE credit SET transaction_no = NULL, created_at = NULL, updated_at = NULL`,
      `INSERT INTO credit (id, user_id, transaction_type) VALUES ('empty', 'u', 'grant')`,
      `INSERT INTO credit (id, user_id, transaction_type, status) VALUES ('none', 'u', 'grant', 'active')`,
    )
    const { credits } = database
    await credits.createMediaTask(task('t', 'u'), 4)
    expect(await credits.getRemainingCredits('u')).toBe(6)
    expect((await credits.getBalance('u')).credits).toBe(6)
    const [{ consumedDetail }] = await credits.getMediaTaskCharges('t')
    expect(JSON.parse(consumedDetail)).toMatchObject([{ creditsConsumed: 4, creditsAfter: 6 }])
    const { refund } = await credits.updateMediaTaskById('t', { status: 'failed' })
    expect(refund).toMatchObject({ credits: 4, spendable: 4 })
    expect(await credits.getRemainingCredits('u')).toBe(10)
    expect(await credits.getCreditsCount({ userId: 'u' })).toBe(4)
  })
})

describe('columns of a type that is less common', () => {
  test('can hold the ledger, such as domains, timestamp(0), json, bigint and enums', async () => {
    const database = await TestDatabase.fresh()
    await database.run(
      'CREATE DOMAIN number AS varchar(30) NOT NULL',
      'CREATE DOMAIN amount AS bigint DEFAULT 0 CHECK (VALUE < 1000000)',
      "CREATE TYPE scene AS ENUM ('payment', 'gift')",
      'ALTER TABLE credit ALTER transaction_no TYPE number',
      'ALTER TABLE credit ALTER credits TYPE amount, ALTER remaining_credits TYPE amount',
      'ALTER TABLE credit ALTER transaction_scene TYPE scene USING transaction_scene::scene',
      'ALTER TABLE credit ALTER consumed_detail TYPE json USING consumed_detail::json',
      'ALTER TABLE credit ALTER expires_at TYPE timestamp(0), ALTER created_at TYPE timestamptz',
    )
    await database.user('u')
    await live(database, 'u', 't')
  })
})
