'use strict'

const { connect } = require('../..')
const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')
const { counted, remaining } = require('../helpers/rows')

TestDatabase.reuse()

const REGRANT = { refundPolicy: { regrantDays: 30 } }
const HOUR_AGO = new Date(Date.now() - 3_600_000)

/** User `u` has grants `a`, `b`, `c`, drawn on in this order, and a task `t` that cost 10 of them: 4, 3 and 3. */
async function withTask(options) {
  const database = await TestDatabase.fresh(options)
  await database.user(
    'u',
    { id: 'a', credits: 4, expiresAt: new Date(Date.now() + DAY_MS) },
    { id: 'b', credits: 3 },
    { id: 'c', credits: 50, expiresAt: null },
  )
  const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 10)
  return { database, charge: creditId }
}

/** Changes of grants after they were drawn on. */
const expire = (database, id) => database.sql('UPDATE credit SET expires_at = ? WHERE id = ?', HOUR_AGO, id)
const mark = (database, id, status) => database.sql('UPDATE credit SET status = ? WHERE id = ?', status, id)
const lose = (database, id) => database.sql('DELETE FROM credit WHERE id = ?', id)

/** The grants that were made in place of others. */
function regrants(database) {
  const type = `%"type":"regrant"%`
  return database.sql('SELECT * FROM credit WHERE metadata LIKE ? ORDER BY created_at', type)
}

/** The calls that refund a task's whole charge. */
const CALLS = {
  'a task that fails': ({ credits }, _, options) =>
    credits.updateMediaTaskById('t', { status: 'failed' }, options),
  settleMediaTask: ({ credits }, _, options) => credits.settleMediaTask('t', 0, options),
  refundCredits: ({ credits }, charge, options) => credits.refundCredits(charge, undefined, options),
  'refundCredits of a number': ({ credits }, charge, options) => credits.refundCredits(charge, 10, options),
  async failStuckMediaTasks(database, _, options) {
    await database.sql('UPDATE media_tasks SET updated_at = ?', HOUR_AGO)
    const { tasks, ...sums } = await database.credits.failStuckMediaTasks({ olderThanMs: 1000, ...options })
    expect(sums).toMatchObject({ credits: tasks[0].refund.credits, spendable: tasks[0].refund.spendable })
    return tasks[0]
  },
}

describe.each(Object.entries(CALLS))('%s', (_, giveBack) => {
  test('regrants the credits of an expired grant', async () => {
    const { database, charge } = await withTask()
    await expire(database, 'b')
    const before = Date.now()
    const { refund } = await giveBack(database, charge, REGRANT)
    const [grant] = await regrants(database)
    expect(refund).toEqual({
      credits: 10,
      spendable: 10,
      skipped: [],
      regranted: { creditId: grant.id, credits: 3, expiresAt: new Date(grant.expires_at) },
    })
    expect(grant).toMatchObject({
      user_id: 'u',
      transaction_type: 'grant',
      status: 'active',
      credits: 3,
      remaining_credits: 3,
      consumed_detail: null,
    })
    expect(JSON.parse(grant.metadata)).toEqual({
      type: 'regrant',
      chargeId: charge,
      sources: [{ creditId: 'b', credits: 3 }],
    })
    expect(grant.expires_at).toBeGreaterThanOrEqual(before + 30 * DAY_MS)
    expect(grant.expires_at).toBeLessThanOrEqual(Date.now() + 30 * DAY_MS + 1000)
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50, [grant.id]: 3 })
    expect(await database.credits.getRemainingCredits('u')).toBe(57)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['by default', undefined],
    ["with 'source'", { refundPolicy: 'source' }],
    ['with undefined', { refundPolicy: undefined }],
  ])('%s makes no new row', async (_name, options) => {
    const { database, charge } = await withTask()
    await expire(database, 'b')
    const { refund } = await giveBack(database, charge, options)
    expect(refund).toEqual({ credits: 10, spendable: 7, skipped: [] })
    expect((await database.everything()).credit.length).toBe(4)
    expect(await database.credits.getRemainingCredits('u')).toBe(54)
    expect(await violations(database)).toEqual([])
  })

  test('regrants nothing if all can be spent', async () => {
    const { database, charge } = await withTask()
    const { refund } = await giveBack(database, charge, REGRANT)
    expect(refund).toEqual({ credits: 10, spendable: 10, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })
})

