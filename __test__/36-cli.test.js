'use strict'

const { PassThrough } = require('node:stream')
const { text } = require('node:stream/consumers')
const args = require('../cli/arguments')
const { findDatabase, placeOf, withoutSecrets } = require('../cli/database')
const { checks } = require('../cli/doctor/checks')
const { Output, ago, isColourful, oneLine, plural, signed, table, time } = require('../cli/output')
const { Progress } = require('../cli/progress')

const DAY_MS = 86_400_000

// The parts of the command line; the whole of it is in 63-cli.test.js.
describe('words of the command line', () => {
  test.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['7d', 7 * DAY_MS],
  ])('the duration %s', (text, ms) => expect(args.duration(text)).toBe(ms))

  test.each(['', '5', 'm', '-5m', '1.5h', '0d', '5 m', '5w', '99999d', '5m\n'])('no duration: %j', (text) => {
    expect(() => args.duration(text)).toThrow('a duration such as')
  })

  test.each([
    ['2026-11-01', '2026-11-01T00:00:00.000Z', '2026-11-02T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['2026-11-01T18:00', '2026-11-01T18:00:00.000Z', '2026-11-01T18:00:00.000Z'],
    ['2026-11-01 18:00:05Z', '2026-11-01T18:00:05.000Z', '2026-11-01T18:00:05.000Z'],
    ['2026-11-01T18:00+02:00', '2026-11-01T16:00:00.000Z', '2026-11-01T16:00:00.000Z'],
  ])('the time %s: from then on, and before then', (text, from, to) => {
    expect(args.from(text).toISOString()).toBe(from)
    expect(args.to(text).toISOString()).toBe(to)
  })

  test.each(['', 'now', '2026', '2026-02-30', '2026-13-01', '2026-11-01T25:00', '11/01/2026', '1767225600'])(
    'no time: %j',
    (text) => {
      for (const read of [args.from, args.to, args.expiry]) expect(() => read(text)).toThrow('It is a day')
    },
  )

  test('a duration counts back for what was, and on for what expires', () => {
    expect(Math.abs(args.from('30d').getTime() + 30 * DAY_MS - Date.now())).toBeLessThan(60_000)
    expect(Math.abs(args.expiry('30d').getTime() - 30 * DAY_MS - Date.now())).toBeLessThan(60_000)
    expect(args.expiry('2100-12-31').toISOString()).toBe('2100-12-31T23:59:59.999Z')
    expect(() => args.expiry('2020-12-31')).toThrow('over already')
  })

  test.each(['0', '-1', '1.5', '1e2', '0x10', '', ' 1', '11', '9'.repeat(30)])(
    'no number up to 10: %j',
    (text) => {
      expect(() => args.wholeNumber(10)(text)).toThrow('a whole number from 1 to 10')
    },
  )
})

describe('where a database is, without its password', () => {
  test.each([
    ['postgres://app:secret@db.example.com/app?sslmode=require', 'postgres://db.example.com/app'],
    ['postgresql://app:secret@[::1]:5432/app', 'postgres://[::1]:5432/app'],
    ['postgres://localhost/app?user=app&password=secret', 'postgres://localhost/app'],
    ['postgres://app:a@secret@host/app', 'postgres://…'],
    ['postgres://app:1?secret@host/app', 'postgres://…'],
    ['postgres://app:1/secret@host/app', 'postgres://…'],
    ['postgres://app:1#secret@host/app', 'postgres://…'],
    ['host=h user=app password=secret', 'a database, …'],
    ['postgres:app:secret@host/app', 'a database, …'],
    ['mysql://app:secret@host/app', 'mysql://…'],
    ['file:data/local.db', 'data/local.db'],
    ['file:///srv/local.db?mode=ro', '/srv/local.db'],
    ['data/local.db', 'data/local.db'],
    ['C:\\data\\local.db', 'C:\\data\\local.db'],
    [':memory:', ':memory:'],
  ])('%s', (url, place) => expect(placeOf(url)).toBe(place))

  test('what was typed is not repeated if it may have a password in it', () => {
    const words = [
      'doctor',
      'postgres://a:secret@h/d',
      '--ulr=x:secret',
      '--limit',
      'many',
      '--from=2026-11-01T18:00Z',
    ]
    const text = `unknown ${words.join(' ')}`
    expect(withoutSecrets(text, words)).toBe('unknown doctor … --ulr=… --limit many --from=2026-11-01T18:00Z')
  })

  test('one that the command line names changes no environment', () => {
    const env = { ...process.env }
    const url = 'file:b.db'
    expect(findDatabase({ url })).toMatchObject({ options: { url }, source: 'the command line' })
    expect({ ...process.env }).toEqual(env)
  })
})

