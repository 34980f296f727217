'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { atOnce, counted, values } = require('../helpers/calls')
const { untilWaiting } = require('../helpers/callers')
const { UNAVAILABLE, UNKNOWN, atCommit, gotThrough, loseNextAnswer, wasLost } = require('../helpers/commits')
const { foreignTransaction, throughProxy } = require('../helpers/network')
const { media, trial, trialsStayCounted, used } = require('../helpers/plans')
const { evaluate } = require('../helpers/processes')

// A plan's limits over a network that breaks, and with one connection, which a call that holds it must not wait for.

const USED_UP = 'FREE_TRIAL_USED_UP'
const OPTIONS = { freeTrialLimit: 1, maxActive: 5 }

trialsStayCounted()

/** Users `u` and `v` with 1000 credits each. */
async function withUsers(options) {
  const database = await TestDatabase.fresh(options)
  for (const user of 'uv') await database.user(user, 400, 400, 200)
  return database
}

/** The same, with DB_MAX_CONNECTIONS in the environment. */
async function withUsersIn(most) {
  const before = process.env.DB_MAX_CONNECTIONS
  process.env.DB_MAX_CONNECTIONS = most
  try {
    return await withUsers()
  } finally {
    if (before === undefined) delete process.env.DB_MAX_CONNECTIONS
    else process.env.DB_MAX_CONNECTIONS = before
  }
}

describe.each([
  ['maxConnections: 1', () => withUsers({ maxConnections: 1 })],
  ['DB_MAX_CONNECTIONS=1', () => withUsersIn('1')],
])('with %s', (_, open) => {
  async function narrow() {
    const database = await open()
    expect(await database.credits.getDiagnostics()).toMatchObject({ maxConnections: 1 })
    return { database, credits: database.credits }
  }

  /** Checks that there was only one connection. */
  async function hadOne(credits) {
    const { connections } = await credits.stats()
    expect(connections).toMatchObject({ most: 1, waiting: 0 })
    expect(connections.open).toBeLessThanOrEqual(1)
  }

  test('many concurrent calls all finish', async () => {
    const { database, credits } = await narrow()
    const kinds = [
      (at) => credits.createMediaTask(task(`paid${at % 20}`, 'u'), 2, { replay: true, maxActive: 1000 }),
      (at) =>
        credits.createMediaTask(trial(`trial${at % 20}`, 'v'), 0, { replay: true, freeTrialLimit: 1000 }),
      (at) => credits.updateMediaTaskById(`paid${at % 20}`, { status: 'failed' }),
      (at) => credits.updateMediaTaskById(`trial${at % 20}`, { status: 'failed' }),
      (at) => credits.chargeMediaTask(`trial${at % 20}`, { credits: 1 }, { status: 'translating' }),
      (at) =>
        credits.createMediaTasks(
          [media(`a${at % 20}`, { isFreeTrial: true }), media(`b${at % 20}`, { userId: 'v' })],
          { atomic: true, replay: true, freeTrialLimit: 1000 },
        ),
      (at) =>
        credits.createCredit({ userId: 'u', credits: 1, transactionNo: `g${at % 20}` }, { replay: true }),
      (at) =>
        credits.consumeCredits({ userId: 'v', credits: 1, transactionNo: `c${at % 20}` }, { replay: true }),
      () => credits.getRemainingCredits('u'),
      () => credits.getCredits({ getUser: true, limit: '2000' }),
      (at) => credits.settleMediaTask(`paid${at % 20}`, 2),
      () => credits.getStatement('u'),
    ]
    const settled = await atOnce(20 * kinds.length * 2, (at) =>
      kinds[at % kinds.length](Math.floor(at / kinds.length)),
    )
    const codes = Object.keys(counted(settled))
    // A failed task has nothing to settle.
    expect(codes.filter((code) => !['accepted', 'replayed', 'SETTLE_CONFLICT'].includes(code))).toEqual([])
    await hadOne(credits)
    expect(await used(database)).toBe(20)
  })

  test('ten concurrent calls create three tasks and use one free trial', async () => {
    const { database, credits } = await narrow()
    const tasks = await atOnce(10, (at) => credits.createMediaTask(task(`t${at}`, 'u'), 1, { maxActive: 3 }))
    expect(counted(tasks)).toEqual({ accepted: 3, TOO_MANY_ACTIVE_TASKS: 7 })
    const ai = await atOnce(10, (at) =>
      credits.createAITask(aiTask(`a${at}`, 'u', { costCredits: 1 }), { maxActive: 3 }),
    )
    expect(counted(ai)).toEqual({ accepted: 3, TOO_MANY_ACTIVE_TASKS: 7 })
    const trials = await atOnce(10, (at) => credits.createMediaTask(trial(`f${at}`, 'v'), 1, OPTIONS))
    expect(counted(trials)).toEqual({ accepted: 1, [USED_UP]: 9 })
    await hadOne(credits)
    expect(await used(database, 'v')).toBe(1)
  })

  test('a refusal frees the connection', async () => {
    const { database, credits } = await narrow()
    await credits.createMediaTask(trial('t'), 1, OPTIONS)
    for (let at = 0; at < 10; at++) {
      const calls = [
        () => credits.createMediaTask(trial('new'), 1, OPTIONS),
        () => credits.createMediaTask(task('new', 'u'), 1, { maxActive: 0 }),
        () => credits.createMediaTask(trial('t'), 1, OPTIONS),
        () => credits.createMediaTasks([media('new', { isFreeTrial: true })], { ...OPTIONS, atomic: true }),
        () => credits.createCredit({ userId: 'nobody', credits: 1 }),
        () => credits.updateMediaTaskById('t', { status: 'failed' }, { ifStatus: 'completed' }),
      ]
      expect(Object.keys(counted(await atOnce(calls.length, (at) => calls[at]()))).sort()).toEqual([
        USED_UP,
        'TASK_EXISTS',
        'TASK_STATE_CONFLICT',
        'TOO_MANY_ACTIVE_TASKS',
        'USER_NOT_FOUND',
      ])
    }
    await hadOne(credits)
    expect(await used(database)).toBe(1)
  })
})

