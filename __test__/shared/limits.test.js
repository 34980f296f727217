'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { outcome, staysSound, writingNothing } = require('../helpers/calls')
const { KINDS } = require('../helpers/kinds')
const { CREATES, NO_LIMITS, ai, media } = require('../helpers/plans')

TestDatabase.reuse()

// The limit of a plan: the number of unfinished tasks.

const TOO_MANY = 'TOO_MANY_ACTIVE_TASKS'

/** The statuses in which a task counts, and some in which it does not. */
const STATUSES = {
  MediaTask: {
    count: ['pending', 'downloading', 'processing', 'translating'],
    others: ['extracted', 'completed', 'failed', 'paused', 'Pending', 'PROCESSING', ' processing', ''],
  },
  AITask: {
    count: ['pending', 'processing'],
    others: ['success', 'failed', 'canceled', 'downloading', 'translating', 'Pending', 'queued', ''],
  },
}

/** User `u` has 100 credits, and `v` has. */
async function withUsers(options) {
  const database = await TestDatabase.fresh(options)
  await database.user('u', 60, 40)
  await database.user('v', 100)
  return database
}

staysSound()

describe.each(Object.entries(CREATES))('%s with maxActive', (_, { kind, make, operation }) => {
  const { create, table } = KINDS[kind]
  const other = kind === 'MediaTask' ? KINDS.AITask : KINDS.MediaTask

  /** A user with this many pending tasks, and a call that creates another one. */
  async function withPending(count, options) {
    const database = await withUsers(options)
    for (let at = 0; at < count; at++) await create(database.credits, `p${at}`, 0)
    return { database, another: (options, more) => make(database.credits, 'new', options, more) }
  }

  test('counts unfinished tasks', async () => {
    const database = await withUsers()
    const { count, others } = STATUSES[kind]
    const found = {}
    for (const status of [...count, ...others]) {
      const userId = await database.user(`user of ${status}`)
      await create(database.credits, `t ${status}`, 0, { status, userId })
      const call = make(database.credits, `new ${status}`, { maxActive: 1 }, { userId, cost: 0 })
      found[status] = outcome((await Promise.allSettled([call]))[0])
    }
    expect(found).toEqual(
      Object.fromEntries([...count.map((one) => [one, TOO_MANY]), ...others.map((one) => [one, 'accepted'])]),
    )
  })

  test('counts a deleted task, which is still processed', async () => {
    const { database, another } = await withPending(1)
    await database.sql(`UPDATE ${table} SET deleted_at = ?`, new Date())
    expect(await refusal(database, () => another({ maxActive: 1 }))).toMatchObject({ code: TOO_MANY })
  })

  test("counts neither another user's tasks nor those of the other kind", async () => {
    const { database, another } = await withPending(0)
    for (const at of [1, 2, 3]) {
      await create(database.credits, `v's ${at}`, 1, { userId: 'v' })
      await other.create(database.credits, `other ${at}`, 1)
    }
    expect(await another({ maxActive: 1 })).toMatchObject({ id: 'new', status: 'pending' })
  })

  test.each([
    [0, 0],
    [1, 1],
    [3, 3],
    [3, 2],
    [5, 0],
  ])('refuses one more task if there are %i, of %i, and says so', async (active, maxActive) => {
    const { database, another } = await withPending(active)
    const error = await refusal(database, () => another({ maxActive }))
    expect(error).toMatchObject({ code: TOO_MANY, active, maxActive, retryable: false })
    expect(error.message).toContain(`Too many active tasks, ${active} of ${maxActive}`)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test.each([
    ['one more than there are', { maxActive: 3 }],
    ['far more than there are', { maxActive: Number.MAX_SAFE_INTEGER }],
    ['null', { maxActive: null }],
    ['undefined', { maxActive: undefined }],
    ['missing', {}],
    ['missing, like all options', undefined],
  ])('accepts a third task if the limit is %s', async (_, options) => {
    const { another, database } = await withPending(2)
    expect(await another(options)).toMatchObject({ id: 'new', status: 'pending' })
    expect(await database.credits.getRemainingCredits('u')).toBe(99)
  })

  test('must be a whole number from 0, or null', async () => {
    const { another, database } = await withPending(0)
    for (const maxActive of NO_LIMITS) {
      const error = await refusal(database, () => another({ maxActive }))
      expect([maxActive, error.code, error.field]).toEqual([maxActive, 'INVALID_ARGUMENT', 'maxActive'])
      expect(error.message).toContain('a whole number from 0, or null for no limit')
    }
  })

  test('accepts a task again after another one has finished', async () => {
    const { database, another } = await withPending(2)
    const over = kind === 'MediaTask' ? ['extracted', 'failed'] : ['success', 'failed']
    for (const [at, status] of over.entries()) {
      await refusal(database, () => another({ maxActive: 2 - at }))
      await database.credits[`update${kind}ById`](`p${at}`, { status })
    }
    expect(await another({ maxActive: 1 })).toMatchObject({ id: 'new' })
  })

  test('refuses even a task whose own status does not count', async () => {
    const { database, another } = await withPending(1)
    const [status] = STATUSES[kind].others
    const error = await refusal(database, () => another({ maxActive: 1 }, { status }))
    expect(error).toMatchObject({ code: TOO_MANY, active: 1 })
  })

  test('rejects with the error that is checked first', async () => {
    const { database, another } = await withPending(1)
    await make(database.credits, 'taken')
    const { id: foreign } = await database.credits.consumeCredits({ userId: 'v', credits: 1 })
    const [nobody, full] = [{ userId: 'nobody' }, { maxActive: 0 }]
    const trials = kind === 'MediaTask' ? { freeTrialLimit: 0 } : {}
    const asTrial = kind === 'MediaTask' ? { isFreeTrial: true } : {}
    const rows = [
      // id, options, the task; the code
      ['new', { maxActive: -1 }, nobody, 'INVALID_ARGUMENT'],
      ['new', full, { ...nobody, color: 'red' }, 'UNKNOWN_FIELD'],
      ['new', { ...full, ...trials }, { ...nobody, cost: 1000 }, 'USER_NOT_FOUND'],
      ['taken', { ...full, ...trials }, { ...asTrial, cost: 1000 }, 'TASK_EXISTS'],
      ['new', full, { cost: 0, creditId: 'nothing' }, 'CHARGE_NOT_FOUND'],
      ['new', full, { cost: 0, creditId: foreign }, 'CHARGE_OWNER_MISMATCH'],
      ['new', { ...full, ...trials }, { ...asTrial, cost: 1000 }, TOO_MANY],
      ['new', { maxActive: 3 }, { cost: 1000 }, 'INSUFFICIENT_CREDITS'],
      ...(kind === 'MediaTask'
        ? [['new', { maxActive: 3, ...trials }, { ...asTrial, cost: 1000 }, 'FREE_TRIAL_USED_UP']]
        : []),
    ]
    for (const [id, options, more, code] of rows) {
      expect(await refusal(database, () => make(database.credits, id, options, more))).toMatchObject({ code })
    }
    expect(await another({ maxActive: 3 }, { cost: 98 })).toMatchObject({ id: 'new' })
  })

  test('replays a task although the limit is reached', async () => {
    const { database, another } = await withPending(1)
    const limit = { maxActive: 2, replay: true }
    const { updatedAt, ...first } = await another(limit)
    for (const maxActive of [2, 1, 0]) {
      const again = await writingNothing(database, () => another({ maxActive, replay: true }))
      expect(again).toEqual({ ...first, updatedAt, replayed: true })
    }
    const another2 = () => another(limit, { cost: 7 })
    expect(await refusal(database, another2)).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', field: 'id' })
    const fresh = () => make(database.credits, 'newer', limit)
    expect(await refusal(database, fresh)).toMatchObject({ code: TOO_MANY, active: 2 })
  })

  test('emits a refusal, and counts it in stats()', async () => {
    // With options it has a connection of its own, which has counted nothing yet.
    const { database, another } = await withPending(1, {})
    const told = []
    database.credits.on('refused', (event) => told.push(event))
    for (const maxActive of [0, 1]) await refusal(database, () => another({ maxActive }))
    const task = { kind: kind === 'MediaTask' ? 'media' : 'ai', id: 'new' }
    const event = { operation, code: TOO_MANY, userId: 'u', task }
    expect(told).toEqual([event, event])
    const { operations } = await database.credits.stats()
    expect(operations[operation]).toMatchObject({ refused: { [TOO_MANY]: 2 }, failed: {} })
  })
})

describe.each([
  ['createMediaTasks', media, 'completed'],
  ['createAITasks', ai, 'success'],
])('a batch of %s', (name, item, delivered) => {
  /** Tasks `<prefix>0`, `<prefix>1`, … */
  const list = (prefix, count, more = {}) =>
    Array.from({ length: count }, (_, at) => item(`${prefix}${at}`, more))
  const atomic = (maxActive) => ({ atomic: true, maxActive })

  test('counts the items before', async () => {
    const database = await withUsers()
    const call = (count, options) => database.credits[name](list('b', count), options)
    const error = await refusal(database, () => call(4, atomic(3)))
    expect(error).toMatchObject({ code: TOO_MANY, active: 3, maxActive: 3, index: 3 })
    expect(await call(3, atomic(3))).toHaveLength(3)
    const more = await refusal(database, () => database.credits[name](list('c', 2), atomic(4)))
    expect(more).toMatchObject({ code: TOO_MANY, active: 4, index: 1 })
  })

  test('counts each user separately', async () => {
    const database = await withUsers()
    const items = [...list('u', 2), ...list('v', 2, { userId: 'v' })]
    const [u0, u1, v0, v1] = items
    expect(await database.credits[name]([v0, u0, v1, u1], atomic(2))).toHaveLength(4)
    const [more] = list('w', 1, { userId: 'v' })
    const error = await refusal(database, () => database.credits[name]([more], atomic(2)))
    expect(error).toMatchObject({ active: 2, index: 0 })
  })

  test('does not count items that are created as finished', async () => {
    const database = await withUsers()
    const over = { status: delivered }
    const items = [...list('over', 3, over), ...list('b', 1), ...list('more', 1, over)]
    const error = await refusal(database, () => database.credits[name](items, atomic(1)))
    expect(error).toMatchObject({ code: TOO_MANY, active: 1, index: 4 })
    expect(await database.credits[name](items.slice(0, 4), atomic(1))).toHaveLength(4)
  })

  test('creates as many tasks as the limit allows if it is not atomic', async () => {
    const database = await withUsers()
    const settled = await database.credits[name](list('b', 5), { maxActive: 3 })
    expect(settled.map(outcome)).toEqual([...Array(3).fill('accepted'), TOO_MANY, TOO_MANY])
    for (const { reason } of settled.slice(3)) expect(reason).toMatchObject({ active: 3, maxActive: 3 })
    expect(await database.credits.getRemainingCredits('u')).toBe(97)
  })

  test('is replayed although the limit is reached', async () => {
    const database = await withUsers()
    const call = (maxActive) => database.credits[name](list('b', 3), { ...atomic(maxActive), replay: true })
    const first = await call(3)
    const again = await writingNothing(database, () => call(0))
    expect(again).toEqual(first.map((row) => ({ ...row, replayed: true })))
  })
})

describe('updates', () => {
  test.each(Object.keys(KINDS))('of %s have no limit and refuse the option', async (kind) => {
    const database = await withUsers()
    await KINDS[kind].create(database.credits, 't', 0)
    for (const call of [
      () => database.credits[`update${kind}ById`]('t', { status: 'processing' }, { maxActive: 1 }),
      () => database.credits[`charge${kind}`]('t', { credits: 1 }, {}, { maxActive: 1 }),
    ]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'maxActive' })
    }
  })
})
