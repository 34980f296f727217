'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')
const { counted } = require('../helpers/rows')
const { STORAGE, byStorage } = require('../helpers/storage')

TestDatabase.reuse()

const MINUTE_MS = 60_000
const ago = (minutes) => new Date(Date.now() - minutes * MINUTE_MS)
const ids = (rows) => rows.map(({ id }) => id)

describe('getAITasks', () => {
  /** Users `u` and `v` have seven tasks, `t0` the oldest. */
  async function withTasks() {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.user('v')
    const tasks = [
      ['t0', 'u', { status: 'success' }],
      ['t1', 'u', { mediaType: 'video' }],
      ['t2', 'v', { mediaType: 'video', status: 'success' }],
      ['t3', 'u', { provider: 'fal' }],
      ['t4', 'u', { provider: 'fal', mediaType: 'video', status: 'success' }],
      ['t5', 'v', {}],
      ['t6', 'u', { status: 'of a fork' }],
    ]
    for (const [at, [id, userId, more]] of tasks.entries()) {
      await database.credits.createAITask(aiTask(id, userId, { ...more, createdAt: ago(60 - at) }))
    }
    return database
  }

  test.each([
    [undefined, ['t6', 't5', 't4', 't3', 't2', 't1', 't0']],
    [{}, ['t6', 't5', 't4', 't3', 't2', 't1', 't0']],
    [{ userId: 'u' }, ['t6', 't4', 't3', 't1', 't0']],
    [{ userId: 'u', status: undefined }, ['t6', 't4', 't3', 't1', 't0']],
    [{ status: 'success' }, ['t4', 't2', 't0']],
    [{ mediaType: 'video' }, ['t4', 't2', 't1']],
    [{ provider: 'fal' }, ['t4', 't3']],
    [{ userId: 'u', status: 'success', mediaType: 'video', provider: 'fal' }, ['t4']],
    [{ userId: 'v', provider: 'fal' }, []],
    [{ userId: 'nobody' }, []],
    [{ mediaType: 'image%' }, []],
  ])('returns the tasks of %j, newest first', async (query, expected) => {
    const { credits } = await withTasks()
    const found = await credits.getAITasks(query)
    expect(ids(found)).toEqual(expected)
    expect(await credits.getAITasksCount(query)).toBe(expected.length)
    for (const row of found) expect(row).toEqual(await credits.findAITaskById(row.id))
  })

  test('returns pages, newest first', async () => {
    const { credits } = await withTasks()
    const page = async (query) => ids(await credits.getAITasks(query))
    expect(await page({ limit: 3 })).toEqual(['t6', 't5', 't4'])
    expect(await page({ limit: 3, page: 2 })).toEqual(['t3', 't2', 't1'])
    expect(await page({ limit: 3, page: 3 })).toEqual(['t0'])
    expect(await page({ limit: 3, page: 4 })).toEqual([])
    expect(await page({ userId: 'u', limit: 2, page: 2 })).toEqual(['t3', 't1'])
    expect(await page({ limit: 1000 })).toHaveLength(7)
  })

  test('returns 30 rows a page by default', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const items = Array.from({ length: 35 }, (_, at) => aiTask(`t${at}`, 'u'))
    await database.credits.createAITasks(items, { atomic: true })
    expect(await database.credits.getAITasks()).toHaveLength(30)
    expect(await database.credits.getAITasks({ page: 2 })).toHaveLength(5)
    expect(await database.credits.getAITasksCount()).toBe(35)
  })
})

