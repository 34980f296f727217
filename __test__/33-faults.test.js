'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { TestDatabase, task, useDisk } = require('./helpers/database')
const { mount, resize, unmount } = require('./helpers/disk')
const { violations } = require('./helpers/invariants')
const { evaluate, start } = require('./helpers/processes')
const { Store } = require('./helpers/sqlite')

useDisk()

const CONSUME = { userId: 'u', credits: 1 }

test('a file that another process has locked is DATABASE_BUSY, and works when it lets go', async () => {
  const database = await TestDatabase.fresh({ busyTimeoutMs: 50 })
  await database.user('u', 100)
  const held = new Promise((resolve) => {
    const { child, ended } = start('locker.js', [database.file], () => resolve({ child, ended }))
  })
  const { child, ended } = await held
  await expect(database.credits.consumeCredits(CONSUME)).rejects.toMatchObject({
    code: 'DATABASE_BUSY',
    retryable: true,
  })
  expect(await database.credits.getRemainingCredits('u')).toBe(100)
  child.kill('SIGKILL')
  await ended
  await database.credits.consumeCredits(CONSUME)
  expect(await database.credits.getRemainingCredits('u')).toBe(99)
  expect(await violations(database)).toEqual([])
})

test.each([
  [
    'a text',
    'Not a database, but long enough to have a header of a hundred bytes, which SQLite looks at first of all.',
  ],
  [
    'a torn header',
    Buffer.concat([
      fs.readFileSync(require.resolve('../fixtures/shipany.sqlite')).subarray(0, 50),
      Buffer.alloc(4000, 7),
    ]),
  ],
])('%s is no database', async (_, content) => {
  const database = await TestDatabase.none()
  fs.writeFileSync(database.file, content)
  const error = await database.credits.consumeCredits(CONSUME).catch((error) => error)
  expect(error).toMatchObject({
    code: 'DATABASE_ERROR',
    databaseCode: expect.stringMatching(/^SQLITE_(NOTADB|CORRUPT)/),
    retryable: false,
  })
  expect(fs.readFileSync(database.file)).toEqual(Buffer.from(content))
})

test('a folder where the file should be', async () => {
  const database = await TestDatabase.none()
  fs.mkdirSync(database.file)
  const error = await database.credits.consumeCredits(CONSUME).catch((error) => error)
  expect(error).toMatchObject({
    code: 'DATABASE_ERROR',
    databaseCode: expect.stringMatching(/^SQLITE_CANTOPEN/),
  })
})

test('a folder that is not there is named', async () => {
  const database = await TestDatabase.none()
  fs.rmdirSync(database.folder)
  const error = await database.credits.consumeCredits(CONSUME).catch((error) => error)
  expect(error.code).toBe('INVALID_URL')
  expect(error.message).toContain(`there is no folder ${fs.realpathSync(path.dirname(database.folder))}`)
})

describe('a user who may not write', () => {
  const root = process.getuid() === 0
  // Root may write everything, so it becomes somebody else.
  const source = `${root ? 'process.setgid(65534); process.setuid(65534);' : ''}
    (async () => {
      console.log(await credits.getRemainingCredits('u'))
      const error = await credits.consumeCredits({ userId: 'u', credits: 1 }).catch((error) => error)
      console.log(error.code, error.databaseCode, error.retryable)
    })()`

  test.each([
    ['a read-only file', 0o755],
    ['a read-only file in a read-only folder', 0o555],
  ])('%s can be read, and writing says so', async (_, mode) => {
    // In rollback mode, as libSQL leaves a file.
    const database = await TestDatabase.fixture()
    await database.run(
      "INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')",
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status)
       VALUES ('g', 'u', '1', 'grant', 100, 100, 'active')`,
    )
    fs.chmodSync(database.file, 0o444)
    fs.chmodSync(database.folder, mode)
    const { out } = await evaluate(source, { DATABASE_URL: database.url })
    expect(out).toMatch(/^100\nDATABASE_ERROR SQLITE_(READONLY|CANTOPEN)[ 0-9]* (true|false)$/)
    fs.chmodSync(database.folder, 0o755)
    expect(
      await database.sql('SELECT COUNT(*) AS charges FROM credit WHERE user_id = ? AND credits < 0', 'u'),
    ).toEqual([{ charges: 0 }])
  })
})

describe('a full disk', () => {
  // A file system of its own that is too small. Only root can make one.
  const mounts = (folder) => {
    try {
      mount('size=400k', folder)
      return true
    } catch {
      return false
    }
  }
  const folder = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'media-credits-full-'))
  const mounted = mounts(folder)
  afterAll(() => {
    if (mounted) unmount(folder)
    fs.rmdirSync(folder)
  })

  ;(mounted ? test : test.skip)(
    'rejects what has no room, keeps what was acknowledged, and goes on',
    async () => {
      const store = new Store(folder)
      // What it is in can't be removed before it is unmounted.
      store.remove = async () => {}
      const database = new TestDatabase(store)
      const { credits } = database
      await credits.createTables()
      await database.user('u', 1000)
      const subtitleRaw = 'x'.repeat(20_000)
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, at) =>
          credits.createMediaTask(task(`t${at}`, 'u', { subtitleRaw }), 1),
        ),
      )
      const refused = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => reason)
      expect(refused.length).toBeGreaterThan(0)
      for (const error of refused) {
        expect(error).toMatchObject({
          code: 'DATABASE_ERROR',
          databaseCode: expect.stringMatching(/^SQLITE_(FULL|IOERR)/),
          retryable: true,
        })
      }
      resize('8m', folder)
      await credits.createMediaTask(task('after', 'u', { subtitleRaw }), 1)
      const done = outcomes.length - refused.length + 1
      expect(await credits.getRemainingCredits('u')).toBe(1000 - done)
      expect(await database.sql('SELECT COUNT(*) AS tasks FROM media_tasks')).toEqual([{ tasks: done }])
      expect(await violations(database)).toEqual([])
    },
  )
})
