'use strict'

const { fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { connect, MediaCreditsError } = require('../..')

const FIXTURE = path.join(__dirname, '../../fixtures/shipany.sqlite')
const DAY_MS = 86_400_000

/**
 * A database file in a folder of its own, with a connection of this package and a second process that
 * reads and writes it behind our back.
 */
class TestDatabase {
  /** A file of the app's tables without rows. */
  static async fresh(options) {
    const database = new TestDatabase(options)
    await database.credits.createTables()
    return database
  }

  /** A copy of a real app's file. */
  static fixture(options) {
    const database = new TestDatabase(options)
    fs.copyFileSync(FIXTURE, database.file)
    return database
  }

  /** A file that is not there yet. */
  static none(options) {
    return new TestDatabase(options)
  }

  constructor(options) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-'))
    this.file = path.join(this.folder, 'local.db')
    this.url = `file:${this.file}`
    this.credits = connect({ url: this.url, ...options })
    TestDatabase.open.add(this)
  }

  static open = new Set()

  /** For `afterEach`: closes and removes every database of the test. */
  static async closeAll() {
    for (const database of TestDatabase.open) {
      await database.credits.close()
      fs.rmSync(database.folder, { recursive: true, force: true })
    }
    TestDatabase.open.clear()
  }

  /** Runs one statement in the other process. */
  async sql(statement, ...args) {
    return inspect(this.file, [[statement, args]])
  }

  /** Runs several statements in the other process, for instance a transaction. */
  async run(...statements) {
    return inspect(
      this.file,
      statements.map((sql) => [sql, []]),
    )
  }

  /** Every row of a table, for "nothing was written". */
  async everything() {
    return {
      credit: await this.sql('SELECT * FROM credit ORDER BY id'),
      media_tasks: await this.sql('SELECT * FROM media_tasks ORDER BY id'),
    }
  }

  /** Adds a user with grants: numbers of credits, or `{ credits, expiresAt }`. */
  async user(id, ...grants) {
    const now = Date.now()
    await this.sql('INSERT INTO user (id, name, email) VALUES (?, ?, ?)', id, id, `${id}@example.test`)
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

/** A task as the app's submit route makes it. */
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

/** The error of a call that must be refused, after a look that it has written nothing. */
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

// ---- The other process ----

let inspector
let lastQuestion = 0
const questions = new Map()

function inspect(file, statements) {
  inspector ??= startInspector()
  const id = ++lastQuestion
  inspector.send({ id, file, statements })
  return new Promise((resolve, reject) => questions.set(id, { resolve, reject }))
}

function startInspector() {
  const child = fork(path.join(__dirname, 'inspector.js'))
  child.on('message', ({ id, rows, error }) => {
    const { resolve, reject } = questions.get(id)
    questions.delete(id)
    if (error) reject(new Error(error))
    else resolve(rows)
  })
  return child
}

/** For `afterAll`: ends the other process. */
function stopInspector() {
  inspector?.kill()
  inspector = undefined
}

afterEach(TestDatabase.closeAll)
afterAll(stopInspector)

module.exports = { TestDatabase, refusal, task, DAY_MS, FIXTURE }
