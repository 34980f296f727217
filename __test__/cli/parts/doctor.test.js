'use strict'

const { checks } = require('../../../cli/doctor/checks')

describe('doctor', () => {
  const TABLES = [
    {
      name: 'credit',
      columns: ['id'],
      indexes: [
        { columns: ['user_id', 'status'], unique: false },
        { columns: ['transaction_no'], unique: true },
      ],
    },
    { name: 'user', columns: ['id', 'free_trial_used'], indexes: [] },
    {
      name: 'media_tasks',
      columns: ['id', 'user_id', 'status', 'created_at', 'updated_at', 'credit_id', 'is_free_trial'],
      indexes: [{ columns: ['user_id'], unique: false }],
    },
  ]
  const FACTS = {
    versions: { package: '1.0.0', node: '20.0.0', platform: 'linux-x64-gnu', binary: 'x.node' },
    database: { place: 'a.db', source: 'DATABASE_URL' },
    operatingSystem: 'linux',
    connectMs: 5,
    roundTripMs: 0.5,
    taskErrors: { aiTasks: { message: 'table ai_task is missing' } },
  }
  const onSqlite = (more, facts) => ({
    ...FACTS,
    diagnostics: {
      storage: 'sqlite',
      journalMode: 'wal',
      timestampUnit: 'ms',
      locking: 'ofd',
      sqliteVersion: '3.50.0',
      tables: TABLES,
      ...more,
    },
    ...facts,
  })
  const onPostgres = (more, facts) => ({
    ...FACTS,
    database: { place: 'postgres://db.example.com/app', source: 'DATABASE_URL' },
    diagnostics: {
      storage: 'postgres',
      serverVersion: '18.4',
      database: 'app',
      schema: 'public',
      isolation: 'read committed',
      encrypted: true,
      durability: { fsync: true, fullPageWrites: true, synchronousCommit: 'off' },
      tables: TABLES,
      ...more,
    },
    ...facts,
  })
  const onMysql = (more) => ({
    ...FACTS,
    database: { place: 'mysql://db.example.com/app', source: 'DATABASE_URL' },
    diagnostics: {
      storage: 'mysql',
      serverVersion: '9.7.4',
      database: 'app',
      isolation: 'repeatable read',
      encrypted: true,
      durability: { flushLogAtCommit: 1, syncBinlog: 1 },
      readOnly: false,
      binlogFormat: 'ROW',
      timeZone: 'UTC',
      tables: TABLES,
      ...more,
    },
  })
  const withIndexes = (...indexes) => [{ ...TABLES[0], indexes }, ...TABLES.slice(1)]
  const [, , MEDIA_TASKS] = TABLES
  const without = (...names) => ({
    ...MEDIA_TASKS,
    columns: MEDIA_TASKS.columns.filter((column) => !names.includes(column)),
  })
  const withMediaTasks = (table) => [...TABLES.slice(0, 2), table]
  const error = (code) => ({ code, message: `the message of ${code}` })
  const failed = (facts) => ({ ...FACTS, ...facts })

  test.each([
    ['SQLite', onSqlite(), []],
    ['PostgreSQL', onPostgres(), []],
    ['MySQL', onMysql(), []],
    ['MySQL at an offset of zero', onMysql({ timeZone: '+00:00' }), []],
    ['MySQL in another time zone', onMysql({ timeZone: 'CST' }), ['time zone warning']],
    ['MySQL at an offset', onMysql({ timeZone: '+08:00' }), ['time zone warning']],
    ['a rollback journal', onSqlite({ journalMode: 'delete' }), ['journal warning']],
    ['memory', onSqlite({ journalMode: 'memory' }), ['journal warning']],
    ["the system's locks", onSqlite({ locking: 'system' }), ['locking warning']],
    ["Windows' locks", onSqlite({ locking: 'system' }, { operatingSystem: 'win32' }), []],
    ['an old client', onSqlite({}, { sqliteClient: '0.15.15' }), ['busy timeout warning']],
    ['a new client', onSqlite({}, { sqliteClient: '0.17.4' }), []],
    ['a newer client', onSqlite({}, { sqliteClient: '1.0.0-rc.1' }), []],
    ['no index on user_id', onSqlite({ tables: withIndexes(TABLES[0].indexes[1]) }), ['indexes warning']],
    [
      'a transactionNo that is not unique',
      onPostgres({
        tables: withIndexes(TABLES[0].indexes[0], { columns: ['transaction_no'], unique: false }),
      }),
      ['indexes warning'],
    ],
    [
      'a server that does not wait for its disk',
      onPostgres({ durability: { fsync: false, fullPageWrites: true, synchronousCommit: 'on' } }),
      ['durability warning'],
    ],
    [
      'a server that writes parts of pages',
      onPostgres({ durability: { fsync: true, fullPageWrites: false, synchronousCommit: 'on' } }),
      ['durability warning'],
    ],
    ['no encryption', onPostgres({ encrypted: false }), ['encryption warning']],
    [
      'no encryption, on this machine',
      onPostgres({ encrypted: false }, { database: { place: 'postgres://127.0.0.1:5432/app', source: 'x' } }),
      [],
    ],
    ['a server that is far away', onPostgres({}, { roundTripMs: 80 }), ['connection warning']],
    [
      'an ai_task that does not fit',
      onSqlite({
        tables: [...TABLES, { name: 'ai_task', columns: ['id'], indexes: [{ columns: ['user_id'] }] }],
      }),
      ['AI tasks warning'],
    ],
    ['no table of tasks', onPostgres({ tables: TABLES.slice(0, 2) }), []],
    ['no free trials', onSqlite({ tables: withMediaTasks(without('is_free_trial')) }), []],
    [
      'media tasks that can not be charged',
      onPostgres({ tables: withMediaTasks(without('credit_id', 'is_free_trial')) }),
      ['media tasks warning'],
    ],
    [
      'media tasks without a status',
      onSqlite(
        { tables: withMediaTasks(without('status')) },
        { taskErrors: { mediaTasks: error('SCHEMA_MISMATCH') } },
      ),
      ['media tasks warning'],
    ],
    ['connections', onPostgres({}, { connections: { most: 10, source: 'the default' } }), []],
    ['no server', failed({ connectError: error('DATABASE_UNAVAILABLE') }), ['connection problem']],
    ['no table', failed({ connectError: error('SCHEMA_MISMATCH') }), ['schema problem']],
    ['two units', failed({ connectError: error('TIMESTAMP_UNIT_UNCLEAR') }), ['timestamps problem']],
    ['no column', onPostgres({}, { schemaError: error('SCHEMA_MISMATCH') }), ['schema problem']],
    ['no binary', failed({ loadError: error('NONE') }), ['binary problem']],
  ])('judges %s', (_, facts, expected) => {
    const found = checks(facts)
    const wrong = found.filter(({ status }) => status !== 'ok')
    expect(wrong.map(({ name, status }) => `${name} ${status}`)).toEqual(expected)
    for (const { message } of found) expect(message).not.toMatch(/undefined|null|NaN/)
  })
})
