'use strict'

const fs = require('node:fs')
const { TestDatabase } = require('./helpers/database')

describe('createTables', () => {
  test('a file without tables says what to do, and is not changed by it', async () => {
    const database = TestDatabase.none()
    const missing = { code: 'SCHEMA_MISMATCH', retryable: false }
    await expect(database.credits.getRemainingCredits('u')).rejects.toMatchObject(missing)
    expect(fs.existsSync(database.file)).toBe(false)
    fs.writeFileSync(database.file, '')
    const error = await database.credits.consumeCredits({ userId: 'u', credits: 1 }).catch((error) => error)
    expect(error).toMatchObject(missing)
    expect(error.message).toContain('npx drizzle-kit push')
    expect(error.message).toContain('npx media-credits init')
    expect(await database.sql('SELECT name FROM sqlite_master')).toEqual([])
  })

  test('a missing credit_id is named with the statement that adds it', async () => {
    const database = TestDatabase.fixture()
    await database.run('ALTER TABLE media_tasks DROP COLUMN credit_id')
    const error = await database.credits.getRemainingCredits('u').catch((error) => error)
    expect(error.code).toBe('SCHEMA_MISMATCH')
    expect(error.message).toContain('media_tasks.credit_id')
    const [statement] = error.message.match(/ALTER TABLE .*;/)
    await database.run(statement)
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
  })

  test('makes the four tables and their indexes as the app has them', async () => {
    const made = await TestDatabase.fresh()
    const real = TestDatabase.fixture()
    const columns = async (database, table) => database.sql(`SELECT * FROM pragma_table_info('${table}')`)
    for (const table of ['user', 'credit', 'media_tasks', 'ai_task']) {
      expect(await columns(made, table)).toEqual(await columns(real, table))
    }
    const indexes = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name"
    expect(await made.sql(indexes)).toEqual(await real.sql(indexes))
  })

  test('many at once, and on tables that are there, changes nothing', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await Promise.all(Array.from({ length: 10 }, () => database.credits.createTables()))
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })
})

describe('getDiagnostics', () => {
  test('says what was found', async () => {
    const database = TestDatabase.fixture()
    expect(await database.credits.getDiagnostics()).toEqual({
      path: fs.realpathSync(database.file),
      journalMode: 'wal',
      timestampUnit: 'ms',
      locking: 'ofd',
      sqliteVersion: expect.stringMatching(/^3\.\d+\.\d+$/),
    })
  })
})
