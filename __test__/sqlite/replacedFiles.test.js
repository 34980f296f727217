'use strict'

const fs = require('node:fs')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')

const OLD_BALANCE = 100
const NEW_BALANCE = 500

/** Runs statements in a process that ends afterwards: a running one would keep its files open. */
async function outside(file, ...statements) {
  const libsql = JSON.stringify(require.resolve('@libsql/client'))
  const source = `(async () => {
    const client = require(${libsql}).createClient({ url: 'file:' + process.env.FILE })
    for (const sql of JSON.parse(process.env.STATEMENTS)) await client.execute(sql)
  })()`
  const { code, out } = await evaluate(source, { FILE: file, STATEMENTS: JSON.stringify(statements) })
  if (code !== 0) throw new Error(out)
}

/** A file with user `u`, a balance and some hundred pages, still open. */
async function withBalance(credits, options) {
  const database = await TestDatabase.fresh(options)
  await outside(database.file, "INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')")
  await database.credits.createCredit({ userId: 'u', credits, transactionScene: 'gift' })
  const subtitleRaw = 'x'.repeat(3000)
  const tasks = Array.from({ length: 100 }, (_, at) => task(`${credits}-${at}`, 'u', { subtitleRaw }))
  await Promise.all(tasks.map((one) => database.credits.createMediaTask(one, 0)))
  return database
}

/** The database under test: both of its threads have the file open. */
async function underTest(journal) {
  const database = await withBalance(OLD_BALANCE + 1, {
    journalMode: journal === 'rollback' ? 'keep' : 'wal',
  })
  await database.credits.consumeCredits({ userId: 'u', credits: 1 })
  if (journal === 'put back') await outside(database.file, 'PRAGMA wal_checkpoint(TRUNCATE)')
  expect(await database.credits.getRemainingCredits('u')).toBe(OLD_BALANCE)
  return database
}

let source
let copies = 0

/** Another intact and closed file, to be put in place: copies of one that is made once. */
async function replacement() {
  if (!source) {
    source = await withBalance(NEW_BALANCE)
    source.keep()
    await source.credits.close()
  }
  const copy = `${source.file}.${++copies}`
  fs.copyFileSync(source.file, copy)
  return copy
}

const removeLog = (file) => ['-wal', '-shm'].forEach((end) => fs.rmSync(file + end, { force: true }))

/** Puts a file in place, with or without its log, as an operator does. */
async function putInPlace(file) {
  const valid = await replacement()
  removeLog(file)
  fs.renameSync(valid, file)
}

let last = 0
const read = ({ credits }) => credits.getRemainingCredits('u')
const write = ({ credits }) => credits.createMediaTask(task(`n${++last}`, 'u'), 1).then(({ id }) => id)

const outcome = (promise) => promise.catch((error) => error)
const lost = (databaseCode) => ({ code: 'DATABASE_ERROR', databaseCode, retryable: true })

/** Each of the two threads may report once that it has lost its file. */
async function again(call, pattern) {
  try {
    return await call()
  } catch (error) {
    if (error.code !== 'DATABASE_ERROR' || !pattern.test(error.databaseCode)) throw error
    return call()
  }
}

/** The connection uses the file that was put in place, whichever call detects it first. */
async function worksOnTheNewOne(database, [first, second], pattern) {
  let balance = NEW_BALANCE
  const told = []
  for (const call of [first, second, first, second, write, read]) {
    const answer = await again(() => call(database), pattern)
    if (call === write) {
      told.push(answer)
      balance -= 1
    } else expect(answer).toBe(balance)
  }
  await database.credits.close()
  const rows = await database.sql("SELECT id FROM media_tasks WHERE id LIKE 'n%'")
  expect(rows.map(({ id }) => id).sort()).toEqual(told.sort())
  expect(await database.sql('SELECT credits FROM credit WHERE credits > 1')).toEqual([
    { credits: NEW_BALANCE },
  ])
  expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
  expect(await violations(database)).toEqual([])
}

const ORDERS = [
  ['the reader', [read, write]],
  ['the writer', [write, read]],
]
const JOURNALS = ['in the log', 'put back', 'rollback']

