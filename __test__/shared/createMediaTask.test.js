'use strict'

const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { except } = require('../helpers/storage')
const { REFUSALS, dropRows, refuseRows } = require('../helpers/triggers')

TestDatabase.reuse()

const NOT_PASSED = [
  ...['thumbnailUrl', 'author', 'likes', 'views', 'shares', 'sourceLang', 'targetLang', 'srtUrl'],
  ...['translatedSrtUrl', 'resultVideoUrl', 'errorMessage', 'subtitleRaw', 'subtitleTranslated'],
  ...['videoUrlInternal', 'expiresAt', 'deletedAt'],
]

/** A database in which `u` has these grants. */
async function withUser(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants)
  return { database, createMediaTask: database.credits.createMediaTask }
}

/** The draws of a charge: the id of each grant and the credits, in order. */
async function draws(database, creditId) {
  const [charge] = await database.sql('SELECT consumed_detail FROM credit WHERE id = ?', creditId)
  return JSON.parse(charge.consumed_detail).map((draw) => [draw.creditId, draw.creditsConsumed])
}

/** How many calls were accepted, and the codes of the others. */
function counted(settled) {
  const count = {}
  for (const { reason } of settled) {
    const what = reason?.code ?? 'accepted'
    count[what] = (count[what] ?? 0) + 1
  }
  return count
}

