'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { TestDatabase, task, useDisk } = require('../helpers/database')
const { NO_DISK, emptyFolder, makeReadOnly, mount, resize, unmount } = require('../helpers/disk')
const { violations } = require('../helpers/invariants')
const { evaluate, start } = require('../helpers/processes')
const { Store } = require('../helpers/sqlite')

useDisk()

const testWithDisk = NO_DISK ? test.skip : test

/** A folder on a separate file system, until all tests are done. */
function onDisk(options) {
  const folder = emptyFolder()
  mount(options, folder)
  disks.push(folder)
  return folder
}
const disks = []
afterAll(() => {
  for (const folder of disks) {
    unmount(folder)
    fs.rmdirSync(folder)
  }
})

/** A mounted folder can't be removed before it is unmounted. */
const mountedStore = (folder) => Object.assign(new Store(folder), { remove: async () => {} })

const CONSUME = { userId: 'u', credits: 1 }

test('a file that another process has locked is DATABASE_BUSY, and works after it is unlocked', async () => {
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

test('a folder in place of the file is refused', async () => {
  const database = await TestDatabase.none()
  fs.mkdirSync(database.file)
  const error = await database.credits.consumeCredits(CONSUME).catch((error) => error)
  expect(error).toMatchObject({
    code: 'DATABASE_ERROR',
    databaseCode: expect.stringMatching(/^SQLITE_CANTOPEN/),
  })
})

test('a folder that does not exist is named in the error', async () => {
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
  const MAKE_TABLE = "credits.createTables({ tables: ['ai_task'] })"
  const REMEDY = 'give the folder and all files in it to the user that the app runs as'
  const refuses = (place) =>
    expect.stringMatching(
      `^DATABASE_ERROR SQLITE_(READONLY|CANTOPEN) false .*: this process may not write to ${place}; ${REMEDY}`,
    )

  /** In rollback mode, as libSQL leaves a file. A table is missing. */
  async function withBalance() {
    const database = await TestDatabase.fixture()
    await database.run(
      'DROP TABLE ai_task',
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
    expect(await attempt(database, MAKE_TABLE)).toEqual(refuses(place))
    fs.chmodSync(database.folder, 0o755)
    expect(
      await database.sql('SELECT COUNT(*) AS charges FROM credit WHERE user_id = ? AND credits < 0', 'u'),
    ).toEqual([{ charges: 0 }])
  })

  test('gets an error of each call that names the folder of a file with a write-ahead log', async () => {
    const database = await withBalance()
    await database.run('PRAGMA journal_mode = WAL')
    const folder = fs.realpathSync(database.folder)
    fs.chmodSync(database.file, 0o666)
    fs.chmodSync(database.folder, 0o555)
    for (const call of [READ, WRITE]) expect(await attempt(database, call)).toEqual(refuses(folder))
    fs.chmodSync(database.folder, 0o777)
    expect(await attempt(database, READ)).toBe('100')
  })

  test('gets an error of createTables that names the folder', async () => {
    const database = await TestDatabase.none()
    fs.chmodSync(database.folder, 0o555)
    expect(await attempt(database, 'credits.createTables()')).toEqual(
      refuses(fs.realpathSync(database.folder)),
    )
    fs.chmodSync(database.folder, 0o755)
  })

  testWithDisk(`a read-only file system is named${NO_DISK}`, async () => {
    const source = await withBalance()
    const folder = onDisk('size=4m,mode=777')
    const database = new TestDatabase(mountedStore(folder))
    fs.copyFileSync(source.file, database.file)
    makeReadOnly(folder)
    expect(await attempt(database, READ)).toBe('100')
    expect(await attempt(database, WRITE)).toMatch(/^DATABASE_ERROR SQLITE_READONLY false /)
    for (const call of [WRITE, MAKE_TABLE]) {
      const place = `${fs.realpathSync(folder)} is on a read-only file system`
      expect([call, await attempt(database, call)]).toEqual([call, expect.stringContaining(place)])
    }
  })
})

describe('a full disk', () => {
  testWithDisk(`rejects what has no room, keeps what was acknowledged, and goes on${NO_DISK}`, async () => {
    // Too small.
    const folder = onDisk('size=400k')
    const database = new TestDatabase(mountedStore(folder))
    const { credits } = database
    await credits.createTables()
    await database.user('u', 1000)
    const subtitleRaw = 'x'.repeat(20_000)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, at) => credits.createMediaTask(task(`t${at}`, 'u', { subtitleRaw }), 1)),
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
  })
})
