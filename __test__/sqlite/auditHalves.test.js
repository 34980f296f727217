'use strict'

const fs = require('node:fs')
const { connect } = require('../..')
const { addRows, findings, grant, taskRow } = require('../helpers/books')
const { until } = require('../helpers/callers')
const { TestDatabase } = require('../helpers/database')
const { describeOnLinux } = require('../helpers/describe')

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

/** Overwrites the file's page with this text, while nothing has the file open. Returns a function that undoes it. */
function damage(file, text) {
  const PAGE = 4096
  const before = fs.readFileSync(file)
  const at = before.indexOf(text)
  expect(at).toBeGreaterThan(0)
  const after = Buffer.from(before)
  after.fill(0xff, at - (at % PAGE), at - (at % PAGE) + PAGE)
  fs.writeFileSync(file, after)
  return () => fs.writeFileSync(file, before)
}

/** How many of this process's threads read the second halves of pages. */
const threads = () =>
  fs
    .readdirSync('/proc/self/task')
    .filter((id) => fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('credits-halves')).length

/** Audits up to an error. */
async function auditUntilError(credits) {
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
])('an error in %s of a later page ends the audit there', async (_, at) => {
  const database = await withFindings(320)
  // Each of these rows fills a page of the file.
  const tasks = Array.from({ length: 320 }, (_, at) =>
    taskRow(`t-${idOf(at)}`, 'pending', '', { user_id: idOf(at), subtitle_raw: 'x'.repeat(3000) }),
  )
  await addRows(database, 'media_tasks', tasks)
  const whole = await findings(database.credits)
  await database.run('PRAGMA wal_checkpoint(TRUNCATE)')
  await database.credits.close()
  const undo = damage(database.file, `t-${idOf(at)}${idOf(at)}`)
  const damaged = connect({ url: database.url })
  // The second time with connections that have met the error.
  for (const _ of ['first', 'second']) {
    const { found, error } = await auditUntilError(damaged)
    expect(error).toMatchObject({
      code: 'DATABASE_ERROR',
      databaseCode: expect.stringMatching(/^SQLITE_CORRUPT/),
    })
    expect(found).toEqual(whole.slice(0, 100).map(({ userId }) => userId))
  }
  await damaged.close()
  undo()
  const repaired = connect({ url: database.url })
  expect(await findings(repaired)).toEqual(whole)
  await repaired.close()
})

describeOnLinux('the thread of the second halves', () => {
  test('starts with the second page, and close() in the middle waits for the page and ends it', async () => {
    const database = await withFindings(320)
    const audit = database.credits.auditLedger()
    for (let at = 0; at < 100; at++) expect((await audit.next()).value.userId).toBe(idOf(at))
    expect(threads()).toBe(0)
    const next = audit.next()
    const closed = database.credits.close()
    expect((await next).value.userId).toBe(idOf(100))
    await closed
    expect(threads()).toBe(0)
    for (let at = 101; at < 200; at++) expect((await audit.next()).value.userId).toBe(idOf(at))
    await expect(audit.next()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('ends soon after an audit that was left in the middle', async () => {
    const database = await withFindings(320)
    for await (const { userId } of database.credits.auditLedger()) {
      if (userId === idOf(150)) break
    }
    expect(threads()).toBe(1)
    await until(() => threads() === 0)
    expect(await findings(database.credits)).toHaveLength(320)
  })

  test('does not start for few users, or for one', async () => {
    const database = await withFindings(149)
    await findings(database.credits)
    await findings(database.credits, { userId: idOf(0) })
    expect(threads()).toBe(0)
  })
})
