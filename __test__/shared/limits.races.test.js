'use strict'

const { untilNobodyWrites } = require('../helpers/callers')
const { TestDatabase, task } = require('../helpers/database')
const { atOnce, counted, inProcesses, outcome, values } = require('../helpers/calls')
const { CREATES, MEDIA_CREATES, ai, media, trial, trialsStayCounted, used } = require('../helpers/plans')
const { evaluate } = require('../helpers/processes')
const { byStorage } = require('../helpers/storage')

TestDatabase.reuse()

const [TOO_MANY, USED_UP, POOR] = ['TOO_MANY_ACTIVE_TASKS', 'FREE_TRIAL_USED_UP', 'INSUFFICIENT_CREDITS']
const asTrial = { isFreeTrial: true }

/** Users `u` and `v` with 1000 credits each, in several grants. */
async function withUsers() {
  const database = await TestDatabase.fresh()
  for (const user of 'uv') await database.user(user, 400, 400, 200)
  return database
}

/** The number of tasks of a table. */
const tasksOf = async (database, table = 'media_tasks') =>
  (await database.sql(`SELECT COUNT(*) AS count FROM ${table}`))[0].count

/** The outcomes of two or three processes, counted. */
const countedLines = (outcomes) =>
  counted(outcomes.flat().map((line) => (line === 'accepted' ? {} : { reason: { code: line } })))

trialsStayCounted()

describe.each(Object.entries(CREATES))('ten concurrent calls of %s', (_, { kind, make }) => {
  const table = kind === 'MediaTask' ? 'media_tasks' : 'ai_task'

  test('create three tasks with maxActive 3', async () => {
    const database = await withUsers()
    for (const userId of 'uv') {
      const settled = await atOnce(10, (at) =>
        make(database.credits, `${userId}${at}`, { maxActive: 3 }, { userId }),
      )
      expect(counted(settled)).toEqual({ accepted: 3, [TOO_MANY]: 7 })
      for (const { reason } of settled) if (reason) expect(reason).toMatchObject({ active: 3, maxActive: 3 })
    }
    expect(await tasksOf(database, table)).toBe(6)
    expect(await database.credits.getRemainingCredits('u')).toBe(997)
  })

  test('create three tasks for each of two users', async () => {
    const database = await withUsers()
    const settled = await atOnce(20, (at) =>
      make(database.credits, `t${at}`, { maxActive: 3 }, { userId: 'uv'[at % 2] }),
    )
    expect(counted(settled)).toEqual({ accepted: 6, [TOO_MANY]: 14 })
  })

  test('create one task once and replay it with maxActive 1', async () => {
    const database = await withUsers()
    const settled = await atOnce(10, () => make(database.credits, 't', { maxActive: 1, replay: true }))
    expect(counted(settled)).toEqual({ accepted: 1, replayed: 9 })
    expect(await database.credits.getRemainingCredits('u')).toBe(999)
  })
})

describe.each(Object.entries(MEDIA_CREATES))('ten concurrent free trials by %s', (_, { make }) => {
  test('use one trial if one is left', async () => {
    const database = await withUsers()
    const settled = await atOnce(10, (at) =>
      make(database.credits, `t${at}`, { freeTrialLimit: 1 }, { ...asTrial, cost: 0 }),
    )
    expect(counted(settled)).toEqual({ accepted: 1, [USED_UP]: 9 })
    expect(await used(database)).toBe(1)
  })

  test('count the same task once', async () => {
    const database = await withUsers()
    const settled = await atOnce(10, () =>
      make(database.credits, 't', { freeTrialLimit: 1, replay: true }, asTrial),
    )
    expect(counted(settled)).toEqual({ accepted: 1, replayed: 9 })
    expect(await used(database)).toBe(1)
  })
})

describe('several processes at the same moment:', () => {
  /** Calls that each make a task, with ids that no other process uses. */
  const creates = (prefix, count, options, more) =>
    Array.from({ length: count }, (_, at) => {
      const { task, costCredits } = media(`${prefix}${at}`, more)
      return ['createMediaTask', task, costCredits, options]
    })
  const aiCreates = (prefix, count, options) =>
    Array.from({ length: count }, (_, at) => ['createAITask', ai(`${prefix}${at}`, {}), options])

  test.each([
    ['two', 'ab'],
    ['three', 'abc'],
  ])('%s processes make as many tasks as may be active', async (_, names) => {
    const database = await withUsers()
    const outcomes = await inProcesses(
      database,
      ...[...names].map((name) => creates(name, 10, { maxActive: 4 })),
    )
    expect(countedLines(outcomes)).toEqual({ accepted: 4, [TOO_MANY]: 10 * names.length - 4 })
    expect(await tasksOf(database)).toBe(4)
    expect(await database.credits.getRemainingCredits('u')).toBe(996)
  })

  test.each([
    ['two', 'ab'],
    ['three', 'abc'],
  ])('%s processes make as many AI tasks as may be active', async (_, names) => {
    const database = await withUsers()
    const lists = [...names].map((name) => aiCreates(name, 10, { maxActive: 4 }))
    const outcomes = await inProcesses(database, ...lists)
    expect(countedLines(outcomes)).toEqual({ accepted: 4, [TOO_MANY]: 10 * names.length - 4 })
    expect(await tasksOf(database, 'ai_task')).toBe(4)
  })

  test.each([
    ['two', 'ab'],
    ['three', 'abc'],
  ])('%s of them use as many free trials as the limit allows', async (_, names) => {
    const database = await withUsers()
    const lists = [...names].map((name) => creates(name, 10, { freeTrialLimit: 3 }, asTrial))
    const outcomes = await inProcesses(database, ...lists)
    expect(countedLines(outcomes)).toEqual({ accepted: 3, [USED_UP]: 10 * names.length - 3 })
    expect(await used(database)).toBe(3)
  })

  test('the same free trials with replay are counted once each', async () => {
    const database = await withUsers()
    const calls = creates('t', 20, { freeTrialLimit: 20, replay: true }, asTrial)
    const outcomes = await inProcesses(database, calls, [...calls].reverse())
    expect(countedLines(outcomes)).toEqual({ accepted: 20, replayed: 20 })
    expect(await used(database)).toBe(20)
  })
})

