'use strict'

const { addRows, charge, findings, grant } = require('../helpers/books')
const { until } = require('../helpers/callers')
const { TestDatabase } = require('../helpers/database')
const { sqlite } = require('../helpers/storage')

const NAMES = [
  'user',
  'User',
  'USER',
  'üser',
  'Üser',
  'uśer',
  '用户',
  '🙂',
  '_',
  '-',
  ' ',
  "'",
  '"',
  '%',
  '\\',
  '~',
]

/** Ids that a collation sorts differently from their bytes. */
const IDS = Array.from({ length: 320 }, (_, at) => `${NAMES[at % NAMES.length]}${at >> 4}`)

const sorted = (texts) => [...texts].sort()

/** Each of these users has a grant that one credit has left; every third, a second one instead. */
async function withFinding(ids) {
  const database = await TestDatabase.fresh()
  await addRows(
    database,
    'user',
    ids.map((id, at) => ({ id, email: `${at}@example.test` })),
  )
  const grants = ids.map((id, at) => grant(`g${at}`, 5, 4, { user_id: id }))
  await addRows(database, 'credit', grants)
  return database
}

describe('an audit of many users', () => {
  test.each([1, 99, 100, 101, 200, 320])('finds each of %d findings once', async (count) => {
    const ids = IDS.slice(0, count)
    const database = await withFinding(ids)
    const found = await findings(database.credits)
    expect(sorted(found.map(({ userId }) => userId))).toEqual(sorted(ids))
  })

  test('finds each user once in whichever tables the rows are', async () => {
    const database = await TestDatabase.fresh()
    await addRows(
      database,
      'user',
      IDS.map((id, at) => ({ id, email: `${at}@example.test` })),
    )
    const of = (which) => IDS.flatMap((id, at) => (at % 3 === which ? [[id, at]] : []))
    await addRows(
      database,
      'credit',
      of(0).map(([id, at]) => charge(`c${at}`, 1, [], { user_id: id })),
    )
    for (const [which, table] of [
      [1, 'media_tasks'],
      [2, 'ai_task'],
    ]) {
      const tasks = of(which).map(([id, at]) => ({
        id: `t${at}`,
        user_id: id,
        status: 'pending',
        credit_id: 'gone',
      }))
      await addRows(database, table, tasks)
    }
    const found = await findings(database.credits)
    expect(sorted(found.map(({ userId }) => userId))).toEqual(sorted(IDS))
  })

  test('reports its progress up to the end', async () => {
    const database = await withFinding(IDS)
    await addRows(database, 'credit', [grant('more', 5, 5, { user_id: IDS[0] })])
    const told = []
    await findings(database.credits, { onProgress: (progress) => told.push(progress) })
    expect(told.length).toBeGreaterThan(3)
    expect(told.at(-1)).toEqual({ users: 320, rows: 321, totalRows: 321 })
    for (const [at, { users, rows }] of told.slice(1).entries()) {
      expect(users).toBeGreaterThanOrEqual(told[at].users)
      expect(rows).toBeGreaterThanOrEqual(told[at].rows)
    }
    told.length = 0
    await findings(database.credits, { userId: IDS[0], onProgress: (progress) => told.push(progress) })
    expect(told).toEqual([{ users: 1, rows: 2, totalRows: 2 }])
  })

  test.each([1, 5, 100, 101, 319, 320, 1_000_000])('finds at most %d with this limit', async (limit) => {
    const database = await withFinding(IDS)
    const all = await findings(database.credits)
    expect(await findings(database.credits, { limit })).toEqual(all.slice(0, limit))
    const told = []
    await findings(database.credits, { limit, onProgress: ({ users }) => told.push(users) })
    // It reads no more than needed.
    expect(told.at(-1)).toBeLessThan(limit + 100)
  })

  test('ends when the caller leaves the loop', async () => {
    const database = await withFinding(IDS)
    const told = []
    for await (const { kind } of database.credits.auditLedger({
      onProgress: ({ users }) => told.push(users),
    })) {
      expect(kind).toBe('grant-draws-differ')
      break
    }
    const audit = database.credits.auditLedger()
    expect((await audit.next()).done).toBe(false)
    expect(await audit.return()).toEqual({ done: true, value: undefined })
    expect(await audit.next()).toEqual({ done: true, value: undefined })
    // The audit does not hold the database.
    await database.credits.createCredit({ userId: IDS[0], credits: 1 })
    expect(told).toEqual([100])
  })

  test('rejects with the error that onProgress throws', async () => {
    const database = await withFinding(IDS)
    const thrown = new Error('enough')
    let calls = 0
    const onProgress = () => {
      calls++
      throw thrown
    }
    await expect(findings(database.credits, { onProgress })).rejects.toBe(thrown)
    expect(calls).toBe(1)
    expect(await findings(database.credits)).toHaveLength(320)
  })

  test('reads nothing before the first page is requested, and several can run at once', async () => {
    const database = await withFinding(IDS.slice(0, 150))
    const idle = database.credits.auditLedger()
    const all = await Promise.all(Array.from({ length: 5 }, () => findings(database.credits)))
    for (const found of all) expect(found).toEqual(all[0])
    await database.sql('UPDATE credit SET remaining_credits = credits')
    expect((await idle.next()).done).toBe(true)
  })

  test('reads each page only when it is requested', async () => {
    const database = await withFinding(IDS)
    const found = []
    for await (const finding of database.credits.auditLedger()) {
      // Between pages other code may write: the pages that follow show it.
      if (found.push(finding) === 100) await database.sql('UPDATE credit SET remaining_credits = credits')
    }
    expect(found).toHaveLength(100)
  })

  test('does not block concurrent charges and refunds', async () => {
    const database = await withFinding(IDS)
    await database.sql('UPDATE credit SET remaining_credits = credits')
    const [{ id }] = await database.sql('SELECT id FROM "user" LIMIT 1')
    const { auditLedger, consumeCredits, refundCredits } = database.credits
    const audit = auditLedger({ onProgress: () => {} })
    const step = audit.next()
    const charge = await consumeCredits({ userId: id, credits: 5 })
    expect((await refundCredits(charge.id)).refund.credits).toBe(5)
    await until(async () => (await step).done)
  })
})

sqlite.test('an audit ends if user ids are BLOBs', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u')
  const ids = Array.from({ length: 150 }, (_, at) => ({ id: `b${at}` }))
  await addRows(database, 'user', ids)
  await database.sql("UPDATE user SET id = CAST(id AS BLOB) WHERE id LIKE 'b%'")
  await addRows(
    database,
    'credit',
    ids.map(({ id }) => grant(id, 5, 9)),
  )
  await database.sql('UPDATE credit SET user_id = CAST(id AS BLOB)')
  await addRows(database, 'credit', [grant('g', 5, 9)])
  const found = await findings(database.credits)
  expect(new Set(found.map(({ userId }) => userId))).toEqual(new Set(['u']))
})