describe('output', () => {
  test.each([
    [{ isTTY: true }, {}, false, 'a terminal that can do nothing', 'dumb'],
    [{ isTTY: true }, {}, true, 'a terminal', 'xterm-256color'],
    [{ isTTY: true }, { NO_COLOR: '1' }, false, 'a terminal with NO_COLOR', 'xterm-256color'],
    [{}, {}, false, 'a pipe', 'xterm-256color'],
    [{}, { FORCE_COLOR: '1' }, true, 'a pipe with FORCE_COLOR', 'xterm-256color'],
    [{ isTTY: true }, { FORCE_COLOR: '0' }, false, 'a terminal with FORCE_COLOR=0', 'xterm-256color'],
  ])('colours: %j %j: %s', (stream, env, expected, _, TERM) => {
    expect(isColourful(stream, { TERM, ...env })).toBe(expected)
  })

  test('a table knows how wide characters are, and wraps its last column', () => {
    const columns = [{ title: 'user' }, { title: 'n', right: true }, { title: 'what' }]
    const rows = [
      ['日本', '1,200', 'a sentence that is longer than there is room'],
      ['u👍', '3', null],
    ]
    expect(table(columns, rows, 40).split('\n')).toEqual([
      'user      n  what',
      '日本  1,200  a sentence that is longer',
      '             than there is room',
      'u👍       3',
    ])
    expect(table(columns, rows).split('\n')).toHaveLength(3)
  })

  test('a word that is longer than there is room is not cut off', () => {
    const id = 'x'.repeat(60)
    expect(table([{ title: 'a' }, { title: 'b' }], [['y', id]], 50)).toContain(id)
  })

  test('text is one line without control characters', () => {
    expect(oneLine('a\u001b[31mb\u001b[0m\r\nc\u0007\u202ed\u2028')).toBe('ab c d')
  })

  test('numbers and times', () => {
    expect([signed(1500), signed(-1500), signed(0)]).toEqual(['+1,500', '-1,500', '0'])
    expect([plural(1, 'user'), plural(2, 'user'), plural(2, 'entry', 'entries')]).toEqual([
      '1 user',
      '2 users',
      '2 entries',
    ])
    expect([time(new Date(0)), time(null)]).toEqual(['1970-01-01 00:00:00', 'never'])
    expect([45_000, 600_000, 3 * 3_600_000, 9 * DAY_MS].map(ago)).toEqual(['45 s', '10 min', '3 h', '9 d'])
  })

  test('waits for a slow reader', async () => {
    const stream = new PassThrough({ highWaterMark: 4 })
    const output = new Output({ stream })
    let written = false
    const writing = output.text('more than fits').then(() => (written = true))
    await new Promise(setImmediate)
    expect(written).toBe(false)
    stream.resume()
    await writing
  })

  test('a progress bar is on terminals alone, and makes way', async () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
    const progress = new Progress('rows', stream)
    progress.update(5, 10)
    progress.update(20, 10)
    await progress.above(async () => stream.write('a finding\n'))
    progress.stop()
    const written = await text(stream.end())
    expect(written).toContain('5/10 rows')
    expect(written).toMatch(/100%.*20\/20 rows.*a finding\n.*20\/20 rows/s)
    const pipe = new PassThrough()
    const silent = new Progress('rows', pipe)
    silent.update(5, 10)
    await silent.above(async () => {})
    silent.stop()
    expect(await text(pipe.end())).toBe('')
  })
})

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
    ['a rollback journal', onSqlite({ journalMode: 'delete' }), ['journal warning']],
    ['memory', onSqlite({ journalMode: 'memory' }), ['journal warning']],
    ["the system's locks", onSqlite({ locking: 'system' }), ['locking warning']],
    ["Windows' locks", onSqlite({ locking: 'system' }, { operatingSystem: 'win32' }), []],
    ['an old client', onSqlite({}, { sqliteClient: '0.15.15' }), ['busy timeout warning']],
    ['a new client', onSqlite({}, { sqliteClient: '0.17.4' }), []],
    ['a newer one', onSqlite({}, { sqliteClient: '1.0.0-rc.1' }), []],
    ['no index on user_id', onSqlite({ tables: withIndexes(TABLES[0].indexes[1]) }), ['indexes warning']],
    [
      'a number that is not unique',
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
      'media tasks without a state',
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
  ])('%s', (_, facts, expected) => {
    const found = checks(facts)
    const wrong = found.filter(({ status }) => status !== 'ok')
    expect(wrong.map(({ name, status }) => `${name} ${status}`)).toEqual(expected)
    for (const { message } of found) expect(message).not.toMatch(/undefined|null|NaN/)
  })
})
