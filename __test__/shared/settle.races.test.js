'use strict'

const { connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')
const { counted, creditRow, remaining } = require('../helpers/rows')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const CALLS = 20
const ALL = { a: 4, b: 3, c: 50 }

/** User `u` has grants of 4, 3 and 50, and a task `t` that cost 30 of them. */
async function withTask() {
  const database = await TestDatabase.fresh()
  const inDays = (days) => new Date(Date.now() + days * 86_400_000)
  await database.user(
    'u',
    { id: 'a', credits: 4, expiresAt: inDays(1) },
    { id: 'b', credits: 3, expiresAt: inDays(2) },
    { id: 'c', credits: 50, expiresAt: inDays(3) },
  )
  const { creditId } = await database.credits.createMediaTask(task('t', 'u'), 30)
  return { database, charge: creditId }
}

/** Runs something with two connections to a database. */
async function withTwo(database, use) {
  const second = connect({ url: database.url })
  try {
    return await use([database.credits, second])
  } finally {
    await second.close()
  }
}

/** `CALLS` concurrent calls, every other one on another connection: the outcome of each. */
function atOnce(database, call) {
  return withTwo(database, (two) =>
    Promise.allSettled(Array.from({ length: CALLS }, (_, at) => call(two[at % 2], at))),
  )
}

const returned = (settled) =>
  settled.flatMap(({ value }) => value?.refund.credits ?? []).sort((one, other) => one - other)

describe('many settlements of one task at once', () => {
  test.each([
    ['of a part', 12, { a: 0, b: 0, c: 45 }],
    ['of all of it', 30, { a: 0, b: 0, c: 27 }],
    ['to 0', 0, ALL],
  ])('%s, to the same number: one of them gives back', async (_, credits, left) => {
    const { database } = await withTask()
    const settled = await atOnce(database, ({ settleMediaTask }) => settleMediaTask('t', credits))
    expect(counted(settled)).toEqual({ accepted: CALLS })
    expect(returned(settled)).toEqual([...Array(CALLS - 1).fill(0), 30 - credits])
    expect(await remaining(database)).toEqual(left)
    expect(await violations(database)).toEqual([])
  })

  test('exactly one of several different amounts wins', async () => {
    const { database, charge } = await withTask()
    const settled = await atOnce(database, ({ settleMediaTask }, at) => settleMediaTask('t', at + 5))
    expect(counted(settled)).toEqual({ accepted: 1, SETTLE_CONFLICT: CALLS - 1 })
    const winner = settled.findIndex(({ status }) => status === 'fulfilled') + 5
    for (const { reason } of settled.filter((one) => one.reason)) expect(reason.settled).toBe(winner)
    expect((await creditRow(database, charge)).credits).toBe(-winner)
    expect(await database.credits.getRemainingCredits('u')).toBe(57 - winner)
    expect(await violations(database)).toEqual([])
  })

  test('beside partial and full refunds return no credit twice', async () => {
    const { database, charge } = await withTask()
    const settled = await atOnce(database, ({ refundCredits }, at) =>
      at % 3 === 0 ? refundCredits(charge) : refundCredits(charge, 12),
    )
    const back = returned(settled).filter((credits) => credits > 0)
    // The whole charge; or a part, and then the rest.
    expect([[30], [12, 18]]).toContainEqual(back)
    expect(Object.keys(counted(settled)).filter((what) => what !== 'SETTLE_CONFLICT')).toEqual(['accepted'])
    expect(await remaining(database)).toEqual(ALL)
    expect(await violations(database)).toEqual([])
  })
})

describe('a task that is settled and fails at the same moment', () => {
  test.each([0, 12, 30])(
    'is refunded once for 20 concurrent settlements to %d and failures',
    async (credits) => {
      const { database } = await withTask()
      const settled = await atOnce(database, ({ settleMediaTask, updateMediaTaskById }, at) =>
        at % 4 < 2 ? settleMediaTask('t', credits) : updateMediaTaskById('t', { status: 'failed' }),
      )
      const back = returned(settled).filter((number) => number > 0)
      expect(back.reduce((total, number) => total + number, 0)).toBe(30)
      expect(back.length).toBeLessThanOrEqual(2)
      expect(Object.keys(counted(settled)).filter((what) => what !== 'SETTLE_CONFLICT')).toEqual(['accepted'])
      expect(await remaining(database)).toEqual(ALL)
      expect(await violations(database)).toEqual([])
    },
  )

  test('keeps the invariants for 20 tasks that are settled to two amounts and failed, while others are charged', async () => {
    const { database } = await withTask()
    await database.user('v', ...Array(30).fill(20))
    const { createMediaTask, settleMediaTask, updateMediaTaskById, consumeCredits } = database.credits
    const ids = Array.from({ length: 20 }, (_, at) => `v${at}`)
    await Promise.all(ids.map((id) => createMediaTask(task(id, 'v'), 23)))
    const outcomes = await Promise.allSettled(
      ids.flatMap((id) => [
        settleMediaTask(id, 7),
        updateMediaTaskById(id, { status: 'failed' }),
        settleMediaTask(id, 11),
        consumeCredits({ userId: 'v', credits: 1 }),
      ]),
    )
    const unexpected = outcomes.filter(({ reason }) => reason && reason.code !== 'SETTLE_CONFLICT')
    expect(unexpected).toEqual([])
    expect(await database.credits.getRemainingCredits('v')).toBe(600 - 20)
    expect(await violations(database)).toEqual([])
  })
})

postgres.test.each(['serializable', 'repeatable read'])(
  'keeps the invariants with transactions that are %s by default',
  async (isolation) => {
    const database = await TestDatabase.fresh()
    const { name } = database.store
    await database.sql(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`)
    await database.user('u', 150, 150)
    const { createMediaTask, settleMediaTask, updateMediaTaskById, refundCredits } = database.credits
    const ids = Array.from({ length: 10 }, (_, at) => `t${at}`)
    const charges = []
    for (const id of ids) charges.push((await createMediaTask(task(id, 'u'), 30)).creditId)
    const settled = await Promise.allSettled(
      ids.flatMap((id, at) => [
        settleMediaTask(id, 12),
        refundCredits(charges[at], 18),
        settleMediaTask(id, 13),
        updateMediaTaskById(id, { status: 'failed' }),
        updateMediaTaskById(id, { status: 'failed' }),
      ]),
    )
    expect(Object.keys(counted(settled)).filter((what) => what !== 'SETTLE_CONFLICT')).toEqual(['accepted'])
    expect(returned(settled).reduce((total, credits) => total + credits, 0)).toBe(300)
    expect(await database.credits.getRemainingCredits('u')).toBe(300)
    expect(await violations(database)).toEqual([])
  },
)

test('if two processes settle the same tasks to different amounts, one wins for each task', async () => {
  const TASKS = 40
  const database = await TestDatabase.fresh()
  await database.user('u', ...Array(10).fill(100))
  const items = Array.from({ length: TASKS }, (_, at) => ({ task: task(`t${at}`, 'u'), costCredits: 20 }))
  await database.credits.createMediaTasks(items, { atomic: true })
  const settleAll = (credits) =>
    evaluate(
      `Promise.all(Array.from({ length: ${TASKS} }, (_, at) =>
         credits.settleMediaTask('t' + at, ${credits}).then(({ refund }) => refund.credits, ({ code }) => code)))
       .then((all) => console.log(JSON.stringify(all)))`,
      { DATABASE_URL: database.url },
    )
  const ends = await Promise.all([settleAll(5), settleAll(12)])
  const [fives, twelves] = ends.map(({ out }) => JSON.parse(out))
  const expected = fives.map((back) => (back === 15 ? 'SETTLE_CONFLICT' : 8))
  expect(twelves).toEqual(expected)
  expect(fives.filter((back) => back !== 15)).toEqual(
    Array(twelves.filter((back) => back === 8).length).fill('SETTLE_CONFLICT'),
  )
  const taken = fives.reduce((total, back) => total + (back === 15 ? 5 : 12), 0)
  expect(await database.credits.getRemainingCredits('u')).toBe(1000 - taken)
  expect(await violations(database)).toEqual([])
})

test('if two processes settle and fail the same tasks, each charge is refunded once', async () => {
  const TASKS = 40
  const database = await TestDatabase.fresh()
  await database.user('u', ...Array(10).fill(100))
  const items = Array.from({ length: TASKS }, (_, at) => ({ task: task(`t${at}`, 'u'), costCredits: 20 }))
  await database.credits.createMediaTasks(items, { atomic: true })
  const forAll = (call) =>
    evaluate(
      `Promise.all(Array.from({ length: ${TASKS} }, (_, at) =>
         ${call}.then(({ refund }) => refund.credits, ({ code }) => code)))
       .then((all) => console.log(JSON.stringify(all)))`,
      { DATABASE_URL: database.url },
    )
  const ends = await Promise.all([
    forAll("credits.settleMediaTask('t' + at, 5)"),
    forAll("credits.updateMediaTaskById('t' + at, { status: 'failed' })"),
  ])
  const [settled, failed] = ends.map(({ out }) => JSON.parse(out))
  expect(failed).toEqual(settled.map((back) => (back === 15 ? 5 : 20)))
  expect(settled.filter((back) => back !== 15 && back !== 'SETTLE_CONFLICT')).toEqual([])
  expect(await database.credits.getRemainingCredits('u')).toBe(1000)
  expect(await violations(database)).toEqual([])
})

test('after kill -9 of a process that settles, acknowledged settlements are written, and the rest can be settled once', async () => {
  const TASKS = 60
  const database = await TestDatabase.fresh()
  await database.user('u', ...Array(12).fill(100))
  const items = Array.from({ length: TASKS }, (_, at) => ({ task: task(`t${at}`, 'u'), costCredits: 20 }))
  await database.credits.createMediaTasks(items, { atomic: true })
  const source = `const left = Array.from({ length: ${TASKS} }, (_, at) => 't' + at)
    let told = 0
    const caller = async () => {
      for (let id; (id = left.shift()); ) {
        await credits.settleMediaTask(id, 5)
        require('node:fs').writeSync(1, id + '\\n')
        if (++told === ${TASKS / 3}) process.kill(process.pid, 'SIGKILL')
      }
    }
    for (let at = 0; at < 4; at++) caller()`
  const { signal, out } = await evaluate(source, { DATABASE_URL: database.url })
  const told = out.split('\n')
  expect({ signal, told: told.length }).toEqual({ signal: 'SIGKILL', told: TASKS / 3 })
  expect(await violations(database)).toEqual([])
  const again = await Promise.all(items.map((item) => database.credits.settleMediaTask(item.task.id, 5)))
  const back = new Map(again.map(({ refund }, at) => [items[at].task.id, refund.credits]))
  expect(told.map((id) => back.get(id))).toEqual(told.map(() => 0))
  expect([...back.values()].filter((credits) => credits === 15).length).toBeGreaterThan(TASKS / 2)
  expect(await database.credits.getRemainingCredits('u')).toBe(1200 - TASKS * 5)
  expect(await violations(database)).toEqual([])
})