describe('stuck AI tasks', () => {
  /** User `u` has tasks of 10 credits each, in a status and last changed this number of minutes ago. */
  async function withTasks(tasks) {
    const database = await TestDatabase.fresh()
    await database.user('u', { credits: Object.keys(tasks).length * 10, expiresAt: null })
    for (const [id, [status, minutes]] of Object.entries(tasks)) {
      await database.credits.createAITask(aiTask(id, 'u', { costCredits: 10 }))
      await database.sql(
        'UPDATE ai_task SET status = ?, updated_at = ? WHERE id = ?',
        status,
        ago(minutes),
        id,
      )
    }
    return database
  }

  const TASKS = {
    a: ['processing', 10],
    b: ['pending', 60],
    c: ['success', 60],
    d: ['canceled', 60],
    e: ['failed elsewhere', 60],
    f: ['processing', 0],
    g: ['pending', 30],
  }

  test('are those in a working status, oldest first', async () => {
    const { credits } = await withTasks(TASKS)
    const find = async (query) =>
      ids(await credits.findStuckAITasks({ olderThanMs: 5 * MINUTE_MS, ...query }))
    expect(await find()).toEqual(['b', 'g', 'a'])
    expect(await find({ limit: 2 })).toEqual(['b', 'g'])
    expect(await find({ olderThanMs: 45 * MINUTE_MS })).toEqual(['b'])
    expect(await find({ statuses: ['failed elsewhere', 'processing'] })).toEqual(['e', 'a'])
  })

  test('fail and are refunded, deleted ones too, and one with a corrupt charge is reported', async () => {
    const database = await withTasks(TASKS)
    await database.user('x', 10)
    const { creditId } = await database.credits.createAITask(aiTask('bad', 'x', { costCredits: 10 }))
    await database.run(
      ["UPDATE credit SET consumed_detail = 'junk' WHERE id = ?", creditId],
      ["UPDATE ai_task SET updated_at = ? WHERE id = 'bad'", ago(40)],
      ["UPDATE ai_task SET deleted_at = ? WHERE id = 'g'", ago(20)],
    )
    const damage = await violations(database)
    const outcome = await database.credits.failStuckAITasks({ olderThanMs: 5 * MINUTE_MS })
    const refund = { credits: 10, spendable: 10, skipped: [] }
    expect(outcome).toMatchObject({ credits: 30, spendable: 30 })
    expect(outcome.tasks).toEqual([
      { id: 'b', userId: 'u', status: 'pending', refund },
      { id: 'g', userId: 'u', status: 'pending', refund },
      { id: 'a', userId: 'u', status: 'processing', refund },
    ])
    expect(outcome.errors).toMatchObject([{ id: 'bad', userId: 'x', error: { code: 'CHARGE_CORRUPT' } }])
    const failed = await database.sql("SELECT id FROM ai_task WHERE status = 'failed' ORDER BY id")
    expect(ids(failed)).toEqual(['a', 'b', 'g'])
    expect(await database.credits.getRemainingCredits('u')).toBe(30)
    expect(await violations(database)).toEqual(damage)
  })

  test('fail once, in two processes at once', async () => {
    const TASKS = 120
    const database = await TestDatabase.fresh()
    await database.user('u', TASKS * 2)
    const items = Array.from({ length: TASKS }, (_, at) => aiTask(`t${at}`, 'u', { costCredits: 2 }))
    await database.credits.createAITasks(items, { atomic: true })
    await database.sql('UPDATE ai_task SET updated_at = ?', ago(60))
    const source = `credits.failStuckAITasks({ olderThanMs: 1000 })
      .then(({ tasks }) => console.log(JSON.stringify(tasks.map(({ id }) => id))))`
    const runs = [1, 2].map(() => evaluate(source, { DATABASE_URL: database.url }))
    const told = (await Promise.all(runs)).flatMap(({ out }) => JSON.parse(out))
    expect(told.sort()).toEqual(ids(items).sort())
    expect(await database.credits.getRemainingCredits('u')).toBe(TASKS * 2)
    expect(await violations(database)).toEqual([])
  })
})