test('all calls of a process with DB_MAX_CONNECTIONS=1 finish', async () => {
  const database = await withUsers()
  const source = `
    const task = (id) => ({ id, userId: 'u', platform: 'x', videoUrl: 'y', isFreeTrial: true })
    const calls = Array.from({ length: 40 }, (_, at) =>
      credits.createMediaTask(task('t' + at % 20), 1, { replay: true, freeTrialLimit: 15 })
        .then(({ id }) => at % 2 && credits.updateMediaTaskById(id, { status: 'failed' }))
        .then(() => 'done', ({ code }) => code))
    Promise.all(calls).then(async (all) => {
      const { maxConnections } = await credits.getDiagnostics()
      console.log(JSON.stringify({ codes: [...new Set(all)].sort(), maxConnections }))
    })`
  const { out, code } = await evaluate(source, { DATABASE_URL: database.url, DB_MAX_CONNECTIONS: '1' })
  expect({ out, code }).toEqual({ out: expect.stringContaining('{'), code: 0 })
  const { codes, maxConnections } = JSON.parse(out)
  expect(maxConnections).toBe(1)
  expect(['done', USED_UP]).toEqual(expect.arrayContaining(codes))
  expect(codes).toContain('done')
})

/** A database, and an open connection to it behind a proxy. */
async function open(options) {
  const database = await withUsers()
  const through = await throughProxy(database, options)
  await through.credits.createMediaTask(task('t', 'u'), 10)
  return { database, ...through }
}

