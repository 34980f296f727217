'use strict'

const Database = require('libsql')
const { Kysely, SqliteAdapter, SqliteDialect } = require('kysely')
const { TestDatabase, task } = require('../helpers/database')
const { staysSound, writingNothing } = require('../helpers/calls')
const { refuseRows } = require('../helpers/triggers')
const { within } = require('../..')

// The app's transaction with clients of SQLite that differ: in the statements that they run, their errors, their names.

let database, client

staysSound()

beforeEach(async () => {
  database = await TestDatabase.fresh()
  await database.user('u', 100)
  client = new Database(database.file, { timeout: 10_000 })
})

afterEach(() => client.close())

const charge = { userId: 'u', credits: 10 }
const errorOf = (call) => call.catch((error) => error)

/** The statement as better-sqlite3 has it. */
const onlyWithRows = (statement) => ({
  reader: statement.reader,
  run: () => statement.run(),
  all() {
    if (!statement.reader) throw new TypeError('This statement does not return data. Use run() instead')
    return statement.all()
  },
})

/** Runs `work` in a transaction with this query, and commits it. */
async function committed(query, work) {
  client.exec('BEGIN IMMEDIATE')
  try {
    return await work(within({ dialect: 'sqlite', query }))
  } finally {
    client.exec('COMMIT')
  }
}

describe('a client that runs only statements with rows, like all() of better-sqlite3', () => {
  /** Such a client can neither begin a transaction nor set a savepoint. */
  const query = async (sql) => onlyWithRows(client.prepare(sql)).all()
  const refusal = {
    code: 'DATABASE_ERROR',
    databaseCode: 'CLIENT',
    message: expect.stringMatching(/SAVEPOINT.*does not return data.*docs\/transactions\.md/),
  }

  test('is refused, because a call that fails half-way could be committed', async () => {
    await refuseRows(database, { table: 'media_tasks', condition: "NEW.title = 'bad'", message: 'no' })
    const bad = () =>
      committed(query, (credits) => errorOf(credits.createMediaTask(task('t', 'u', { title: 'bad' }), 10)))
    expect(await writingNothing(database, bad)).toMatchObject(refusal)
  })

  test('is refused outside a transaction', async () => {
    const outside = () => errorOf(within({ dialect: 'sqlite', query }).consumeCredits(charge))
    expect(await writingNothing(database, outside)).toMatchObject(refusal)
  })
})

describe('the query that a synchronous client is advised to pass', () => {
  const advised = (database) => {
    let advice
    try {
      within(database)
    } catch ({ message }) {
      advice = /query: (.*) }, and COMMIT it/.exec(message)[1]
    }
    return new Function('client', `return ${advice}`)(database)
  }

  test.each([
    ['has reader', onlyWithRows],
    ['has no reader, like those of Node', (statement) => ({ all: () => statement.all() })],
  ])('charges if a statement %s', async (_, prepared) => {
    const prepare = (sql) => prepared(client.prepare(sql))
    const query = advised({ prepare, exec: () => {} })
    await committed(query, (credits) => credits.consumeCredits(charge))
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })
})

describe('an error of node:sqlite, which has only the number of the result', () => {
  /** Has the errors of another client as `node:sqlite` has them. */
  const query = async (sql) => {
    try {
      return client.prepare(sql).all()
    } catch ({ message, rawCode }) {
      throw Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode: rawCode, errstr: message })
    }
  }

  test('is retryable after another connection wrote, with the advice to begin as a writer', async () => {
    client.exec('BEGIN')
    client.prepare('SELECT * FROM credit').all()
    await database.credits.consumeCredits(charge)
    const late = () => errorOf(within({ dialect: 'sqlite', query }).consumeCredits(charge))
    expect(await writingNothing(database, late)).toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
      message: expect.stringContaining('BEGIN IMMEDIATE'),
    })
    client.exec('ROLLBACK')
  })

  test('names the result', async () => {
    await refuseRows(database, { table: 'media_tasks', condition: "NEW.title = 'bad'", message: 'no' })
    const bad = () =>
      committed(query, (credits) => errorOf(credits.createMediaTask(task('t', 'u', { title: 'bad' }), 10)))
    expect(await writingNothing(database, bad)).toMatchObject({
      code: 'DATABASE_ERROR',
      databaseCode: 'SQLITE_CONSTRAINT 1811',
    })
  })
})

describe('Kysely in a bundle', () => {
  const { name } = SqliteAdapter

  beforeEach(() => Object.defineProperty(SqliteAdapter, 'name', { value: 'e' }))
  afterEach(() => Object.defineProperty(SqliteAdapter, 'name', { value: name }))

  test('is found under other names of its classes', async () => {
    const kysely = new Kysely({ dialect: new SqliteDialect({ database: client }) })
    await kysely.transaction().execute((tx) => within(tx).consumeCredits(charge))
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })
})
