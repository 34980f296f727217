'use strict'

const { connect } = require('../..')
const { failStuck } = require('../../lib/stuck-tasks')
const { untilNobodyWrites } = require('../helpers/callers')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')
const { counted } = require('../helpers/rows')

TestDatabase.reuse()

const TASKS = 250
const COST = 7
const OLD = { olderThanMs: 60_000 }

const numbered = Array.from({ length: TASKS }, (_, at) => `t${String(at).padStart(4, '0')}`)
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** Users `u0` to `u4` have 250 tasks that were not updated for an hour, and no others. */
async function withStuck() {
  const database = await TestDatabase.fresh()
  const users = Array.from({ length: 5 }, (_, at) => `u${at}`)
  const each = (TASKS / users.length) * COST
  for (const user of users) await database.user(user, 100, { credits: each - 100, expiresAt: null })
  const items = numbered.map((id, at) => ({
    task: task(id, users[at % users.length], { status: 'processing' }),
    costCredits: COST,
  }))
  await database.credits.createMediaTasks(items, { atomic: true })
  await database.sql('UPDATE media_tasks SET updated_at = ?', new Date(Date.now() - 3_600_000))
  const balance = async () =>
    sum(await Promise.all(users.map((user) => database.credits.getRemainingCredits(user))))
  expect(await balance()).toBe(0)
  return { database, balance }
}

/** Each task was failed by one of these runs, and each refund is reported once. */
async function isFailedOnce({ database, balance }, outcomes) {
  const tasks = outcomes.flatMap((outcome) => outcome.tasks)
  expect(tasks.map(({ id }) => id).sort()).toEqual(numbered)
  expect(new Set(tasks.map(({ refund }) => refund.credits))).toEqual(new Set([COST]))
  expect(outcomes.flatMap(({ errors }) => errors)).toEqual([])
  expect(sum(outcomes.map(({ credits }) => credits))).toBe(TASKS * COST)
  expect(sum(outcomes.map(({ spendable }) => spendable))).toBe(TASKS * COST)
  expect(await balance()).toBe(TASKS * COST)
  expect(await violations(database)).toEqual([])
}

/** The output of a separate process, which has this package as `credits`. */
async function printed(database, source) {
  const { out } = await evaluate(`${source}.then((found) => console.log(JSON.stringify(found)))`, {
    DATABASE_URL: database.url,
  })
  return JSON.parse(out)
}

