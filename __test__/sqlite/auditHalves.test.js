'use strict'

const fs = require('node:fs')
const { addRows, findings, grant, taskRow } = require('../helpers/books')
const { TestDatabase } = require('../helpers/database')

/** An audit reads pages of 100 users, from the second on in two halves of 50 at once. */
const COUNTS = [149, 150, 151, 199, 200, 201, 320]

const idOf = (at) => `u${String(at).padStart(3, '0')}`

/** Each of these users has a grant that one credit has left. */
async function withFindings(count, options) {
  const database = await TestDatabase.fresh(options)
  const ids = Array.from({ length: count }, (_, at) => idOf(at))
  await addRows(
    database,
    'user',
    ids.map((id) => ({ id })),
  )
  await addRows(
    database,
    'credit',
    ids.map((id) => grant(`g-${id}`, 5, 4, { user_id: id })),
  )
  return database
}

/** Makes the rows of this user unreadable: `metadata` is computed, and for this user it can't be. */
const damage = (database, userId) =>
  database.run(
    'ALTER TABLE credit DROP COLUMN metadata',
    `ALTER TABLE credit ADD COLUMN metadata text AS (CASE user_id WHEN '${userId}' THEN json('{') END)`,
  )

const undoDamage = (database) =>
  database.run('ALTER TABLE credit DROP COLUMN metadata', 'ALTER TABLE credit ADD COLUMN metadata text')

/** Audits up to an error. */
async function auditUntilError({ credits }) {
  const found = []
  try {
    for await (const { userId } of credits.auditLedger()) found.push(userId)
  } catch (error) {
    return { found, error }
  }
  return { found }
}

test.each(COUNTS)('the findings of %d users have the order of the users', async (count) => {
  const database = await withFindings(count)
  // Some users have rows in one table, some in two, some only a task.
  await addRows(
    database,
    'media_tasks',
    Array.from({ length: count }, (_, at) => at)
      .filter((at) => at % 2 > 0)
      .map((at) => taskRow(`t-${idOf(at)}`, 'pending', 'gone', { user_id: idOf(at) })),
  )
  await database.sql("DELETE FROM credit WHERE user_id LIKE '%7'")
  const told = []
  const found = await findings(database.credits, { onProgress: (progress) => told.push(progress) })
  const expected = Array.from({ length: count }, (_, at) => {
    const kinds = at % 10 === 7 ? [] : ['grant-draws-differ']
    return [...kinds, ...(at % 2 > 0 ? ['task-without-charge'] : [])].map((kind) => [kind, idOf(at)])
  }).flat()
  expect(found.map(({ kind, userId }) => [kind, userId])).toEqual(expected)
  const [{ rows }] = await database.sql('SELECT count(*) AS rows FROM credit')
  expect(told.at(-1)).toEqual({ users: count, rows, totalRows: rows })
})

test('without a write-ahead log an audit does not stand in the way of charges', async () => {
  const database = await withFindings(320, { journalMode: 'keep', busyTimeoutMs: 2000 })
  const { credits } = database
  let isDone = false
  const charging = (async () => {
    let charges = 0
    while (!isDone) {
      await credits.consumeCredits({ userId: idOf(charges++ % 320), credits: 1 })
      await credits.createCredit({ userId: idOf(charges % 320), credits: 1 })
    }
    return charges
  })()
  for (let audits = 0; audits < 10; audits++) expect(await findings(credits)).toHaveLength(320)
  isDone = true
  expect(await charging).toBeGreaterThan(0)
})

test.each([
  ['the first half', 120],
  ['the second half', 180],
])('an error in %s of a later page ends the audit there, and the next audit succeeds', async (_, at) => {
  const database = await withFindings(320)
  const whole = await findings(database.credits)
  await damage(database, idOf(at))
  const { found, error } = await auditUntilError(database)
  expect(error).toMatchObject({ code: 'DATABASE_ERROR', message: expect.stringContaining('malformed JSON') })
  expect(found).toEqual(whole.slice(0, 100).map(({ userId }) => userId))
  await undoDamage(database)
  expect(await findings(database.credits)).toEqual(whole)
})

test('close() in the middle of an audit waits for its page and closes both connections', async () => {
  const database = await withFindings(320)
  const audit = database.credits.auditLedger()
  for (let at = 0; at < 100; at++) expect((await audit.next()).value.userId).toBe(idOf(at))
  const next = audit.next()
  const closed = database.credits.close()
  expect((await next).value.userId).toBe(idOf(100))
  await closed
  // The last connection to a file removes its log.
  expect(fs.existsSync(`${database.file}-wal`)).toBe(false)
  for (let at = 101; at < 200; at++) expect((await audit.next()).value.userId).toBe(idOf(at))
  await expect(audit.next()).rejects.toMatchObject({ code: 'CLOSED' })
})

test('an audit that is left in a later page leaves nothing open', async () => {
  const database = await withFindings(320)
  for await (const { userId } of database.credits.auditLedger()) if (userId === idOf(150)) break
  await database.credits.close()
  expect(fs.existsSync(`${database.file}-wal`)).toBe(false)
})
