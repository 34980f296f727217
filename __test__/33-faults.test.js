'use strict'

const { execFileSync } = require('node:child_process')
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
  // Root may write everything, so it becomes another user.
  const source = `${root ? 'process.setgid(65534); process.setuid(65534);' : ''}
    const said = (error) => [error.code, error.databaseCode?.split(' ')[0], error.retryable, error.message].join(' ')
    const { call } = process.env
    Promise.resolve(eval(call)).then(String, said).then(console.log)`
  const attempt = async (database, call) =>
    (await evaluate(source, { DATABASE_URL: database.url, call })).out.trim()

  const READ = "credits.getRemainingCredits('u')"
  const WRITE = "credits.consumeCredits({ userId: 'u', credits: 1 })"
  const REMEDY = 'give the folder and all files in it to the user that the app runs as'
  const refuses = (place) =>
    expect.stringMatching(
      `^DATABASE_ERROR SQLITE_(READONLY|CANTOPEN) false .*: this process may not write to ${place}; ${REMEDY}`,
    )

  /** In rollback mode, as libSQL leaves a file. */
  async function withBalance() {
    const database = await TestDatabase.fixture()
    await database.run(
      "INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')",
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status)
       VALUES ('g', 'u', '1', 'grant', 100, 100, 'active')`,
    )
    return database
  }

  test.each([
    ['a read-only file', 0o777, ({ file }) => file],
    ['a read-only file in a read-only folder', 0o555, ({ folder }) => folder],
  ])('%s can be read, and writing names it', async (_, mode, named) => {
    const database = await withBalance()
    const place = fs.realpathSync(named(database))
    fs.chmodSync(database.file, 0o444)
    fs.chmodSync(database.folder, mode)
    expect(await attempt(database, READ)).toBe('100')
    expect(await attempt(database, WRITE)).toEqual(refuses(place))
    fs.chmodSync(database.folder, 0o755)
    expect(
      await database.sql('SELECT COUNT(*) AS charges FROM credit WHERE user_id = ? AND credits < 0', 'u'),
    ).toEqual([{ charges: 0 }])
  })

  test('a file with a write-ahead log in a folder of another user names the folder, whatever is called', async () => {
    const database = await withBalance()
    await database.run('PRAGMA journal_mode = WAL')
    const folder = fs.realpathSync(database.folder)
    fs.chmodSync(database.file, 0o666)
    fs.chmodSync(database.folder, 0o555)
    for (const call of [READ, WRITE]) expect(await attempt(database, call)).toEqual(refuses(folder))
    fs.chmodSync(database.folder, 0o777)
    expect(await attempt(database, READ)).toBe('100')
  })

  test('tables in a folder of another user: the folder is named', async () => {
    const database = await TestDatabase.none()
    fs.chmodSync(database.folder, 0o555)
    expect(await attempt(database, 'credits.createTables()')).toEqual(
      refuses(fs.realpathSync(database.folder)),
    )
    fs.chmodSync(database.folder, 0o755)
  })

  // Root alone can mount.
  const withRoot = root && process.platform === 'linux' ? test : test.skip
  withRoot('a read-only file system is named', async () => {
    const database = await withBalance()
    const { folder } = database
    const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd / && exec "$1" -e "$2"'
    const code = `
      const { getRemainingCredits: read, consumeCredits: write } = require(${JSON.stringify(path.resolve('.'))})
      Promise.allSettled([read('u'), write({ userId: 'u', credits: 1 })]).then(([read, write]) =>
        console.log([read.value, write.reason.code, write.reason.retryable, write.reason.message].join(' ')))`
    const args = ['--mount', 'sh', '-c', script, folder, process.execPath, code]
    const env = { ...process.env, DATABASE_URL: database.url }
    const out = execFileSync('unshare', args, { env, encoding: 'utf8' })
    expect(out).toContain('100 DATABASE_ERROR false ')
    expect(out).toContain(`${fs.realpathSync(folder)} is on a read-only file system`)
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