describe('createMediaTask', () => {
  test('returns the whole row', async () => {
    const { database, createMediaTask } = await withUser(50)
    const passed = { title: 'A', duration: 12, publishedAt: new Date(1_700_000_000_123), isFreeTrial: true }
    const before = Date.now()
    const row = await createMediaTask(task('t', 'u', passed), 10)
    expect(row).toEqual({
      ...task('t', 'u', passed),
      ...Object.fromEntries(NOT_PASSED.map((key) => [key, null])),
      status: 'pending',
      progress: 0,
      creditId: expect.any(String),
      createdAt: expect.any(Date),
      updatedAt: row.createdAt,
    })
    expect(row.publishedAt).toBeInstanceOf(Date)
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
    expect(row.createdAt.getTime()).toBeGreaterThanOrEqual(before)
    expect(row.createdAt.getTime()).toBeLessThanOrEqual(Date.now())
    expect(await database.credits.findMediaTaskById('t')).toEqual(row)
    expect(await database.credits.getRemainingCredits('u')).toBe(40)
  })

  test('writes the charge as the app does', async () => {
    const expiresAt = new Date(Date.now() + DAY_MS)
    const { database, createMediaTask } = await withUser(
      { id: 'g', credits: 7, expiresAt, transactionNo: '71' },
      { id: 'h', credits: 50, expiresAt: null, transactionNo: '72' },
    )
    const row = await createMediaTask(task('t', 'u', { outputType: 'video' }), 10)
    const [charge] = await database.sql("SELECT * FROM credit WHERE transaction_type = 'consume'")
    const item = (grant, [toConsume, consumed, before], batchNo) => ({
      ...grant,
      creditsToConsume: toConsume,
      creditsConsumed: consumed,
      creditsBefore: before,
      creditsAfter: before - consumed,
      batchSize: 1000,
      batchNo,
    })
    const consumedDetail = [
      item({ creditId: 'g', transactionNo: '71', expiresAt: expiresAt.toISOString() }, [10, 7, 7], 1),
      item({ creditId: 'h', transactionNo: '72', expiresAt: null }, [3, 3, 50], 2),
    ]
    expect(charge).toEqual({
      id: row.creditId,
      user_id: 'u',
      user_email: null,
      order_no: null,
      subscription_no: null,
      transaction_no: expect.stringMatching(/^\d{15,19}$/),
      transaction_type: 'consume',
      transaction_scene: 'payment',
      credits: -10,
      remaining_credits: 0,
      description: 'Media extraction: video',
      expires_at: null,
      status: 'active',
      created_at: row.createdAt.getTime(),
      updated_at: row.createdAt.getTime(),
      deleted_at: null,
      // As text: the keys and their order are the app's.
      consumed_detail: JSON.stringify(consumedDetail),
      metadata: '{"type":"media-task","taskId":"t","outputType":"video"}',
    })
    expect(row.creditId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })

  test.each([
    ['subtitle', 'Media extraction: subtitle'],
    [null, 'Media extraction: subtitle'],
    ['', 'Media extraction: subtitle'],
  ])('describes the charge of outputType %p as "%s"', async (outputType, description) => {
    const { database, createMediaTask } = await withUser(50)
    await createMediaTask(task('t', 'u', { outputType }), 10)
    const [charge] = await database.sql("SELECT * FROM credit WHERE transaction_type = 'consume'")
    expect(charge.description).toBe(description)
    expect(charge.metadata).toBe(JSON.stringify({ type: 'media-task', taskId: 't', outputType }))
  })

  test('accepts a bigint as cost', async () => {
    const { database, createMediaTask } = await withUser(50)
    await createMediaTask(task('t', 'u'), 10n)
    expect(await database.credits.getRemainingCredits('u')).toBe(40)
  })

  test('charges the largest amount', async () => {
    const { database, createMediaTask } = await withUser(2_147_483_647, 1)
    await createMediaTask(task('t', 'u'), 2_147_483_647)
    expect(await database.credits.getRemainingCredits('u')).toBe(1)
  })

  test('writes no charge for a task that costs nothing', async () => {
    const { database, createMediaTask } = await withUser()
    const row = await createMediaTask(task('t', 'u', { isFreeTrial: true }), 0)
    expect(row).toMatchObject({ creditId: null, isFreeTrial: true })
    expect(await database.sql('SELECT * FROM credit')).toEqual([])
  })

  test('accepts a creditId of the same user for a task that costs nothing', async () => {
    const { database, createMediaTask } = await withUser(50)
    const charge = await database.credits.consumeCredits({ userId: 'u', credits: 10 })
    const row = await createMediaTask(task('t', 'u', { creditId: charge.id }), 0)
    expect(row.creditId).toBe(charge.id)
    expect(await database.credits.getRemainingCredits('u')).toBe(40)
  })

  test('keeps a createdAt that was passed, and sets updatedAt', async () => {
    const { createMediaTask } = await withUser()
    const old = new Date(1_700_000_000_000)
    const row = await createMediaTask(task('t', 'u', { createdAt: old, updatedAt: old }), 0)
    expect(row.createdAt).toEqual(old)
    expect(row.updatedAt.getTime()).toBeGreaterThan(old.getTime())
  })
})

describe('createMediaTask draws', () => {
  const now = Date.now()
  const [past, soon, later] = [-1, 1, 2].map((days) => new Date(now + days * DAY_MS))
  const [early, late] = [new Date(now - 2000), new Date(now - 1000)]

  test('on grants that expire first, then older ones, then by id, and on those that never expire last', async () => {
    const { database, createMediaTask } = await withUser(
      { id: 'never', credits: 10, expiresAt: null, createdAt: early },
      { id: 'later', credits: 10, expiresAt: later, createdAt: early },
      { id: 'soon, a', credits: 10, expiresAt: soon, createdAt: late },
      { id: 'soon, c', credits: 10, expiresAt: soon, createdAt: early },
      { id: 'soon, b', credits: 10, expiresAt: soon, createdAt: early },
      { id: 'never, late', credits: 10, expiresAt: null, createdAt: late },
    )
    const { creditId } = await createMediaTask(task('t', 'u'), 55)
    expect(await draws(database, creditId)).toEqual([
      ['soon, b', 10],
      ['soon, c', 10],
      ['soon, a', 10],
      ['later', 10],
      ['never', 10],
      ['never, late', 5],
    ])
    expect(await violations(database)).toEqual([])
  })

  test('on no grant that is expired, inactive, empty or of another user', async () => {
    const { database, createMediaTask } = await withUser(
      { credits: 10, expiresAt: past },
      { credits: 10, status: 'expired' },
      { credits: 10, status: 'deleted' },
      { id: 'empty', credits: 10, expiresAt: soon },
      { id: 'good', credits: 10, expiresAt: later },
    )
    await database.user('v', 10)
    await createMediaTask(task('t1', 'u'), 10)
    const { creditId } = await createMediaTask(task('t2', 'u'), 4)
    expect(await draws(database, creditId)).toEqual([['good', 4]])
    const more = createMediaTask(task('t3', 'u'), 7)
    await expect(more).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 6 })
  })

  test('on as many grants as needed', async () => {
    const { database, createMediaTask } = await withUser(...Array(25).fill(4))
    const { creditId } = await createMediaTask(task('t', 'u'), 99)
    const drawn = await draws(database, creditId)
    expect(drawn.map(([, credits]) => credits)).toEqual([...Array(24).fill(4), 3])
    expect(await database.credits.getRemainingCredits('u')).toBe(1)
    expect(await violations(database)).toEqual([])
  })
})

