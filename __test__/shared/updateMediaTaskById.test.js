'use strict'

const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

const HOUR_AGO = new Date(Date.now() - 3_600_000)

const NOTHING = { credits: 0, spendable: 0, skipped: [] }

/** User `u` has these grants and a task `t` that cost 10. */
async function withTask(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...(grants.length > 0 ? grants : [100]))
  const { creditId } = await database.credits.createMediaTask(task('t', 'u', { title: 'A' }), 10)
  return { database, update: database.credits.updateMediaTaskById, charge: creditId }
}

/** The remaining credits of each grant, by its id. */
async function remaining(database) {
  const grants = await database.sql("SELECT * FROM credit WHERE transaction_type = 'grant'")
  return Object.fromEntries(grants.map((grant) => [grant.id, grant.remaining_credits]))
}

/** The status of a charge. */
async function statusOf(database, id) {
  const [row] = await database.sql('SELECT status FROM credit WHERE id = ?', id)
  return row.status
}

describe('updateMediaTaskById', () => {
  test('changes the fields that are passed, and returns the whole row', async () => {
    const { database, update } = await withTask()
    const before = await database.credits.findMediaTaskById('t')
    const patch = { status: 'extracted', progress: 100, publishedAt: new Date(5000), author: 'É' }
    const row = await update('t', patch)
    expect(row).toEqual({ ...before, ...patch, updatedAt: expect.any(Date) })
    expect(row).not.toHaveProperty('refund')
    expect(await database.credits.findMediaTaskById('t')).toEqual(row)
  })

  test('writes NULL for null, and does not change a field for undefined', async () => {
    const { database, update } = await withTask()
    const row = await update('t', { title: undefined, outputType: null })
    expect(row).toMatchObject({ title: 'A', outputType: null })
    const [stored] = await database.sql('SELECT title, output_type FROM media_tasks')
    expect(stored).toEqual({ title: 'A', output_type: null })
  })

  test.each([
    ['a patch', { progress: 30 }],
    ['an empty patch', {}],
    ['a patch of undefined', { title: undefined }],
    ['a failing patch', { status: 'failed' }],
    ['a patch with its own updatedAt', { updatedAt: HOUR_AGO }],
  ])('%s moves updatedAt', async (_, patch) => {
    const { database, update } = await withTask()
    await database.sql('UPDATE media_tasks SET updated_at = ?', HOUR_AGO)
    const { createdAt, updatedAt } = await update('t', patch)
    expect(updatedAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime())
    expect(updatedAt.getTime()).toBeLessThanOrEqual(Date.now())
  })

  test('returns undefined and writes nothing for a task that does not exist', async () => {
    const { database, update, charge } = await withTask()
    const before = await database.everything()
    for (const creditId of [undefined, null, charge, 'nothing']) {
      expect(await update('no task', { status: 'failed', creditId })).toBeUndefined()
    }
    expect(await database.everything()).toEqual(before)
  })

  test('can give a task another charge of its user', async () => {
    const { database, update, charge } = await withTask()
    const other = await database.credits.consumeCredits({ userId: 'u', credits: 5 })
    const row = await update('t', { status: 'translating', creditId: other.id })
    expect(row).toMatchObject({ status: 'translating', creditId: other.id })
    expect(await statusOf(database, charge)).toBe('active')
    expect(await violations(database)).toEqual([])
  })
})

