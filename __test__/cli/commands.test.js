'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { version } = require('../../package.json')
const { NO_FINDINGS, cli, cliOn, findingsOf, folder } = require('../helpers/cli')
const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { STORAGE, byStorage, sqlite } = require('../helpers/storage')

TestDatabase.reuse()

const COMMANDS = [
  'doctor',
  'audit',
  'repair',
  'balance',
  'statement',
  'grant',
  'grants',
  'expiring',
  'stuck',
  'init',
  'build',
]

/** A user who was refunded twice, so that the grant holds more than was granted. */
async function damage(database, userId = 'u', remaining = 130) {
  await database.user(userId, 100)
  await database.credits.refundCredits((await database.credits.consumeCredits({ userId, credits: 30 })).id)
  await database.sql(
    'UPDATE credit SET remaining_credits = ? WHERE credits > 0 AND user_id = ?',
    remaining,
    userId,
  )
}

// Without a database, once.
sqlite.describe('the command line prints', () => {
  test('its version, and help that names each command', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, signal: null, out: version, errors: '' })
    const { code, out, errors } = await cli(['--help'])
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(out).toContain('Exit codes:')
  })

  test.each(COMMANDS)('%s --help has an example, and opens no database', async (name) => {
    const { code, out, errors } = await cli([name, '--help'])
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(out).toMatch(new RegExp(`Examples?:\n  \\$ npx media-credits ${name}`))
  })

  test('its help as an error without a command', async () => {
    const { code, out, errors } = await cli([])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(errors).toContain('Usage: media-credits')
  })
})