describe.each([
  ['ten connections', {}],
  ['one connection', { maxConnections: 1 }],
])('a free trial whose COMMIT breaks, with %s:', (_, options) => {
  const take = ({ createMediaTask }, limit = 1, cost = 5) =>
    createMediaTask(trial('new'), cost, { freeTrialLimit: limit, maxActive: 5 })

  test.each([0, 5])(
    'returns the row, counted once, if the COMMIT was written and its answer lost (cost %i)',
    async (cost) => {
      const { database, proxy, credits } = await open(options)
      atCommit(proxy, gotThrough)
      expect(await take(credits, 1, cost)).toMatchObject({ id: 'new', isFreeTrial: true })
      expect(await used(database)).toBe(1)
      expect(await refusal(database, () => take(credits))).toMatchObject({ code: 'TASK_EXISTS' })
      expect(await used(database)).toBe(1)
    },
  )

  test.each([0, 5])('counts nothing and is retryable if the COMMIT was lost (cost %i)', async (cost) => {
    const { database, proxy, credits } = await open(options)
    atCommit(proxy, wasLost)
    expect(await refusal(database, () => take(credits, 1, cost))).toMatchObject(UNAVAILABLE)
    expect(await used(database)).toBe(0)
    expect(await take(credits, 1, cost)).toMatchObject({ id: 'new' })
    expect(await used(database)).toBe(1)
  })

  test('is repeated and counted once if the connection breaks before the COMMIT', async () => {
    const { database, proxy, credits } = await open(options)
    loseNextAnswer(proxy)
    expect(await take(credits)).toMatchObject({ id: 'new' })
    expect(await used(database)).toBe(1)
  })

  test.each([
    ['got through', gotThrough, 1],
    ['was lost', wasLost, 0],
  ])('a batch whose COMMIT %s', async (_, act, expected) => {
    const { database, proxy, credits } = await open(options)
    const batch = (replay) =>
      credits.createMediaTasks(
        [media('a', { isFreeTrial: true }), media('b', {}), media('c', { isFreeTrial: true, userId: 'v' })],
        { atomic: true, freeTrialLimit: 1, replay },
      )
    atCommit(proxy, act)
    const first = await batch(false).catch((error) => error)
    if (expected) expect(first).toHaveLength(3)
    else expect(first).toMatchObject(UNAVAILABLE)
    expect([await used(database), await used(database, 'v')]).toEqual([expected, expected])
    expect(await batch(true)).toHaveLength(3)
    expect([await used(database), await used(database, 'v')]).toEqual([1, 1])
  })

  test.each([
    ['got through', gotThrough, 0],
    ['was lost', wasLost, 1],
  ])('a failure whose COMMIT %s: a second call gives back what there is', async (_, act, expected) => {
    const { database, proxy, credits } = await open(options)
    await take(credits)
    await credits.createMediaTask(trial('other'), 0, { freeTrialLimit: 2 })
    const fail = () => credits.updateMediaTaskById('new', { status: 'failed' })
    atCommit(proxy, act)
    await expect(fail()).rejects.toMatchObject(UNKNOWN)
    expect(await used(database)).toBe(expected + 1)
    for (let at = 0; at < 2; at++) {
      expect(await fail()).toMatchObject({ status: 'failed' })
      expect(await used(database)).toBe(1)
    }
  })

  test.each([
    ['got through', gotThrough],
    ['was lost', wasLost],
  ])('a step that revives its task and whose COMMIT %s', async (_, act) => {
    const { database, proxy, credits } = await open(options)
    await take(credits)
    await credits.updateMediaTaskById('new', { status: 'failed' })
    const step = () =>
      credits.chargeMediaTask('new', { credits: 3 }, { status: 'processing' }, { ifStatus: 'failed' })
    atCommit(proxy, act)
    const first = await step().catch((error) => error)
    if (act === gotThrough) {
      expect(first).toMatchObject({ status: 'processing' })
    } else {
      expect(first).toMatchObject(UNAVAILABLE)
      expect(await used(database)).toBe(0)
      await step()
    }
    expect(await used(database)).toBe(1)
  })

  test('stays correct for many concurrent calls while connections break', async () => {
    const { database, proxy, credits } = await open(options)
    let messages = 0
    // Primes, so that they hit each message of a transaction.
    proxy.onClientData = (_, connection) => {
      if (++messages % 13 === 0) connection.kill()
      else if (messages % 17 === 0) connection.loseAnswer()
      return true
    }
    const settled = await atOnce(60, async (at) => {
      const userId = 'uv'[at % 2]
      const row = await credits.createMediaTask(trial(`n${at}`, userId), at % 3, { freeTrialLimit: 20 })
      if (at % 4 === 0) await credits.updateMediaTaskById(row.id, { status: 'failed' })
      return row
    })
    const known = ['accepted', 'DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN', USED_UP]
    expect(Object.keys(counted(settled)).filter((what) => !known.includes(what))).toEqual([])
    proxy.onClientData = () => {}
    const rows = new Set((await database.sql('SELECT id FROM media_tasks')).map(({ id }) => id))
    expect(values(settled).filter(({ id }) => !rows.has(id))).toEqual([])
    for (const user of 'uv') expect(await used(database, user)).toBeLessThanOrEqual(20)
  })
})

test('a later call sees what an open transaction of the app has counted when it commits', async () => {
  const database = await withUsers()
  const app = await foreignTransaction(
    database,
    `UPDATE "user" SET free_trial_used = free_trial_used + 1 WHERE id = 'u'`,
    `INSERT INTO media_tasks (id, user_id, platform, video_url, status, is_free_trial)
      VALUES ('app', 'u', 'x', 'y', 'completed', true)`,
  )
  const call = database.credits.createMediaTask(trial('new'), 1, OPTIONS).catch((error) => error)
  await untilWaiting(database)
  await app.commit()
  expect(await call).toMatchObject({ code: USED_UP, used: 1, limit: 1 })
})