describe('batches of 50', () => {
  const list = (prefix, more) => Array.from({ length: 50 }, (_, at) => media(`${prefix}${at}`, more))

  test('are written whole or not at all: one of four with maxActive 50', async () => {
    const database = await withUsers()
    const options = { atomic: true, maxActive: 50 }
    const settled = await atOnce(4, (at) => database.credits.createMediaTasks(list(`b${at}-`), options))
    expect(counted(settled)).toEqual({ accepted: 1, [TOO_MANY]: 3 })
    for (const { reason } of settled) if (reason) expect(reason).toMatchObject({ active: 50, index: 0 })
    expect(await tasksOf(database)).toBe(50)
  })

  test('never exceed maxActive, with single tasks beside them', async () => {
    const database = await withUsers()
    const { createMediaTask, createMediaTasks } = database.credits
    const settled = await atOnce(24, (at) =>
      at % 8 === 3
        ? createMediaTasks(list(`b${at}-`), { atomic: true, maxActive: 60 })
        : createMediaTask(task(`t${at}`, 'u'), 1, { maxActive: 60 }),
    )
    const made = values(settled).flat().length
    expect(await tasksOf(database)).toBe(made)
    // A batch fits with at most ten others, and single tasks are created until the limit is reached.
    expect([21, 60]).toContain(made)
    expect(Object.keys(counted(settled)).sort()).toEqual([TOO_MANY, 'accepted'])
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - made)
  })

  test('that are not atomic use as many free trials as are left', async () => {
    const database = await withUsers()
    const options = { freeTrialLimit: 30 }
    const calls = ['a', 'b'].map((name) => database.credits.createMediaTasks(list(name, asTrial), options))
    const settled = (await Promise.all(calls)).flat()
    expect(counted(settled)).toEqual({ accepted: 30, [USED_UP]: 70 })
    expect(await used(database)).toBe(30)
  })

  test('use free trials for all items or for none', async () => {
    const database = await withUsers()
    const options = { atomic: true, freeTrialLimit: 120 }
    const settled = await atOnce(5, (at) =>
      database.credits.createMediaTasks(list(`b${at}-`, { ...asTrial, userId: 'uv'[at % 2] }), options),
    )
    expect(settled.map(outcome).sort()).toEqual([USED_UP, ...Array(4).fill('accepted')])
    expect([await used(database), await used(database, 'v')]).toEqual([100, 100])
  })
})

describe('concurrent calls:', () => {
  test('charges, tasks and free trials of one user stay within the limits and the balance', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 20, 10)
    const { consumeCredits, createMediaTask, createAITask } = database.credits
    const kinds = [
      () => consumeCredits({ userId: 'u', credits: 1 }),
      (at) => createMediaTask(task(`t${at}`, 'u'), 1, { maxActive: 8 }),
      (at) => createMediaTask(trial(`t${at}`), 0, { maxActive: 8, freeTrialLimit: 2 }),
      (at) => createAITask(ai(`t${at}`, {}), { maxActive: 4 }),
    ]
    const settled = await atOnce(80, (at) => kinds[at % kinds.length](at))
    const [charges, tasks, trials, aiTasks] = kinds.map((_, kind) =>
      counted(settled.filter((_, at) => at % kinds.length === kind)),
    )
    const media = (tasks.accepted ?? 0) + (trials.accepted ?? 0)
    expect(trials.accepted).toBe(2)
    expect(aiTasks.accepted).toBe(4)
    expect(media).toBe(8)
    expect(charges).toEqual({ accepted: 20 })
    expect(tasks[POOR]).toBeUndefined()
    expect(await database.credits.getRemainingCredits('u')).toBe(30 - 20 - 4 - tasks.accepted)
  })

  test('free trials that are used and returned never exceed their limit', async () => {
    const database = await withUsers()
    const { createMediaTask, updateMediaTaskById } = database.credits
    const most = []
    const settled = await atOnce(12, async (number) => {
      const taken = []
      for (let at = 0; at < 6; at++) {
        const id = `t${number}-${at}`
        try {
          await createMediaTask(trial(id), 1, { freeTrialLimit: 3, maxActive: 100 })
        } catch (error) {
          if (error.code !== USED_UP) throw error
          continue
        }
        taken.push(id)
        most.push(await used(database))
        await Promise.all([1, 2].map(() => updateMediaTaskById(id, { status: 'failed' })))
      }
      return taken
    })
    expect(values(settled)).toHaveLength(12)
    expect(values(settled).flat().length).toBeGreaterThan(3)
    expect(Math.max(...most)).toBeLessThanOrEqual(3)
    expect(await used(database)).toBe(0)
    expect(await database.credits.getRemainingCredits('u')).toBe(1000)
  })
})