describe.each(JOURNALS)('a file whose last commits are: %s', (journal) => {
  describe.each(ORDERS)('if %s reads first', (_, order) => {
    test.each([
      ['together with its log', removeLog],
      ['without its log, which stays', () => {}],
    ])('a file that is replaced %s is reported as replaced', async (_, remove) => {
      const database = await underTest(journal)
      const valid = await replacement()
      remove(database.file)
      fs.renameSync(valid, database.file)
      expect(await outcome(order[0](database))).toMatchObject(lost('FILE_REPLACED'))
      await worksOnTheNewOne(database, order, /^FILE_REPLACED$/)
    })

    test('a file that is deleted is reported as replaced', async () => {
      const database = await underTest(journal)
      fs.unlinkSync(database.file)
      expect(await outcome(order[0](database))).toMatchObject(lost('FILE_REPLACED'))
      for (const call of order) {
        const error = await outcome(again(() => call(database), /^FILE_REPLACED$/))
        expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
      }
      expect(fs.existsSync(database.file)).toBe(false)
      await putInPlace(database.file)
      await worksOnTheNewOne(database, order, /^FILE_REPLACED$/)
    })

    test('a file that is replaced by an empty one is reported as replaced', async () => {
      const database = await underTest(journal)
      const empty = `${database.file}.empty`
      fs.writeFileSync(empty, '')
      fs.renameSync(empty, database.file)
      expect(await outcome(order[0](database))).toMatchObject(lost('FILE_REPLACED'))
      for (const call of order) {
        const error = await outcome(again(() => call(database), /^FILE_REPLACED$/))
        expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
      }
      await putInPlace(database.file)
      await worksOnTheNewOne(database, order, /^FILE_REPLACED$/)
    })

    test.each([
      ['nothing', 0],
      ['half', 0.5],
    ])('a file that is truncated to %s gives no wrong answer', async (_, share) => {
      const database = await underTest(journal)
      fs.truncateSync(database.file, Math.floor(fs.statSync(database.file).size * share))
      const told = []
      for (let round = 0; round < 3; round++) {
        for (const call of order) {
          const answer = await outcome(call(database))
          if (answer instanceof Error) {
            expect(['DATABASE_ERROR', 'SCHEMA_MISMATCH']).toContain(answer.code)
          } else if (call === read) {
            // The log may still have all rows. Then the answer must be correct.
            expect(answer).toBe(OLD_BALANCE - told.length)
          } else told.push(answer)
          const firstLook = round === 0 && call === order[0]
          if (firstLook || journal !== 'in the log') expect(answer).toBeInstanceOf(Error)
        }
      }
      if (told.length) {
        const rows = await database.sql("SELECT id FROM media_tasks WHERE id LIKE 'n%'")
        expect(rows.map(({ id }) => id).sort()).toEqual(told.sort())
      }
      await putInPlace(database.file)
      await worksOnTheNewOne(database, order, /^(FILE|SQLITE)_/)
    })
  })
})

test.each([
  ['nothing', 0],
  ['half', 0.5],
])('truncated to %s after it has grown since the last look', async (_, share) => {
  const database = await TestDatabase.fresh()
  await outside(database.file, "INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')")
  await database.credits.createCredit({ userId: 'u', credits: 100, transactionScene: 'gift' })
  expect(await read(database)).toBe(100)
  const rows = 'WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)'
  await outside(
    database.file,
    `${rows} INSERT INTO media_tasks (id, user_id, platform, video_url)
     SELECT 'big-' || n, 'u', 'youtube', hex(randomblob(300)) FROM n`,
    'PRAGMA wal_checkpoint(TRUNCATE)',
  )
  fs.truncateSync(database.file, Math.floor(fs.statSync(database.file).size * share))
  // The rest of the file may have the requested row, but not all tasks.
  const everyTask = () => database.credits.getMediaTaskHistory('u', 1, 100)
  for (const [call, right] of [[everyTask], [() => read(database), 100], [everyTask]]) {
    const answer = await outcome(call())
    if (answer instanceof Error) expect(['DATABASE_ERROR', 'SCHEMA_MISMATCH']).toContain(answer.code)
    else expect(answer).toBe(right)
  }
  expect(await outcome(write(database))).toMatchObject({
    code: expect.stringMatching(/^(DATABASE_ERROR|SCHEMA_MISMATCH)$/),
  })
})

test('tables are not made in a deleted file', async () => {
  const database = await underTest('put back')
  const { createTables } = database.credits
  const empty = `${database.file}.empty`
  fs.writeFileSync(empty, '')
  removeLog(database.file)
  fs.renameSync(empty, database.file)
  await again(createTables, /^FILE_REPLACED$/)
  expect(await database.sql('SELECT COUNT(*) AS tasks FROM media_tasks')).toEqual([{ tasks: 0 }])
})

test.each([
  ['together with its log', removeLog],
  ['without its log, which stays', () => {}],
])(
  'a file that is replaced %s again and again under load has the calls that begin afterwards',
  async (_, remove) => {
    const database = await underTest('in the log')
    for (let round = 0; round < 4; round++) {
      const valid = await replacement()
      const told = []
      const unexpected = []
      let replaced = false
      let running = true
      const caller = async (call) => {
        while (running) {
          const begunAfterwards = replaced
          const answer = await outcome(call(database))
          if (answer instanceof Error) {
            if (answer.databaseCode !== 'FILE_REPLACED') unexpected.push(answer)
          } else if (begunAfterwards) {
            if (call === write) told.push(answer)
            else if (answer > NEW_BALANCE || answer < 0) unexpected.push(answer)
          }
        }
      }
      const callers = [...Array(16).fill(write), read, read].map(caller)
      const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      await pause(20)
      remove(database.file)
      fs.renameSync(valid, database.file)
      replaced = true
      await pause(60)
      // Also on a busy machine some call has written to the new file.
      while (told.length === 0 && unexpected.length === 0) await pause(20)
      running = false
      await Promise.all(callers)
      // 16 writers can spend the whole balance.
      expect(unexpected.filter(({ code }) => code !== 'INSUFFICIENT_CREDITS')).toEqual([])
      await database.credits.close()
      const rows = await database.sql('SELECT id FROM media_tasks')
      const found = new Set(rows.map(({ id }) => id))
      expect(told.filter((id) => !found.has(id))).toEqual([])
      expect(told.length).toBeGreaterThan(0)
      expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
      expect(await violations(database)).toEqual([])
      database.credits = require('../..').connect({ url: database.url })
    }
  },
)
