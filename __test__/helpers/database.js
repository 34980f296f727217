'use strict'

const { connect, MediaCreditsError } = require('../..')
const { byStorage } = require('./storage')

const storage = byStorage({
  sqlite: () => require('./sqlite'),
  postgres: () => require('./postgres'),
  libsql: () => require('./sqld'),
  mysql: () => require('./mysql'),
})()

const DAY_MS = 86_400_000

const ABOUT_ROWS = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT)\b/i

/** The columns of each table that make up the ledger. */
const LEDGER = { credit: '*', media_tasks: '*', ai_task: '*' }

/**
 * A separate database, with a connection of this package, and a way to read and write it without the package.
 *
 * Statements have `?` for an argument and `"user"` for the table, which is a keyword of PostgreSQL. A time is a `Date`
 * as an argument and epoch milliseconds in a row, a boolean is 1 or 0 in a row, on each storage.
 */
class TestDatabase {
  /** A database with the app's tables, without rows. */
  static async fresh(options) {
    const isReusable = TestDatabase.reuses && options === undefined
    if (isReusable && TestDatabase.emptied.length > 0) {
      const database = TestDatabase.emptied.pop()
      TestDatabase.open.add(database)
      return database
    }
    const database = new TestDatabase(await storage.Store.open('tables'), options)
    if (database.store.needsTables) await database.credits.createTables()
    if (isReusable) await TestDatabase.prepare(database)
    database.isReusable = isReusable
    return database
  }

  /**
   * For a file whose tests are about rows: the database of a test is emptied for the next one, with its connection
   * open, since opening takes most of such a test's time. A database in which a test has changed more than rows is not reused.
   * `prepare` changes the tables of each new one.
   */
  static reuse(prepare = async () => {}) {
    TestDatabase.reuses = true
    TestDatabase.prepare = prepare
  }

  /** A copy of a real app's database. */
  static async fixture(options) {
    return new TestDatabase(await storage.Store.open('fixture'), options)
  }

  /** A copy of a stock app's database, which has no media tasks; `empty`: only its tables. */
  static async stock({ empty = false, ...options } = {}) {
    const database = new TestDatabase(await storage.Store.open('stock'), options)
    if (empty) await database.run('DELETE FROM ai_task', 'DELETE FROM credit', 'DELETE FROM "user"')
    return database
  }

  /** A database without tables; a file that does not exist yet. */
  static async none(options) {
    return new TestDatabase(await storage.Store.open('nothing'), options)
  }

  constructor(store, options) {
    this.store = store
    this.url = store.url
    // Only on SQLite.
    this.folder = store.folder
    this.file = store.file
    this.credits = connect({ url: this.url, ...options })
    TestDatabase.open.add(this)
  }

  static open = new Set()
  static ofFile = new Set()
  static reuses = false
  static emptied = []
  /** Checks of each database after a test. */
  static checks = new Set()

  /** Keeps it for all tests of a file. */
  keep() {
    TestDatabase.open.delete(this)
    TestDatabase.ofFile.add(this)
  }

  /** For `afterEach`: checks each database of the test, and then closes and removes or empties it. */
  static async closeAll() {
    const [databases, checks] = [[...TestDatabase.open], [...TestDatabase.checks]]
    TestDatabase.open.clear()
    TestDatabase.checks.clear()
    try {
      for (const check of checks) {
        for (const database of [...databases, ...TestDatabase.ofFile]) await check(database)
      }
    } finally {
      for (const database of databases) await database.end()
    }
  }

  /** Closes the connection of this package: no other test gets this database. */
  async close() {
    this.isReusable = false
    await this.credits.close()
  }

  async end() {
    if (this.isReusable) {
      await this.store.empty()
      TestDatabase.emptied.push(this)
    } else {
      await this.credits.close()
      await this.store.remove()
    }
  }

  /** Runs one statement. */
  async sql(statement, ...args) {
    return this.run([statement, ...args])
  }

  /** Runs several statements on one connection, for instance a transaction: `sql` or `[sql, ...args]`. */
  async run(...statements) {
    const all = statements.map((one) => [one].flat())
    this.isReusable &&= all.every(([sql]) => ABOUT_ROWS.test(sql))
    return this.store.query(all.map(([sql, ...args]) => [sql, args]))
  }

  /** Each row of the ledger, for "nothing was written", or of other `columns`, by the existing tables. */
  everything(columns = LEDGER) {
    return this.store.snapshot(columns)
  }

  /** Adds a user with grants: numbers of credits, or `{ credits, expiresAt }`. */
  async user(id, ...grants) {
    const now = Date.now()
    await this.sql('INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)', id, id, `${id}@example.test`)
    for (const grant of grants) {
      const { credits, ...more } = typeof grant === 'number' ? { credits: grant } : grant
      await this.credits.createCredit({
        userId: id,
        credits,
        transactionScene: 'gift',
        expiresAt: new Date(now + 30 * DAY_MS),
        ...more,
      })
    }
    return id
  }
}

/** A task like that of the app's submit route. */
function task(id, userId, more) {
  return {
    id,
    userId,
    platform: 'youtube',
    videoUrl: `https://youtu.be/${id}`,
    outputType: 'subtitle',
    ...more,
  }
}

/** An AI task like that of the app's generate route. */
function aiTask(id, userId, more) {
  return {
    id,
    userId,
    mediaType: 'image',
    provider: 'replicate',
    model: 'flux',
    prompt: 'a cat',
    status: 'pending',
    scene: 'text-to-image',
    ...more,
  }
}

/** The error of a call that must be refused and write nothing. */
async function refusal(database, call) {
  const before = await database.everything()
  const error = await call().then(
    () => 'no error',
    (error) => error,
  )
  expect(await database.everything()).toEqual(before)
  expect(error).toBeInstanceOf(MediaCreditsError)
  return error
}

afterEach(TestDatabase.closeAll)
afterAll(async () => {
  const { emptied, ofFile } = TestDatabase
  for (const database of [...ofFile, ...emptied]) {
    database.isReusable = false
    await database.end()
  }
  await storage.end()
})

module.exports = {
  LEDGER,
  TestDatabase,
  aiTask,
  refusal,
  task,
  DAY_MS,
  useDisk: storage.Store.useDisk,
}