describe('a media task and an AI task with the same id', () => {
  /** Both are `t`, of user `u`: the media task cost 10 and a step of 3, the AI task 20 and a step of 4. */
  async function withBoth() {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { createMediaTask, createAITask, chargeMediaTask, chargeAITask } = database.credits
    await createMediaTask(task('t', 'u'), 10)
    await createAITask(aiTask('t', 'u', { costCredits: 20 }))
    await chargeMediaTask('t', { credits: 3 })
    await chargeAITask('t', { credits: 4 })
    return { database, ...database.credits }
  }

  const credits = (charges) => charges.map((charge) => charge.credits)

  test('have separate charges', async () => {
    const { database, getMediaTaskCharges, getAITaskCharges } = await withBoth()
    expect(credits(await getMediaTaskCharges('t'))).toEqual([-10, -3])
    expect(credits(await getAITaskCharges('t'))).toEqual([-20, -4])
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['updateMediaTaskById', 'findAITaskById', 3],
    ['updateAITaskById', 'findMediaTaskById', 4],
  ])('%s to failed refunds its own', async (update, findOther, back) => {
    const made = await withBoth()
    const other = await made[findOther]('t')
    expect((await made[update]('t', { status: 'failed' })).refund.credits).toBe(back)
    expect(await made[findOther]('t')).toEqual(other)
    expect(await made.getRemainingCredits('u')).toBe(63 + back)
    expect(await violations(made.database)).toEqual([])
  })

  test('are settled and found stuck separately', async () => {
    const { database, settleMediaTask, settleAITask, failStuckAITasks, findStuckMediaTasks } =
      await withBoth()
    expect((await settleMediaTask('t', 1)).refund.credits).toBe(2)
    expect((await settleAITask('t', 1)).refund.credits).toBe(3)
    await database.sql('UPDATE ai_task SET updated_at = ?', ago(60))
    expect(await findStuckMediaTasks({ olderThanMs: MINUTE_MS })).toEqual([])
    expect((await failStuckAITasks({ olderThanMs: MINUTE_MS })).credits).toBe(1)
    expect(await violations(database)).toEqual([])
  })

  test('are replayed separately', async () => {
    const { database, createMediaTask, createAITask } = await withBoth()
    const replay = { replay: true }
    expect(await createMediaTask(task('t', 'u'), 10, replay)).toMatchObject({ replayed: true })
    expect(await createAITask(aiTask('t', 'u', { costCredits: 20 }), replay)).toMatchObject({
      replayed: true,
    })
    const other = () => createAITask(aiTask('t', 'u', { costCredits: 10 }), replay)
    expect(await refusal(database, other)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
  })
})

describe('a database without ai_task', () => {
  /** The zero of times, which no `timestamp` of MySQL has in every zone. */
  const LONG_AGO = new Date(byStorage({ sqlite: 0, postgres: 0, mysql: 86_400_000 }))

  /** A real app's database, which was not opened before the table was gone. */
  async function without() {
    const database = await TestDatabase.fixture()
    await database.sql('DROP TABLE ai_task')
    await database.user('u', 100)
    return { database, ...database.credits }
  }

  test('supports all functions of media tasks and credits', async () => {
    const made = await without()
    const before = await violations(made.database)
    const charge = await made.createMediaTask(task('t', 'u'), 10)
    await made.chargeMediaTask('t', { credits: 5 }, { status: 'translating' })
    expect(await made.getMediaTaskCharges('t')).toHaveLength(2)
    expect((await made.settleMediaTask('t', 2)).refund.credits).toBe(3)
    expect((await made.refundCredits(charge.creditId)).refund.credits).toBe(10)
    expect((await made.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(2)
    await made.createMediaTasks([{ task: task('t2', 'u'), costCredits: 10 }], { atomic: true })
    await made.database.sql("UPDATE media_tasks SET updated_at = ? WHERE id = 't2'", LONG_AGO)
    const oldest = await made.failStuckMediaTasks({ olderThanMs: 1000, limit: 1 })
    expect(oldest.tasks).toMatchObject([{ id: 't2', refund: { credits: 10 } }])
    expect(await made.quoteCredits('u', 5)).toMatchObject({ sufficient: true, available: 100 })
    expect((await made.getMediaTaskHistory('u')).total).toBe(2)
    expect(await made.getCreditsCount({ userId: 'u' })).toBe(4)
    expect(await made.getDiagnostics()).toMatchObject({
      storage: STORAGE,
    })
    expect(await violations(made.database)).toEqual(before)
  })

  test.each([
    ['createAITask', aiTask('t', 'u', { costCredits: 10 })],
    ['createAITask', aiTask('t', 'u'), { replay: true }],
    ['createAITasks', [aiTask('t', 'u', { costCredits: 10 })], { atomic: true }],
    ['updateAITaskById', 't', { status: 'failed' }],
    ['chargeAITask', 't', { credits: 5 }],
    ['settleAITask', 't', 5],
    ['findAITaskById', 't'],
    ['getAITaskCharges', 't'],
    ['getAITasks'],
    ['getAITasksCount'],
    ['findStuckAITasks', { olderThanMs: 1000 }],
    ['failStuckAITasks', { olderThanMs: 1000 }],
  ])('says of %s that the table is missing', async (name, ...args) => {
    const made = await without()
    const error = await refusal(made.database, () => made[name](...args))
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    expect(error.message).toContain('ai_task')
    // The connection still works.
    expect(await made.getRemainingCredits('u')).toBe(100)
    await made.createMediaTask(task('t', 'u'), 10)
    expect(await made.getRemainingCredits('u')).toBe(90)
  })
})

describe('many AI tasks at once', () => {
  test('are accepted up to the balance: 5 of 8', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 30, 20)
    const calls = Array.from({ length: 8 }, (_, at) =>
      database.credits.createAITask(aiTask(`t${at}`, 'u', { costCredits: 10 })),
    )
    expect(counted(await Promise.allSettled(calls))).toEqual({ accepted: 5, INSUFFICIENT_CREDITS: 3 })
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('can be created, charged, settled, delivered and failed beside media tasks of the same users', async () => {
    const database = await TestDatabase.fresh()
    const users = ['a', 'b', 'c']
    for (const user of users) await database.user(user, 400, 400)
    const life = async (at) => {
      const { createAITask, chargeAITask, settleAITask, updateAITaskById } = database.credits
      const { createMediaTask, updateMediaTaskById } = database.credits
      const [id, user] = [`t${at}`, users[at % 3]]
      await Promise.all([
        createAITask(aiTask(id, user, { costCredits: 10 })),
        createMediaTask(task(id, user), 5),
      ])
      await chargeAITask(id, { credits: 6 }, { status: 'processing' })
      await Promise.all([
        at % 2 ? settleAITask(id, 4) : updateAITaskById(id, { status: 'failed' }),
        updateMediaTaskById(id, { status: 'failed' }),
      ])
      if (at % 2) await updateAITaskById(id, { status: 'success' })
      // Of the failed ones the creation stays charged.
      return at % 2 ? 14 : 10
    }
    const taken = await Promise.all(Array.from({ length: 60 }, (_, at) => life(at)))
    const balances = await Promise.all(users.map((user) => database.credits.getRemainingCredits(user)))
    const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
    expect(sum(balances)).toBe(2400 - sum(taken))
    expect(await violations(database)).toEqual([])
  })

  test('are created in a batch, atomic or not', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 30)
    const items = Array.from({ length: 4 }, (_, at) => aiTask(`t${at}`, 'u', { costCredits: 10 }))
    const error = await refusal(database, () => database.credits.createAITasks(items, { atomic: true }))
    expect(error).toMatchObject({ code: 'INSUFFICIENT_CREDITS', index: 3 })
    const outcomes = await database.credits.createAITasks(items)
    expect(counted(outcomes)).toEqual({ accepted: 3, INSUFFICIENT_CREDITS: 1 })
    expect(await violations(database)).toEqual([])
  })
})