describe('{ regrantDays } makes a new grant in place of', () => {
  const source = (creditId, credits) => ({ creditId, credits })
  const whole = { credits: 10, spendable: 10, skipped: [] }

  test.each([
    // what happened to the grants; the sources of the new grant, what is left of the old grants
    [
      'a grant that was marked expired',
      (database) => mark(database, 'a', 'expired'),
      [source('a', 4)],
      { a: 4, b: 3, c: 50 },
    ],
    ['a grant whose row is gone', (database) => lose(database, 'b'), [source('b', 3)], { a: 4, c: 50 }],
    [
      'all of them',
      async (database) => {
        await expire(database, 'a')
        await mark(database, 'b', 'expired')
        await lose(database, 'c')
      },
      [source('a', 4), source('b', 3), source('c', 3)],
      { a: 4, b: 3 },
    ],
    [
      'the first and the last of them',
      async (database) => {
        await expire(database, 'a')
        await expire(database, 'c')
      },
      [source('a', 4), source('c', 3)],
      { a: 4, b: 3, c: 50 },
    ],
  ])('%s', async (_, befall, sources, left) => {
    const { database, charge } = await withTask()
    await befall(database)
    const { refund } = await database.credits.updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    const credits = sources.reduce((total, one) => total + one.credits, 0)
    const [grant, ...others] = await regrants(database)
    expect(others).toEqual([])
    expect(refund).toEqual({
      ...whole,
      regranted: { creditId: grant.id, credits, expiresAt: expect.any(Date) },
    })
    expect(JSON.parse(grant.metadata)).toMatchObject({ chargeId: charge })
    expect(JSON.parse(grant.metadata).sources).toHaveLength(sources.length)
    expect(JSON.parse(grant.metadata).sources).toEqual(expect.arrayContaining(sources))
    expect(await remaining(database)).toEqual({ ...left, [grant.id]: credits })
    expect(await violations(database)).toEqual([])
  })

  test('no grant that is full, since its credits were returned before', async () => {
    const { database } = await withTask()
    await database.sql("UPDATE credit SET remaining_credits = 4, expires_at = ? WHERE id = 'a'", HOUR_AGO)
    const { refund } = await database.credits.updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    const skipped = [{ creditId: 'a', credits: 4, reason: 'grant-full' }]
    expect(refund).toEqual({ credits: 6, spendable: 6, skipped })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('a grant that now belongs to another user, and does not change it', async () => {
    const { database } = await withTask()
    await database.user('v', { id: 'd', credits: 10 })
    await database.sql("UPDATE credit SET remaining_credits = 5 WHERE id = 'd'")
    await database.sql('UPDATE credit SET consumed_detail = REPLACE(consumed_detail, \'"b"\', \'"d"\')')
    const { refund } = await database.credits.updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    expect(refund).toMatchObject({ credits: 10, spendable: 10, regranted: { credits: 3 } })
    expect(await remaining(database)).toMatchObject({ a: 4, b: 0, c: 50, d: 5 })
    expect(await database.credits.getRemainingCredits('v')).toBe(5)
  })
})

describe('a new grant', () => {
  test('can be spent like any other, refunded, and regranted again', async () => {
    const { database } = await withTask()
    for (const id of ['a', 'b', 'c']) await expire(database, id)
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    const { refund } = await updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    expect(await getRemainingCredits('u')).toBe(10)
    await createMediaTask(task('t2', 'u'), 8)
    await expire(database, refund.regranted.creditId)
    const second = await updateMediaTaskById('t2', { status: 'failed' }, REGRANT)
    expect(second.refund).toMatchObject({ credits: 8, spendable: 8, regranted: { credits: 8 } })
    expect(await getRemainingCredits('u')).toBe(8)
    expect(await violations(database)).toEqual([])
  })

  test('is listed among the grants, with an expiry that is a Date', async () => {
    const { database } = await withTask()
    await expire(database, 'a')
    const { refund } = await database.credits.settleMediaTask('t', 0, REGRANT)
    const grants = await database.credits.getCredits({ userId: 'u', transactionType: 'grant' })
    expect(grants.find(({ id }) => id === refund.regranted.creditId)).toMatchObject({
      credits: 4,
      remainingCredits: 4,
      status: 'active',
      expiresAt: refund.regranted.expiresAt,
    })
    expect(await violations(database)).toEqual([])
  })

  test.each([1, 36_500])('expires after %d days', async (regrantDays) => {
    const { database, charge } = await withTask()
    await expire(database, 'a')
    const before = Date.now()
    const refundPolicy = { regrantDays }
    const { refund } = await database.credits.refundCredits(charge, undefined, { refundPolicy })
    const days = (refund.regranted.expiresAt.getTime() - before) / DAY_MS
    expect(days).toBeGreaterThanOrEqual(regrantDays)
    expect(days).toBeLessThan(regrantDays + 0.01)
    expect(await violations(database)).toEqual([])
  })

  test('is made once, however often a task fails', async () => {
    const { database, charge } = await withTask()
    await expire(database, 'b')
    const { updateMediaTaskById, settleMediaTask, refundCredits } = database.credits
    await updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    const before = await database.everything()
    const nothing = { credits: 0, spendable: 0, skipped: [] }
    expect((await settleMediaTask('t', 0, REGRANT)).refund).toEqual(nothing)
    expect((await refundCredits(charge, undefined, REGRANT)).refund).toEqual(nothing)
    expect(await database.everything()).toEqual(before)
    expect((await updateMediaTaskById('t', { status: 'failed' }, REGRANT)).refund).toEqual(nothing)
    expect((await regrants(database)).length).toBe(1)
    expect(await violations(database)).toEqual([])
  })

  test('is made once for 20 concurrent calls on two connections', async () => {
    const { database, charge } = await withTask()
    await expire(database, 'b')
    const second = connect({ url: database.url })
    const settled = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => {
        const credits = [database.credits, second][at % 2]
        return at % 4 < 2
          ? credits.updateMediaTaskById('t', { status: 'failed' }, REGRANT)
          : credits.refundCredits(charge, undefined, REGRANT)
      }),
    )
    await second.close()
    expect(counted(settled)).toEqual({ accepted: 20 })
    const told = settled.flatMap(({ value }) => value.refund.regranted ?? [])
    expect(told).toEqual([{ creditId: expect.any(String), credits: 3, expiresAt: expect.any(Date) }])
    expect((await regrants(database)).map(({ id }) => id)).toEqual([told[0].creditId])
    expect(await database.credits.getRemainingCredits('u')).toBe(57)
    expect(await violations(database)).toEqual([])
  })

  test('is made for each of 30 tasks that fail at once', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'a', credits: 100 }, { id: 'b', credits: 200, expiresAt: null })
    const ids = Array.from({ length: 30 }, (_, at) => `t${at}`)
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    await Promise.all(ids.map((id) => createMediaTask(task(id, 'u'), 10)))
    await expire(database, 'a')
    const failed = await Promise.all(ids.map((id) => updateMediaTaskById(id, { status: 'failed' }, REGRANT)))
    const regranted = failed.flatMap(({ refund }) => refund.regranted ?? [])
    expect(new Set(regranted.map(({ creditId }) => creditId)).size).toBe(10)
    expect(new Set((await regrants(database)).map((row) => row.transaction_no)).size).toBe(10)
    expect(failed.map(({ refund }) => refund.spendable)).toEqual(ids.map(() => 10))
    expect(await getRemainingCredits('u')).toBe(300)
    expect(await violations(database)).toEqual([])
  })
})