/** Four workers that finish tasks one by one, the last one first. Returns the id of each finished task, or the code. */
async function finishAll(credits, ids) {
  const left = [...ids]
  const outcomes = []
  const worker = async () => {
    for (let id; (id = left.pop());) {
      const patch = { status: 'completed', progress: 100 }
      const call = credits.updateMediaTaskById(id, patch)
      outcomes.push(
        await call.then(
          () => id,
          ({ code }) => code,
        ),
      )
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  return outcomes
}

/** Each task was finished or failed, and the late caller got an error. */
async function isOneOrTheOther({ database, balance }, outcome, outcomes) {
  const completed = outcomes.filter((what) => numbered.includes(what))
  const failed = outcome.tasks.map(({ id }) => id)
  expect([...completed, ...failed].sort()).toEqual(numbered)
  expect(outcomes.filter((what) => what === 'TASK_REFUNDED').length).toBe(failed.length)
  expect(outcome.errors).toEqual([])
  expect(await balance()).toBe(failed.length * COST)
  expect(await violations(database)).toEqual([])
}

describe('concurrent calls of failStuckMediaTasks', () => {
  test('on two connections fail each stuck task once', async () => {
    const stuck = await withStuck()
    const second = connect({ url: stuck.database.url })
    const both = [stuck.database.credits, second]
    const outcomes = await Promise.all(both.map(({ failStuckMediaTasks }) => failStuckMediaTasks(OLD)))
    await second.close()
    await isFailedOnce(stuck, outcomes)
  })

  test('on one connection fail each stuck task once', async () => {
    const stuck = await withStuck()
    const calls = Array.from({ length: 4 }, () => stuck.database.credits.failStuckMediaTasks(OLD))
    await isFailedOnce(stuck, await Promise.all(calls))
  })

  test('in two processes fail each stuck task once', async () => {
    const stuck = await withStuck()
    const run = () => printed(stuck.database, `credits.failStuckMediaTasks(${JSON.stringify(OLD)})`)
    await isFailedOnce(stuck, await Promise.all([run(), run()]))
  })
})

describe('failStuckMediaTasks', () => {
  test('beside workers that finish tasks delivers or refunds each task, and never both', async () => {
    const stuck = await withStuck()
    const [outcome, outcomes] = await Promise.all([
      stuck.database.credits.failStuckMediaTasks(OLD),
      finishAll(stuck.database.credits, numbered),
    ])
    await isOneOrTheOther(stuck, outcome, outcomes)
    expect(outcome.tasks.length).toBeGreaterThan(0)
    expect(outcome.tasks.length).toBeLessThan(TASKS)
  })

  test('does not fail tasks that another process still updates', async () => {
    const stuck = await withStuck()
    const [outcome, outcomes] = await Promise.all([
      printed(stuck.database, `credits.failStuckMediaTasks(${JSON.stringify(OLD)})`),
      printed(stuck.database, `(${finishAll})(credits, ${JSON.stringify(numbered)})`),
    ])
    await isOneOrTheOther(stuck, outcome, outcomes)
  })

  test('fails each task once beside workers that report progress, fail, settle and charge', async () => {
    const stuck = await withStuck()
    const { failStuckMediaTasks, updateMediaTaskById, settleMediaTask, consumeCredits } =
      stuck.database.credits
    const reports = [
      (id) => updateMediaTaskById(id, { progress: 50 }),
      (id) => updateMediaTaskById(id, { status: 'failed', errorMessage: 'my own' }),
      (id) => settleMediaTask(id, 2),
      () => consumeCredits({ userId: 'u0', credits: 1 }),
    ]
    const settled = await Promise.allSettled([
      failStuckMediaTasks(OLD),
      failStuckMediaTasks(OLD),
      ...numbered.toReversed().flatMap((id, at) => (at < 100 ? [reports[at % reports.length](id)] : [])),
    ])
    // A refunded task has nothing to settle, and before the first refund no user has a balance.
    const codes = Object.keys(counted(settled))
    const expected = ['accepted', 'SETTLE_CONFLICT', 'INSUFFICIENT_CREDITS']
    expect(codes.filter((code) => !expected.includes(code))).toEqual([])
    const failed = settled.flatMap(({ value }) => value?.tasks ?? []).map(({ id }) => id)
    expect(new Set(failed).size).toBe(failed.length)
    expect(settled.flatMap(({ value }) => value?.errors ?? [])).toEqual([])
    expect(await violations(stuck.database)).toEqual([])
    await stuck.database.sql("UPDATE media_tasks SET updated_at = ? WHERE status = 'processing'", new Date(0))
    await failStuckMediaTasks(OLD)
    const charged = settled.filter(({ value }) => value?.credits === -1).length
    expect(await stuck.balance()).toBe(TASKS * COST - charged)
    expect(await violations(stuck.database)).toEqual([])
  })
})

describe('failStuckMediaTasks does not fail a task that was changed since it was found:', () => {
  test.each([
    ['a worker reported progress', ({ credits }) => credits.updateMediaTaskById('b', { progress: 90 }), 3],
    ['it was completed', ({ credits }) => credits.updateMediaTaskById('b', { status: 'completed' }), 3],
    ['another server failed it', ({ credits }) => credits.updateMediaTaskById('b', { status: 'failed' }), 0],
    ['a step was charged', ({ credits }) => credits.chargeMediaTask('b', { credits: 2 }), 5],
    [
      "the app's own client completed it without updated_at",
      (database) => database.sql("UPDATE media_tasks SET status = 'completed' WHERE id = 'b'"),
      3,
    ],
    ['its row was deleted', (database) => database.sql("DELETE FROM media_tasks WHERE id = 'b'"), 3],
  ])('%s', async (_, change, kept) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 20)
    for (const id of ['a', 'b', 'c']) await database.credits.createMediaTask(task(id, 'u'), 3)
    await database.sql('UPDATE media_tasks SET updated_at = ?', new Date(Date.now() - 3_600_000))
    let changed
    const find = async (query) => {
      const found = await database.credits.findStuckMediaTasks(query)
      await (changed ??= change(database))
      return found
    }
    const failStuckMediaTasks = failStuck(find, database.credits.updateMediaTaskById)
    const { tasks, credits, errors } = await failStuckMediaTasks(OLD)
    expect({ failed: tasks.map(({ id }) => id), credits, errors }).toEqual({
      failed: ['a', 'c'],
      credits: 6,
      errors: [],
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(20 - kept)
    // The deleted row's charge remains.
    const found = await violations(database)
    expect(found.filter((one) => !one.endsWith('is without its task b'))).toEqual([])
  })
})

test('after kill -9 of a server during failStuckMediaTasks the next one fails the rest, once', async () => {
  const stuck = await withStuck()
  const { database, balance } = stuck
  const failed = async () => {
    const [{ count }] = await database.sql(
      "SELECT count(*) AS count FROM media_tasks WHERE status = 'failed'",
    )
    return count
  }
  const counts = []
  // It dies when this many credits of one user are refunded: after the first batches, and between later ones.
  for (const seen of [1, 150]) {
    const source = `credits.failStuckMediaTasks(${JSON.stringify(OLD)})
      const watch = async () => {
        while ((await credits.getRemainingCredits('u0')) < ${seen});
        process.kill(process.pid, 'SIGKILL')
      }
      watch()`
    const { signal } = await evaluate(source, { DATABASE_URL: database.url })
    expect(signal).toBe('SIGKILL')
    await untilNobodyWrites(database)
    counts.push(await failed())
    expect(await balance()).toBe(counts.at(-1) * COST)
    expect(await violations(database)).toEqual([])
  }
  expect(counts[0]).toBeGreaterThan(0)
  const { tasks, credits, errors } = await database.credits.failStuckMediaTasks(OLD)
  expect(errors).toEqual([])
  expect({ now: tasks.length, credits }).toEqual({
    now: TASKS - counts.at(-1),
    credits: (TASKS - counts.at(-1)) * COST,
  })
  expect(tasks.length).toBeGreaterThan(0)
  expect(await failed()).toBe(TASKS)
  expect(await balance()).toBe(TASKS * COST)
  expect(await violations(database)).toEqual([])
})