sqlite.describe('an invalid command line', () => {
  test.each([[['balance', 'u', `--${'x'.repeat(50_000)}`]], [['audit', '--limit', 'a b '.repeat(10_000)]]])(
    'is not repeated in the message at any length',
    async (words) => {
      const { code, errors } = await cli(words)
      expect(code).toBe(2)
      expect(errors.length).toBeLessThan(600)
    },
  )

  test.each([
    [['nope'], "unknown command 'nope'"],
    [['audti'], 'Did you mean audit?'],
    [['balance'], "missing required argument 'user'"],
    [['balance', 'u', 'v'], 'too many arguments'],
    [['balance', 'u', '--jsn'], "unknown option '--jsn'"],
    [['audit', '--limit', '0'], 'a whole number from 1 to 1,000,000'],
    [['audit', '--limit', '1e3'], 'a whole number'],
    [['grant', 'u'], "missing required argument 'credits'"],
    [['grant', 'u', '-5'], 'a whole number from 1 to 2,147,483,647'],
    [['grant', 'u', '1.5'], 'a whole number'],
    [['grant', 'u', '2147483648'], 'a whole number'],
    [['grant', 'u', '5', '--expires', '2026-02-30'], 'a day (2026-12-31)'],
    [['grant', 'u', '5', '--expires', '2020-01-01'], 'in the past'],
    [['stuck', '--older-than', '30'], 'a duration such as'],
    [['stuck', '--older-than', '0m'], 'a duration such as'],
    [['stuck', '--fail'], '--fail needs --older-than'],
    [['stuck', '--message', 'x'], '--message is for --fail'],
    [['stuck', '--fail', '--older-than', '1h', '--ai', '--message', 'x'], 'AI tasks have no error message'],
    [['expiring', '--within', '3'], 'a duration such as'],
    [['expiring', '--at-least', '0'], 'a whole number from 1'],
    [['statement', 'u', '--from', 'yesterday'], 'a time ago (30d)'],
    [['init', 'a.db', '--url', 'b.db'], 'given twice'],
    [['build', 'x'], 'too many arguments'],
  ])('is refused in a sentence: %j', async (args, sentence) => {
    const { code, out, errors } = await cli(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(errors).toMatch(/^media-credits: /)
    expect(errors).toContain(sentence)
    expect(errors).not.toContain('    at ')
  })
})

test('has the same exit code if the library refuses it', async () => {
  const database = await TestDatabase.fresh()
  const { code, errors } = await cliOn(database, 'balance', '')
  expect(code).toBe(2)
  expect(errors).toContain('must be')
})

describe('the command line’s database', () => {
  test('is an error if it does not exist, and with --json a document on stderr', async () => {
    const url = byStorage({
      sqlite: 'file:none.db',
      postgres: 'postgres://app:x@127.0.0.1:1/app',
      mysql: 'mysql://app:x@127.0.0.1:1/app',
    })
    const missing = byStorage({ sqlite: 'SCHEMA_MISMATCH', postgres: 'DATABASE_UNAVAILABLE' })
    for (const args of [['audit'], ['stuck'], ['balance', 'u'], ['grant', 'u', '5']]) {
      const said = await cli([...args, '--url', url])
      expect({ code: said.code, out: said.out }).toEqual({ code: 3, out: '' })
      const { code, out, errors } = await cli([...args, '--url', url, '--json'])
      expect({ code, out }).toEqual({ code: 3, out: '' })
      expect(JSON.parse(errors)).toEqual({
        error: { code: missing, message: expect.any(String), retryable: missing === 'DATABASE_UNAVAILABLE' },
      })
    }
    expect(fs.existsSync(path.join(folder, 'none.db'))).toBe(false)
  })

  sqlite.test('keeps its journal mode', async () => {
    const database = await TestDatabase.fixture({ journalMode: 'keep' })
    await database.sql('PRAGMA journal_mode = DELETE')
    expect((await cliOn(database, 'audit')).code).toBe(1)
    const { json } = await cliOn(database, 'doctor', '--json')
    expect(json.diagnostics.journalMode).toBe('delete')
    expect(json.checks).toContainEqual(expect.objectContaining({ name: 'journal', status: 'warning' }))
  })
})

describe('doctor', () => {
  test('finds no problem in the tables of createTables', async () => {
    const database = await TestDatabase.fresh()
    const { code, out, errors } = await cliOn(database, 'doctor')
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(out).toContain(NO_FINDINGS)
    expect(out).toMatch(/✓ ok +indexes +all indexes that the statements use exist/)
  })

  test('prints the same as a document with --json', async () => {
    const database = await TestDatabase.fixture()
    // The first call turns the write-ahead log on.
    await database.credits.getDiagnostics()
    const { json } = await cliOn(database, 'doctor', '--json')
    expect(json).toMatchObject({
      ok: true,
      versions: { package: version, node: process.versions.node, platform: expect.any(String) },
      database: { source: 'DATABASE_URL of the environment' },
      diagnostics: { storage: STORAGE },
    })
    expect(findingsOf(json)).toEqual([])
  })

  test('warns of a missing index, with the statement that makes it', async () => {
    const database = await TestDatabase.fresh()
    const drop = byStorage({
      sqlite: (_, index) => `DROP INDEX ${index}`,
      postgres: (_, index) => `DROP INDEX ${index}`,
      // A foreign key needs it.
      mysql: (table, index) =>
        `ALTER TABLE ${table} DROP FOREIGN KEY ${table}_user_id_user_id_fk, DROP INDEX ${index}`,
    })
    await database.run(
      drop('credit', 'idx_credit_consume_fifo'),
      drop('media_tasks', 'idx_media_task_user_status'),
    )
    const { code, json } = await cliOn(database, 'doctor', '--json')
    expect(code).toBe(0)
    const missing = json.checks.filter(({ name, status }) => name === 'indexes' && status === 'warning')
    expect(missing.map(({ message }) => message.match(/^\w+ has no index on \w+/)[0])).toEqual([
      'credit has no index on user_id',
      'media_tasks has no index on user_id',
    ])
    const statements = missing.map(({ message }) => message.match(/CREATE .*;/)[0])
    const how = byStorage({
      sqlite: / INDEX \w+ ON \w+ /,
      postgres: / INDEX CONCURRENTLY \w+ ON "public"\.\w+ /,
      mysql: / INDEX \w+ ON \w+ /,
    })
    for (const statement of statements) {
      expect(statement).toMatch(how)
      await database.run(statement)
    }
    expect((await cliOn(database, 'doctor')).out).toContain(NO_FINDINGS)
  })

  test('reports a table that does not fit as a problem', async () => {
    const database = await TestDatabase.fresh()
    await database.sql('ALTER TABLE credit DROP COLUMN metadata')
    const { code, out } = await cliOn(database, 'doctor')
    expect(code).toBe(1)
    expect(out).toMatch(/✗ problem +schema +.* column credit\.metadata is missing/)
    expect(out).toContain('1 problem, 0 warnings.')
  })

  test('reports a missing table as a problem', async () => {
    const database = await TestDatabase.none()
    const { code, json } = await cliOn(database, 'doctor', '--json')
    expect(code).toBe(1)
    expect(json).toMatchObject({ ok: false })
    expect(json.checks.at(-1)).toMatchObject({ name: expect.stringMatching(/schema/), status: 'problem' })
  })

  sqlite.test("checks the app's own client", async () => {
    const database = await TestDatabase.fresh()
    const modules = path.join(database.folder, 'node_modules/@libsql/client')
    fs.mkdirSync(modules, { recursive: true })
    for (const [version, status] of [
      ['0.15.15', 'warning'],
      ['0.17.4', 'ok'],
    ]) {
      fs.writeFileSync(path.join(modules, 'package.json'), JSON.stringify({ version }))
      const { out } = await cli(['doctor', '--json', '--url', database.url], { cwd: database.folder })
      const check = JSON.parse(out).checks.find(({ name }) => name === 'busy timeout')
      expect(check).toMatchObject({ status, message: expect.stringContaining(version) })
    }
  })
})

describe('audit', () => {
  test('finds nothing in an intact ledger', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    const found = await cliOn(database, 'audit')
    expect(found).toEqual({
      code: 0,
      signal: null,
      out: 'Nothing was found; 1 user and 2 rows were read.',
      errors: '',
    })
    expect(await cliOn(database, 'audit', '--json')).toEqual({ ...found, out: '' })
  })

  test('lists the findings of a damaged ledger, with a summary', async () => {
    const database = await TestDatabase.fresh()
    for (const id of ['u', 'v']) await damage(database, id)
    const { code, out, errors } = await cliOn(database, 'audit')
    expect({ code, errors }).toEqual({ code: 1, errors: '' })
    expect(out).toMatch(/^grant-out-of-range +u +grant \S+ has 130 credits left of 100$/m)
    expect(out).toMatch(/^ +2 {2}grant-out-of-range$/m)
    expect(out).toMatch(/^\d findings; 2 users and 4 rows were read\.$/m)
    const one = await cliOn(database, 'audit', '--user', 'v', '--limit', '1')
    expect(one.code).toBe(1)
    expect(one.out).toMatch(/\n1 finding; .*, and then it stopped \(--limit\)\.$/)
    expect(one.out).not.toMatch(/^\S+ +u /m)
  })

  test('prints a document on a line for each finding with --json', async () => {
    const database = await TestDatabase.fixture()
    await damage(database)
    const { code, out } = await cli(['audit', '--json', '--user', 'u'], {
      env: { DATABASE_URL: database.url },
    })
    expect(code).toBe(1)
    const found = out.split('\n').map((line) => JSON.parse(line))
    const listed = []
    for await (const finding of database.credits.auditLedger({ userId: 'u' })) listed.push(finding)
    expect(found).toEqual(JSON.parse(JSON.stringify(listed)))
    expect(found.length).toBeGreaterThan(0)
  })
})