test('two processes that fail the same tasks with { regrantDays } make one new grant for each', async () => {
  const TASKS = 60
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'a', credits: TASKS * 5 })
  const items = Array.from({ length: TASKS }, (_, at) => ({ task: task(`t${at}`, 'u'), costCredits: 5 }))
  await database.credits.createMediaTasks(items, { atomic: true })
  await database.sql('UPDATE media_tasks SET updated_at = ?', HOUR_AGO)
  await expire(database, 'a')
  const query = JSON.stringify({ olderThanMs: 1000, ...REGRANT })
  const source = `credits.failStuckMediaTasks(${query}).then(({ tasks }) => console.log(tasks.length))`
  const runs = [1, 2].map(() => evaluate(source, { DATABASE_URL: database.url }))
  const [one, other] = (await Promise.all(runs)).map(({ out }) => Number(out))
  expect(one + other).toBe(TASKS)
  const chargeIds = (await regrants(database)).map((grant) => JSON.parse(grant.metadata).chargeId)
  expect(new Set(chargeIds).size).toBe(TASKS)
  expect(chargeIds.length).toBe(TASKS)
  expect(await database.credits.getRemainingCredits('u')).toBe(TASKS * 5)
  expect(await violations(database)).toEqual([])
})

describe('a settlement with { regrantDays }', () => {
  test('regrants its part, and a later failure the rest', async () => {
    const { database, charge } = await withTask()
    for (const id of ['a', 'b', 'c']) await expire(database, id)
    const { settleMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    const { refund } = await settleMediaTask('t', 5, REGRANT)
    expect(refund).toMatchObject({ credits: 5, spendable: 5, skipped: [], regranted: { credits: 5 } })
    expect(await remaining(database)).toMatchObject({ a: 0, b: 2, c: 50 })
    expect(await violations(database)).toEqual([])
    const before = await database.everything()
    expect((await settleMediaTask('t', 5, REGRANT)).refund.credits).toBe(0)
    expect(await database.everything()).toEqual(before)
    const failed = await updateMediaTaskById('t', { status: 'failed' }, REGRANT)
    expect(failed.refund).toMatchObject({ credits: 5, spendable: 5, regranted: { credits: 5 } })
    const metadata = (await regrants(database)).map((grant) => JSON.parse(grant.metadata))
    expect(metadata.map(({ chargeId }) => chargeId)).toEqual([charge, charge])
    expect(await getRemainingCredits('u')).toBe(10)
    expect(await violations(database)).toEqual([])
  })
})

describe('connect({ refundPolicy })', () => {
  test('is the default of calls, which can override it', async () => {
    const { database } = await withTask(REGRANT)
    await database.credits.createMediaTask(task('t2', 'u'), 10)
    await expire(database, 'c')
    const { settleMediaTask, updateMediaTaskById } = database.credits
    const source = { refundPolicy: 'source' }
    expect((await settleMediaTask('t', 8)).refund).toMatchObject({ spendable: 2, regranted: { credits: 2 } })
    expect((await settleMediaTask('t2', 6, source)).refund).toEqual({ credits: 4, spendable: 0, skipped: [] })
    const { refund } = await updateMediaTaskById('t2', { status: 'failed' }, { refundPolicy: undefined })
    expect(refund).toMatchObject({ credits: 6, spendable: 6, regranted: { credits: 6 } })
    expect(await violations(database)).toEqual([])
  })

  test('can differ between connections to one database', async () => {
    const { database } = await withTask()
    const second = connect({ url: database.url, ...REGRANT })
    await expire(database, 'c')
    const { refund } = await database.credits.settleMediaTask('t', 9)
    expect(refund).toEqual({ credits: 1, spendable: 0, skipped: [] })
    const failed = await second.updateMediaTaskById('t', { status: 'failed' })
    expect(failed.refund).toMatchObject({ credits: 9, spendable: 9, regranted: { credits: 2 } })
    await second.close()
    expect(await violations(database)).toEqual([])
  })
})