describe("beside the app's own client", () => {
  // Its counts belong to no task here, so a task is made for each.
  const appCounts = (database, at) =>
    database.run(
      byStorage({ sqlite: 'BEGIN IMMEDIATE', postgres: 'BEGIN' }),
      `UPDATE "user" SET free_trial_used = free_trial_used + 1 WHERE id = 'u'`,
      [
        `INSERT INTO media_tasks (id, user_id, platform, video_url, status, is_free_trial, created_at, updated_at)
          VALUES (?, 'u', 'x', 'y', 'completed', ${byStorage({ sqlite: 1, postgres: true })}, ?, ?)`,
        ...[`app ${at}`, new Date(), new Date()],
      ],
      'COMMIT',
    )

  test('which counts trials too, no count is lost', async () => {
    const ROUNDS = 30
    const database = await withUsers()
    const own = []
    for (let at = 0; at < ROUNDS; at++) {
      own.push(database.credits.createMediaTask(trial(`t${at}`), 1, { freeTrialLimit: 1000 }))
      await appCounts(database, at)
    }
    await Promise.all(own)
    expect(await used(database)).toBe(2 * ROUNDS)
  })

  test('which counts trials too, the limit is not exceeded', async () => {
    const [ROUNDS, LIMIT] = [20, 12]
    const database = await withUsers()
    const own = []
    for (let at = 0; at < ROUNDS; at++) {
      for (const half of 'ab') {
        const call = database.credits.createMediaTask(trial(`t${at}${half}`), 1, { freeTrialLimit: LIMIT })
        own.push(call.then(() => 'accepted').catch((error) => error))
      }
      await appCounts(database, at)
    }
    const outcomes = await Promise.all(own)
    for (const { code, used, limit } of outcomes.filter((one) => one !== 'accepted')) {
      expect({ code, limit, usedUp: used >= LIMIT }).toEqual({ code: USED_UP, limit: LIMIT, usedUp: true })
    }
    const accepted = outcomes.filter((one) => one === 'accepted').length
    expect(accepted).toBeLessThanOrEqual(LIMIT)
    expect(await used(database)).toBe(ROUNDS + accepted)
  })
})

test('after kill -9 of processes that use and return free trials each counted trial has a task', async () => {
  const database = await withUsers()
  await database.credits.close()
  let told = []
  for (const [round, replies] of [7, 40, 101, 163].entries()) {
    // Sixteen callers; the process dies after this many answers, while other callers wait.
    const source = `
      const fs = require('node:fs')
      let left = ${replies}
      const say = (line) => { fs.writeSync(1, line + '\\n'); if (--left === 0) process.kill(process.pid, 'SIGKILL') }
      const caller = async (number) => {
        for (let at = 0; ; at++) {
          const id = '${round}-' + number + '-' + at
          const task = { id, userId: 'uv'[number % 2], platform: 'youtube', videoUrl: 'x', isFreeTrial: true }
          await credits.createMediaTask(task, at % 2, { freeTrialLimit: 1e6, replay: true })
          say('created ' + id)
          if (at % 3) continue
          await credits.updateMediaTaskById(id, { status: 'failed' })
          say('failed ' + id)
        }
      }
      for (let number = 0; number < 16; number++) caller(number)`
    const { signal, out } = await evaluate(source, { DATABASE_URL: database.url })
    expect(signal).toBe('SIGKILL')
    await untilNobodyWrites(database)
    const lines = out.split('\n')
    expect(lines.length).toBe(replies)
    told = told.concat(lines)
    const rows = new Map((await database.sql('SELECT * FROM media_tasks')).map((row) => [row.id, row]))
    const untrue = told.filter((line) => {
      const [what, id] = line.split(' ')
      return what === 'failed' ? rows.get(id)?.status !== 'failed' : rows.get(id)?.is_free_trial !== 1
    })
    expect(untrue).toEqual([])
    const counts = (await used(database)) + (await used(database, 'v'))
    const working = [...rows.values()].filter(({ status }) => status !== 'failed').length
    expect(counts).toBe(working)
  }
})