describe('repair', () => {
  test('shows the changes, and makes them with --apply', async () => {
    const database = await TestDatabase.fresh()
    for (const id of ['u', 'v']) await damage(database, id)
    const before = await database.everything()
    const shown = await cliOn(database, 'repair')
    expect(shown.code).toBe(1)
    expect(shown.out).toMatch(/^u +credit \S+ +remainingCredits +130 +100 +\S/m)
    expect(shown.out).toMatch(/^2 changes, not written: --apply writes them\.$/m)
    const { code, json } = await cliOn(database, 'repair', '--user', 'u', '--json')
    const changes = [{ kind: 'refunded-more-than-once', userId: 'u', before: 130, after: 100 }]
    expect({ code, json }).toMatchObject({ code: 1, json: { applied: false, changes } })
    expect(await database.everything()).toEqual(before)
    const done = await cliOn(database, 'repair', '--apply')
    expect(done.code).toBe(0)
    expect(done.out).toMatch(/^2 changes written\.$/m)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
    const again = await cliOn(database, 'repair', '--apply')
    expect(again).toMatchObject({ code: 0, out: 'There is nothing to repair.' })
    expect((await cliOn(database, 'audit')).code).toBe(0)
  })
})

describe('expiring', () => {
  test('lists users whose credits expire soon, and prints a document with --json', async () => {
    const database = await TestDatabase.fresh()
    const soon = new Date(Math.floor(Date.now() / 1000) * 1000 + 2 * DAY_MS)
    await database.user('u', { credits: 1200, expiresAt: soon }, { credits: 9, expiresAt: soon })
    await database.user('v', { credits: 3, expiresAt: soon }, 50)
    const { code, out } = await cliOn(database, 'expiring')
    expect(code).toBe(0)
    expect(out).toMatch(/^u +1,209 +2 +\d{4}-\d\d-\d\d/m)
    expect(out).toMatch(/^v +3 +1 +/m)
    expect(out).toContain('2 users, 1,212 credits.')
    const { json } = await cliOn(database, 'expiring', '--within', '3d', '--at-least', '4', '--json')
    const expiresAt = soon.toISOString()
    expect(json).toEqual({ users: [{ userId: 'u', credits: 1209, grants: 2, expiresAt }] })
    expect((await cliOn(database, 'expiring', '--within', '1d')).out).toContain('0 users, 0 credits.')
    expect((await cliOn(database, 'expiring', '--limit', '1')).out).toContain('1 user or more')
  })
})

