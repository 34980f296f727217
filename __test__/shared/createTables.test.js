'use strict'

const fs = require('node:fs')
const { TestDatabase, task } = require('../helpers/database')
const { byStorage, mysql, postgres, sqlite } = require('../helpers/storage')

const ON_A_PART = "CREATE INDEX on_a_part ON credit (user_id) WHERE status = 'active'"
const ON_MORE = 'CREATE INDEX on_more ON credit (lower(status), user_id)'
const MORE = { on_more: { columns: [null, 'user_id'], unique: false } }

describe('a call that lacks a table or a column', () => {
  test('rejects with the remedy, and changes nothing', async () => {
    const database = await TestDatabase.none()
    const call = () => database.credits.consumeCredits({ userId: 'u', credits: 1 })
    // On SQLite this makes an empty file.
    expect(await database.store.schema()).toEqual([])
    const error = await call().catch((error) => error)
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    expect(error.message).toContain('npx drizzle-kit push')
    expect(error.message).toContain('npx media-credits init')
    expect(await database.store.schema()).toEqual([])
  })

  sqlite.test('rejects if the file does not exist, and makes none', async () => {
    const database = await TestDatabase.none()
    const missing = { code: 'SCHEMA_MISMATCH', retryable: false }
    await expect(database.credits.getRemainingCredits('u')).rejects.toMatchObject(missing)
    expect(fs.existsSync(database.file)).toBe(false)
  })

  test('names a missing credit_id with the statement that adds it', async () => {
    const database = await TestDatabase.fixture()
    await database.run('ALTER TABLE media_tasks DROP COLUMN credit_id')
    await database.user('u', 50)
    const { createMediaTask } = database.credits
    const error = await createMediaTask(task('t', 'u'), 10).catch((error) => error)
    expect(error.code).toBe('SCHEMA_MISMATCH')
    expect(error.message).toContain('media_tasks.credit_id')
    const [statement] = error.message.match(/ALTER TABLE .*;/)
    await database.run(statement)
    await createMediaTask(task('t', 'u'), 10)
    expect(await database.credits.getRemainingCredits('u')).toBe(40)
  })
})

describe('createTables', () => {
  test('makes the four tables and their indexes like those of the app', async () => {
    const made = await TestDatabase.none()
    await made.credits.createTables()
    const real = await TestDatabase.fixture()
    const schema = await made.store.schema()
    expect(schema).toEqual(await real.store.schema())
    const tables = new Set(schema.map(({ owner }) => owner))
    expect([...tables].sort()).toEqual(['ai_task', 'credit', 'media_tasks', 'user'])
  })

  test('changes nothing on existing tables in concurrent calls', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const before = await database.store.schema()
    await Promise.all(Array.from({ length: 10 }, () => database.credits.createTables()))
    expect(await database.store.schema()).toEqual(before)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })
})

describe('diagnostics', () => {
  sqlite.test('getDiagnostics describes a file and its SQLite', async () => {
    const database = await TestDatabase.fixture()
    expect(await database.credits.getDiagnostics()).toEqual({
      storage: 'sqlite',
      path: fs.realpathSync(database.file),
      journalMode: 'wal',
      timestampUnit: 'ms',
      locking: 'ofd',
      sqliteVersion: expect.stringMatching(/^3\.\d+\.\d+$/),
      tables: expect.any(Array),
    })
  })

  postgres.test('getDiagnostics describes a server and its database', async () => {
    const database = await TestDatabase.fixture()
    expect(await database.credits.getDiagnostics()).toEqual({
      storage: 'postgres',
      serverVersion: expect.stringMatching(/^\d+\.\d+/),
      database: database.store.name,
      schema: 'public',
      isolation: 'read committed',
      encrypted: false,
      maxConnections: 10,
      durability: {
        fsync: expect.any(Boolean),
        fullPageWrites: expect.any(Boolean),
        synchronousCommit: expect.any(String),
      },
      lacks: [],
      tables: expect.any(Array),
    })
  })

  mysql.test('getDiagnostics describes a server of MariaDB', async () => {
    const database = await TestDatabase.fixture()
    expect(await database.credits.getDiagnostics()).toMatchObject({
      storage: 'mysql',
      serverVersion: expect.stringMatching(/^\d+\.\d+/),
      database: database.store.name,
      isolation: 'repeatable read',
      encrypted: false,
      maxConnections: 10,
      durability: { flushLogAtCommit: expect.any(Number), syncBinlog: expect.any(Number) },
      tables: expect.any(Array),
    })
  })

  test('getDiagnostics describes the tables, with their columns and indexes', async () => {
    const database = await TestDatabase.fresh()
    await database.run(
      'DROP TABLE ai_task',
      ...byStorage({
        sqlite: [ON_A_PART, ON_MORE],
        postgres: [ON_A_PART, ON_MORE],
        // MariaDB has neither kind.
        mysql: [],
      }),
    )
    const { tables } = await database.credits.getDiagnostics()
    expect(tables.map(({ name }) => name).sort()).toEqual(['credit', 'media_tasks', 'user'])
    const { columns, indexes } = tables.find(({ name }) => name === 'credit')
    expect(columns).toEqual(expect.arrayContaining(['id', 'user_id', 'consumed_detail']))
    const named = Object.fromEntries(indexes.map(({ name, ...index }) => [name, index]))
    expect(named).toMatchObject({
      idx_credit_order_no: { columns: ['order_no'], unique: false },
      credit_transaction_no_unique: { columns: ['transaction_no'], unique: true },
      ...byStorage({ sqlite: MORE, postgres: MORE, mysql: {} }),
    })
    expect(named).not.toHaveProperty('on_a_part')
  })
})