test('a later call does not see what a transaction of the app counted that is rolled back', async () => {
  const database = await withUsers()
  const app = await foreignTransaction(
    database,
    `UPDATE "user" SET free_trial_used = free_trial_used + 1 WHERE id = 'u'`,
  )
  const call = database.credits.createMediaTask(trial('new'), 1, OPTIONS)
  await untilWaiting(database)
  await app.sql('ROLLBACK')
  expect(await call).toMatchObject({ id: 'new' })
  expect(await used(database)).toBe(1)
})

test('ten concurrent calls on two connections, serializable by default, use all trials that are left', async () => {
  const database = await withUsers()
  const name = database.store.name
  await database.sql(`ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`)
  // Another address makes another engine.
  const both = [database.credits, (await throughProxy(database)).credits]
  const settled = await atOnce(20, (at) =>
    both[at % 2].createMediaTask(trial(`t${at}`), 1, { freeTrialLimit: 4, maxActive: 100 }),
  )
  expect(counted(settled)).toEqual({ accepted: 4, [USED_UP]: 16 })
  expect(await used(database)).toBe(4)
})

describe('columns of other types:', () => {
  const retype = (table, column, type, using) =>
    `ALTER TABLE "${table}" ALTER ${column} DROP DEFAULT, ALTER ${column} TYPE ${type} USING ${using}`

  // Types of the counter and the flag in which free trials can be counted.
  test.each([
    ['user', 'free_trial_used', 'bigint', 'free_trial_used'],
    ['user', 'free_trial_used', 'smallint', 'free_trial_used'],
    ['user', 'free_trial_used', 'numeric', 'free_trial_used'],
    ['user', 'updated_at', 'timestamptz', `updated_at AT TIME ZONE 'UTC'`],
    ['media_tasks', 'status', 'varchar(20)', 'status'],
  ])('%s.%s %s counts', async (table, column, type, using) => {
    const database = await withUsers()
    await database.sql(retype(table, column, type, using))
    const { createMediaTask, updateMediaTaskById } = database.credits
    await createMediaTask(trial('t', 'u', { status: 'pending' }), 5, OPTIONS)
    const more = () => createMediaTask(trial('more', 'u', { status: 'pending' }), 5, OPTIONS)
    expect(await refusal(database, more)).toMatchObject({ code: USED_UP, used: 1, limit: 1 })
    expect((await updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(5)
    expect(Number(await used(database))).toBe(0)
  })
})

describe('columns in which free trials can not be counted:', () => {
  // A fork whose counter is a flag, or whose flag is a number or text.
  test.each([
    ['user', 'free_trial_used', 'boolean', true],
    ['user', 'free_trial_used', 'text', true],
    ['media_tasks', 'is_free_trial', 'integer', 1],
    ['media_tasks', 'is_free_trial', 'text', 'true'],
  ])('with %s.%s of type %s all else is as it was', async (table, column, type, isFreeTrial) => {
    const database = await withUsers()
    await database.sql(
      `ALTER TABLE "${table}" ALTER ${column} DROP DEFAULT, ALTER ${column} TYPE ${type} USING NULL`,
    )
    const { createMediaTask, updateMediaTaskById, chargeMediaTask, getRemainingCredits } = database.credits
    await createMediaTask(task('t', 'u', { isFreeTrial }), 5)
    expect(await updateMediaTaskById('t', { progress: 5 })).toMatchObject({ progress: 5 })
    expect((await updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(5)
    await chargeMediaTask('t', { credits: 3 }, { status: 'translating' })
    expect((await updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(3)
    expect(await getRemainingCredits('u')).toBe(1000)
    const counted = () => createMediaTask(task('new', 'u', { isFreeTrial }), 5, OPTIONS)
    const error = await refusal(database, counted)
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    expect(error.message).toContain(`${table}.${column} is ${type}`)
    // The checks afterwards expect the app's own types.
    await database.run(
      'ALTER TABLE "user" ALTER free_trial_used TYPE integer USING NULL',
      'ALTER TABLE media_tasks ALTER is_free_trial TYPE boolean USING NULL',
    )
  })
})