// A connection remembers users and their grants, while no other process writes.
describe("createMediaTask notices what the app's own client does between two tasks:", () => {
  test.each([
    ['it deletes the user', 'DELETE FROM "user"', { code: 'USER_NOT_FOUND', userId: 'u' }],
    [
      'it empties the grants',
      "UPDATE credit SET remaining_credits = 0 WHERE transaction_type = 'grant'",
      { code: 'INSUFFICIENT_CREDITS', required: 10, available: 0 },
    ],
  ])('%s', async (_, statement, expected) => {
    const { database, createMediaTask } = await withUser(50, 50)
    for (const id of ['a', 'b', 'c']) await createMediaTask(task(id, 'u'), 10)
    await database.sql(statement)
    const error = await refusal(database, () => createMediaTask(task('d', 'u'), 10))
    expect(error).toMatchObject(expected)
  })
})

describe('concurrent calls of createMediaTask:', () => {
  test('of 8 submits of 10 with a balance of 50 exactly 5 are accepted', async () => {
    const { database, createMediaTask } = await withUser(30, 20)
    const submits = Array.from({ length: 8 }, (_, at) => createMediaTask(task(`t${at}`, 'u'), 10))
    expect(counted(await Promise.allSettled(submits))).toEqual({ accepted: 5, INSUFFICIENT_CREDITS: 3 })
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('200 submits of 8 users draw only on credits of their own user', async () => {
    const database = await TestDatabase.fresh()
    const users = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    for (const [at, user] of users.entries()) await database.user(user, at * 10 + 1, 100)
    const submits = Array.from({ length: 200 }, (_, at) =>
      database.credits.createMediaTask(task(`t${at}`, users[at % 8]), 7),
    )
    const accepted = users.map((_, at) => Math.min(25, Math.floor((at * 10 + 101) / 7)))
    const sum = accepted.reduce((total, count) => total + count)
    const settled = await Promise.allSettled(submits)
    expect(counted(settled)).toEqual({ accepted: sum, INSUFFICIENT_CREDITS: 200 - sum })
    const balances = await Promise.all(users.map((user) => database.credits.getRemainingCredits(user)))
    expect(balances).toEqual(accepted.map((count, at) => at * 10 + 101 - count * 7))
    expect(await violations(database)).toEqual([])
  })

  test('20 submits with one id make one task, charged once', async () => {
    const { database, createMediaTask } = await withUser(500)
    const submits = Array.from({ length: 20 }, () => createMediaTask(task('t', 'u'), 10))
    expect(counted(await Promise.allSettled(submits))).toEqual({ accepted: 1, TASK_EXISTS: 19 })
    expect(await database.credits.getRemainingCredits('u')).toBe(490)
    expect(await violations(database)).toEqual([])
  })

  test.each(REFUSALS)(
    'a task that a trigger refuses by RAISE %s does not affect 50 others',
    async (refusal) => {
      const { database, createMediaTask } = await withUser(1000)
      await refuseRows(database, {
        table: 'media_tasks',
        condition: "NEW.title = 'bad'",
        message: 'a bad title',
        refusal,
      })
      const submits = Array.from({ length: 51 }, (_, at) =>
        createMediaTask(task(`t${at}`, 'u', { title: at === 25 ? 'bad' : 'good' }), 10),
      )
      const settled = await Promise.allSettled(submits)
      expect(counted(settled)).toEqual({ accepted: 50, DATABASE_ERROR: 1 })
      expect(settled[25].reason.message).toContain('a bad title')
      expect(await database.credits.getRemainingCredits('u')).toBe(500)
      expect(await violations(database)).toEqual([])
    },
  )

  except('mysql').test('a task that a trigger drops silently is not charged', async () => {
    const { database, createMediaTask } = await withUser(1000)
    await dropRows(database, 'media_tasks', "NEW.title = 'bad'")
    const titles = ['good', 'bad', 'good']
    const submits = titles.map((title, at) => createMediaTask(task(`t${at}`, 'u', { title }), 10))
    const settled = await Promise.allSettled(submits)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await database.credits.getRemainingCredits('u')).toBe(980)
    expect(await violations(database)).toEqual([])
  })

  test('each user of a real database submits, and the ledger holds its invariants', async () => {
    const database = await TestDatabase.fixture()
    const before = await violations(database)
    const { createMediaTask, createCredit, getRemainingCredits } = database.credits
    const users = await database.sql(`SELECT id FROM "user" WHERE name LIKE 'user %'`)
    await Promise.all(users.map(({ id }) => createCredit({ userId: id, credits: 50 })))
    const had = await Promise.all(users.map(({ id }) => getRemainingCredits(id)))
    const submits = users.flatMap(({ id }) => [1, 2, 3, 4, 5].map((at) => task(`${id} ${at}`, id)))
    await Promise.all(submits.map((submit) => createMediaTask(submit, 10)))
    const have = await Promise.all(users.map(({ id }) => getRemainingCredits(id)))
    expect(have).toEqual(had.map((credits) => credits - 50))
    expect(await violations(database)).toEqual(before)
  })
})