describe('balance and statement show', () => {
  test('what a user can spend, grant by grant', async () => {
    const database = await TestDatabase.fresh()
    const expiresAt = new Date('2037-01-01T00:00:00Z')
    await database.user('u', { credits: 1500, expiresAt, transactionNo: 'n1' })
    await database.credits.consumeCredits({ userId: 'u', credits: 40 })
    const { code, out } = await cliOn(database, 'balance', 'u')
    expect(code).toBe(0)
    expect(out).toContain(
      'u can spend 1,460 credits.\nNext, 1,460 of them expire at 2037-01-01 00:00:00 UTC.',
    )
    expect(out).toMatch(/^1,460 +1,500 +2037-01-01 00:00:00 +\S+ +n1$/m)
    const { json } = await cliOn(database, 'balance', 'u', '--json')
    const balance = await database.credits.getBalance('u')
    expect(json).toEqual(JSON.parse(JSON.stringify({ userId: 'u', ...balance })))
  })

  test('the newest entries of a statement, or all', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await database.credits.updateMediaTaskById('t', { status: 'failed' })
    const all = await cliOn(database, 'statement', 'u')
    expect(all.code).toBe(0)
    expect(all.out).toMatch(/^The balance before was 0\.$/m)
    expect(all.out).toMatch(/^[-\d]+ [:\d]+ +charge +-10 +90 .*media task t$/m)
    expect(all.out).toMatch(/^[-\d]+ [:\d]+ +refund +\+10 +100 /m)
    const { json } = await cliOn(database, 'statement', 'u', '--json', '--limit', '2')
    const entries = [{ type: 'charge' }, { type: 'refund', at: expect.any(String) }]
    expect(json).toMatchObject({ userId: 'u', openingBalance: 100, earlier: 1, entries })
    const some = await cliOn(database, 'statement', 'u', '--limit', '2')
    expect(some.out).toMatch(/^The balance before was 100\. 1 entry earlier: --limit or --all\.$/m)
    const later = await cliOn(database, 'statement', 'u', '--from', '2037-01-01')
    expect(later.out).toBe('No entries. The balance before was 100.')
  })

  test('each page with --all', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 2000)
    const items = Array.from({ length: 500 }, () => ({ userId: 'u', credits: 1 }))
    for (const _ of [1, 2]) await database.credits.consumeCreditsBatch(items, { atomic: true })
    await database.credits.consumeCredits({ userId: 'u', credits: 1 })
    const { json } = await cliOn(database, 'statement', 'u', '--all', '--json')
    expect(json.entries).toHaveLength(1002)
    expect(json).toMatchObject({ earlier: 0, openingBalance: 0 })
    expect(json.entries.at(-1).balance).toBe(999)
  })

  test('nothing for an unknown user', async () => {
    const database = await TestDatabase.fresh()
    for (const name of ['balance', 'statement']) {
      const { code, out } = await cliOn(database, name, 'nobody')
      expect(code).toBe(0)
      expect(out).toMatch(/^This user has no grants and no charges/m)
    }
  })

  test('text of the database without control sequences for a terminal', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', { credits: 5, description: 'a\u001b[2J\u001b]0;x\u0007\nb\u202e' })
    const { out } = await cliOn(database, 'statement', 'u')
    expect(out).not.toMatch(/[\u001b\u0007\u202e]/)
    expect(out).toMatch(/ a.*b$/m)
  })
})