describe('updateMediaTaskById with the status failed', () => {
  test('returns all credits exactly as they were drawn', async () => {
    const { database, update, charge } = await withTask(
      { id: 'a', credits: 4, expiresAt: new Date(Date.now() + DAY_MS) },
      { id: 'b', credits: 3 },
      { id: 'c', credits: 50, expiresAt: null },
    )
    expect(await remaining(database)).toEqual({ a: 0, b: 0, c: 47 })
    const row = await update('t', { status: 'failed', errorMessage: 'no subtitles', progress: 0 })
    expect(row).toMatchObject({ status: 'failed', errorMessage: 'no subtitles', creditId: charge })
    expect(row.refund).toEqual({ credits: 10, spendable: 10, skipped: [] })
    expect(await remaining(database)).toEqual({ a: 4, b: 3, c: 50 })
    expect(await violations(database)).toEqual([])
  })

  test('marks the charge deleted, and does not change its other columns', async () => {
    const { database, update, charge } = await withTask()
    const find = () => database.sql('SELECT * FROM credit WHERE id = ?', charge)
    const [before] = await find()
    await update('t', { status: 'failed' })
    expect(await find()).toEqual([{ ...before, status: 'deleted', updated_at: expect.any(Number) }])
  })

  test('refunds to 25 grants', async () => {
    const { database, update } = await withTask(...Array(25).fill(4))
    await database.credits.createMediaTask(task('t2', 'u'), 90)
    const { refund } = await update('t2', { status: 'failed' })
    expect(refund).toEqual({ credits: 90, spendable: 90, skipped: [] })
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
    expect(await violations(database)).toEqual([])
  })

  test('refunds once', async () => {
    const { database, update } = await withTask()
    expect((await update('t', { status: 'failed' })).refund.credits).toBe(10)
    expect((await update('t', { status: 'failed' })).refund).toEqual(NOTHING)
    await update('t', { status: 'pending' })
    expect((await update('t', { status: 'failed' })).refund).toEqual(NOTHING)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test("and creditId null refunds the task's own charge", async () => {
    const { database, update, charge } = await withTask()
    const row = await update('t', { status: 'failed', creditId: null })
    expect(row).toMatchObject({ creditId: null, refund: { credits: 10, spendable: 10 } })
    expect(await statusOf(database, charge)).toBe('deleted')
  })

  test('refunds the charge that the patch names, and no other', async () => {
    const { database, update, charge } = await withTask()
    const named = await database.credits.consumeCredits({ userId: 'u', credits: 5 })
    const row = await update('t', { status: 'failed', creditId: named.id })
    expect(row).toMatchObject({ creditId: named.id, refund: { credits: 5, spendable: 5 } })
    expect(await statusOf(database, named.id)).toBe('deleted')
    expect(await statusOf(database, charge)).toBe('active')
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test('refunds nothing for a task that cost nothing', async () => {
    const { database, update } = await withTask()
    await database.credits.createMediaTask(task('free', 'u'), 0)
    expect((await update('free', { status: 'failed' })).refund).toEqual(NOTHING)
  })

  test('refunds nothing for a task whose charge was deleted', async () => {
    const { database, update, charge } = await withTask()
    await database.sql('DELETE FROM credit WHERE id = ?', charge)
    const row = await update('t', { status: 'failed' })
    expect(row).toMatchObject({ status: 'failed', creditId: charge, refund: NOTHING })
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test.each([
    ['has expired', 'expires_at = ?', HOUR_AGO],
    ['was marked expired', 'status = ?', 'expired'],
    ['was deleted', 'status = ?', 'deleted'],
  ])('says that what goes back to a grant that %s can not be spent', async (_, change, value) => {
    const { database, update } = await withTask({ id: 'g', credits: 100 })
    await database.sql(`UPDATE credit SET ${change} WHERE id = 'g'`, value)
    const { refund } = await update('t', { status: 'failed' })
    expect(refund).toEqual({ credits: 10, spendable: 0, skipped: [] })
    expect(await remaining(database)).toEqual({ g: 100 })
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
  })

  test('skips a grant that no longer exists', async () => {
    const { database, update, charge } = await withTask({ id: 'a', credits: 4 }, { id: 'b', credits: 50 })
    await database.sql("DELETE FROM credit WHERE id = 'a'")
    const { refund } = await update('t', { status: 'failed' })
    const skipped = [{ creditId: 'a', credits: 4, reason: 'grant-not-found' }]
    expect(refund).toEqual({ credits: 6, spendable: 6, skipped })
    expect(await remaining(database)).toEqual({ b: 50 })
    expect(await statusOf(database, charge)).toBe('deleted')
  })

  test('skips a grant of another user that consumed_detail names', async () => {
    const { database, update } = await withTask({ id: 'a', credits: 50 })
    await database.user('v', { id: 'b', credits: 50 })
    await database.sql("UPDATE credit SET remaining_credits = 0 WHERE id = 'b'")
    await database.sql('UPDATE credit SET consumed_detail = REPLACE(consumed_detail, \'"a"\', \'"b"\')')
    const { refund } = await update('t', { status: 'failed' })
    expect(refund.skipped).toEqual([{ creditId: 'b', credits: 10, reason: 'grant-not-found' }])
    expect(await remaining(database)).toEqual({ a: 40, b: 0 })
  })

  test.each([
    [100, 0, 100],
    [96, 4, 100],
    [130, 0, 130],
  ])('never raises a grant of 100 with %d left above what was granted', async (left, back, after) => {
    const { database, update } = await withTask({ id: 'g', credits: 100 })
    await database.sql("UPDATE credit SET remaining_credits = ? WHERE id = 'g'", left)
    const { refund } = await update('t', { status: 'failed' })
    const skipped = [{ creditId: 'g', credits: 10 - back, reason: 'grant-full' }]
    expect(refund).toEqual({ credits: back, spendable: back, skipped })
    expect(await remaining(database)).toEqual({ g: after })
  })
})

describe('concurrent calls of updateMediaTaskById:', () => {
  test('of 20 failures of a task one refunds', async () => {
    const { database, update } = await withTask()
    const rows = await Promise.all(Array.from({ length: 20 }, () => update('t', { status: 'failed' })))
    expect(rows.map((row) => row.refund.credits).sort()).toEqual([...Array(19).fill(0), 10])
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
    expect(await violations(database)).toEqual([])
  })

  test('of 20 failing tasks that name one charge one refunds', async () => {
    const { database, update } = await withTask()
    const ids = Array.from({ length: 20 }, (_, at) => `free ${at}`)
    const charge = await database.credits.consumeCredits({ userId: 'u', credits: 10 })
    const create = (id) => database.credits.createMediaTask(task(id, 'u', { creditId: charge.id }), 0)
    await Promise.all(ids.map(create))
    const rows = await Promise.all(ids.map((id) => update(id, { status: 'failed' })))
    expect(rows.map((row) => row.refund.credits).sort()).toEqual([...Array(19).fill(0), 10])
    expect(await violations(database)).toEqual([])
  })

  test('tasks are refunded while others are created', async () => {
    const { database, update } = await withTask(40, 40, 40)
    const submits = Array.from({ length: 50 }, async (_, at) => {
      const created = await database.credits.createMediaTask(task(`t${at}`, 'u'), 10)
      if (at % 2 === 0) return 0
      const fails = [1, 2, 3].map(() => update(created.id, { status: 'failed' }))
      return (await Promise.all(fails)).reduce((sum, { refund }) => sum + refund.credits, 0)
    })
    const settled = await Promise.allSettled(submits)
    const accepted = settled.filter(({ status }) => status === 'fulfilled').map(({ value }) => value)
    // 110 credits are left, and the refunds allow more.
    expect(accepted.length).toBeGreaterThanOrEqual(11)
    const refunded = accepted.reduce((sum, credits) => sum + credits)
    const balance = 110 - accepted.length * 10 + refunded
    expect(await database.credits.getRemainingCredits('u')).toBe(balance)
    expect(await violations(database)).toEqual([])
  })

  test("the app's own tasks that fail three times each are refunded once", async () => {
    const database = await TestDatabase.fixture()
    const before = await violations(database)
    const tasks = await database.sql(
      `SELECT media_tasks.id, -credit.credits AS charged FROM media_tasks
       JOIN credit ON credit.id = credit_id JOIN "user" ON "user".id = media_tasks.user_id
       WHERE credit.status = 'active' AND "user".name LIKE 'user %'`,
    )
    expect(tasks.length).toBeGreaterThan(20)
    const fail = ({ id }) => database.credits.updateMediaTaskById(id, { status: 'failed' })
    const rows = await Promise.all([...tasks, ...tasks, ...tasks].map(fail))
    for (const { id, charged } of tasks) {
      const refunds = rows.filter((row) => row.id === id).map(({ refund }) => refund)
      expect(refunds.map(({ credits }) => credits).sort()).toEqual([0, 0, charged])
      expect(refunds.flatMap(({ skipped }) => skipped)).toEqual([])
    }
    expect(await violations(database)).toEqual(before)
  })
})