describe('grant', () => {
  test('grants credits with the given fields', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const described = ['--description', 'sorry', '--expires', '2037-12-31']
    const { code, out } = await cliOn(database, 'grant', 'u', 100, ...described)
    expect(code).toBe(0)
    expect(out).toMatch(
      /^u has got 100 credits until 2037-12-31 23:59:59 UTC\.\ngrant \S+, transaction no \d+$/,
    )
    const [grant] = await database.credits.getCredits({ userId: 'u' })
    expect(grant).toMatchObject({
      credits: 100,
      remainingCredits: 100,
      description: 'sorry',
      transactionScene: 'gift',
      expiresAt: new Date('2037-12-31T23:59:59.999Z'),
    })
  })

  test('can be repeated with its transactionNo, which another grant can not use', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const args = ['--transaction-no', 'n1', '--expires', '30d']
    const first = await cliOn(database, 'grant', 'u', 100, ...args, '--json')
    expect(first).toMatchObject({ code: 0, json: { transactionNo: 'n1', replayed: false } })
    const inDays = (Date.parse(first.json.expiresAt) - Date.now()) / DAY_MS
    expect(inDays).toBeGreaterThan(29.9)
    expect(inDays).toBeLessThanOrEqual(30)
    const again = await cliOn(database, 'grant', 'u', 100, ...args, '--json')
    expect(again).toMatchObject({ code: 0, json: { id: first.json.id, replayed: true } })
    const said = await cliOn(database, 'grant', 'u', 100, ...args)
    expect(said.out).toMatch(/^u had got 100 credits until .* already: nothing was written\./)
    const other = await cliOn(database, 'grant', 'u', 101, ...args)
    expect(other).toMatchObject({
      code: 3,
      out: '',
      errors: expect.stringContaining('is taken by another call'),
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test('refuses an unknown user', async () => {
    const database = await TestDatabase.fresh()
    const { code, out, errors } = await cliOn(database, 'grant', 'nobody', 5)
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(errors).toMatch(/^media-credits: there is no user "nobody"/)
  })
})
