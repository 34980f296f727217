'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { atOnce, counted, inProcesses, outcome, staysSound, values } = require('../helpers/calls')
const { KEYED } = require('../helpers/keyed')
const { connection, foreignTransaction } = require('../helpers/network')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const ATOMIC = { atomic: true }
const BOTH = { atomic: true, replay: true }

const media = (id, userId, costCredits) => ({ task: task(id, userId), costCredits })
const paid = (transactionNo, userId, credits) => ({ userId, credits, transactionNo })

/** A batch function, an item of it, the function for a single item, and the error code of a taken key. */
const BATCHES = [
  ['createMediaTasks', media, 'createMediaTask', 'TASK_EXISTS'],
  ['consumeCreditsBatch', paid, 'consumeCredits', 'CREDIT_EXISTS'],
]

/** Users with this number of credits each, in several grants. */
async function withUsers(...credits) {
  const database = await TestDatabase.fresh()
  for (const [at, sum] of credits.entries()) await database.user('uvw'[at], sum - 20, 15, 5)
  return database
}

describe.each(BATCHES)('atomic %s at the same moment:', (name, item, one, taken) => {
  staysSound()

  const list = (prefix, length, ...rest) =>
    Array.from({ length }, (_, at) => item(`${prefix}-${at}`, ...rest))

  /** How many rows with keys `<prefix>-0`, `<prefix>-1`, … there are. */
  async function written(database, prefix) {
    const { credit, media_tasks: tasks } = await database.everything()
    const keys = [...credit.map((row) => row.transaction_no), ...tasks.map(({ id }) => id)]
    return keys.filter((text) => text.startsWith(`${prefix}-`)).length
  }

  test('batches are accepted up to the balance, each whole', async () => {
    const database = await withUsers(100)
    const settled = await atOnce(12, (number) =>
      database.credits[name](list(`b${number}`, 4, 'u', 3), ATOMIC),
    )
    expect(counted(settled)).toEqual({ accepted: 8, INSUFFICIENT_CREDITS: 4 })
    for (const [number, { reason }] of settled.entries()) {
      expect(await written(database, `b${number}`)).toBe(reason ? 0 : 4)
      if (reason) expect(reason).toMatchObject({ required: 3, index: expect.any(Number) })
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(4)
  })

  test('single charges, tasks that fail, and grants beside them leave the ledger whole', async () => {
    const database = await withUsers(400, 400)
    const { createMediaTask, updateMediaTaskById, consumeCredits, createCredit, getRemainingCredits } =
      database.credits
    const kinds = [
      async (number) => {
        await createMediaTask(task(`single-${number}`, 'u'), 7)
        return (await updateMediaTaskById(`single-${number}`, { status: 'failed' })).refund.credits - 7
      },
      async () => (await consumeCredits({ userId: 'v', credits: 2 })).credits,
      async () => (await createCredit({ userId: 'u', credits: 1 })).credits,
      async (number) => {
        const items = ['u', 'v', 'u'].map((userId, at) => item(`batch${number}-${at}`, userId, at + 2))
        return (await database.credits[name](items, ATOMIC)).length * -3
      },
    ]
    const settled = await atOnce(80, (number) => kinds[number % kinds.length](number))
    expect(counted(settled)).toEqual({ accepted: 80 })
    const sum = values(settled).reduce((total, credits) => total + credits)
    expect((await getRemainingCredits('u')) + (await getRemainingCredits('v'))).toBe(800 + sum)
  })

  test('batches over the same users in each order all finish', async () => {
    const database = await withUsers(500, 500, 500)
    const orders = ['uvw', 'wvu', 'vuw', 'wuv', 'uwv', 'vwu']
    const settled = await atOnce(60, (number) => {
      const users = [...orders[number % orders.length]]
      const items = users.map((userId, at) => item(`b${number}-${at}`, userId, 2))
      return database.credits[name](items, ATOMIC)
    })
    expect(counted(settled)).toEqual({ accepted: 60 })
    for (const user of 'uvw') expect(await database.credits.getRemainingCredits(user)).toBe(500 - 120)
  })

  test('of 10 equal batches with replay one writes, and all return its rows', async () => {
    const database = await withUsers(500)
    const settled = await atOnce(10, () => database.credits[name](list('b', 5, 'u', 3), BOTH))
    const all = values(settled)
    expect(all.length).toBe(10)
    expect(all.filter((rows) => rows.every(({ replayed }) => replayed === undefined)).length).toBe(1)
    expect(all.filter((rows) => rows.every(({ replayed }) => replayed === true)).length).toBe(9)
    const plain = all.map((rows) => rows.map(({ replayed, ...row }) => row))
    expect(plain).toEqual(Array(10).fill(plain[0]))
    expect(await database.credits.getRemainingCredits('u')).toBe(500 - 15)
  })

  test('of 10 equal batches without replay one writes', async () => {
    const database = await withUsers(500)
    const settled = await atOnce(10, () => database.credits[name](list('b', 5, 'u', 3), ATOMIC))
    expect(counted(settled)).toEqual({ accepted: 1, [taken]: 9 })
    for (const { reason } of settled) expect(reason?.index ?? 0).toBe(0)
    expect(await database.credits.getRemainingCredits('u')).toBe(500 - 15)
  })

  test('the same keys for two users, in both orders, all belong to one of them', async () => {
    const database = await withUsers(500, 500)
    for (let round = 0; round < 15; round++) {
      const settled = await atOnce(2, (number) => {
        const items = list(`b${round}`, 6, 'uv'[number], 1)
        return database.credits[name](number ? items.reverse() : items, ATOMIC)
      })
      expect(counted(settled)).toEqual({ accepted: 1, [taken]: 1 })
      expect(await written(database, `b${round}`)).toBe(6)
    }
    const [u, v] = await Promise.all(['u', 'v'].map(database.credits.getRemainingCredits))
    expect(u + v).toBe(1000 - 15 * 6)
  })

  test('batches that meet a single call with one of their keys write all or nothing', async () => {
    const database = await withUsers(1000)
    for (let round = 0; round < 20; round++) {
      const single = () => database.credits[one](...KEYED[one].args({ key: `b${round}-3`, credits: 2 }))
      const batch = () => database.credits[name](list(`b${round}`, 5, 'u', 2), ATOMIC)
      const settled = await atOnce(2, (number) => ((number + round) % 2 ? single() : batch()))
      expect(counted(settled)).toEqual({ accepted: 1, [taken]: 1 })
      const batchWon = outcome(settled[round % 2]) === 'accepted'
      expect(await written(database, `b${round}`)).toBe(batchWon ? 5 : 1)
      if (!batchWon) expect(settled[round % 2].reason.index).toBe(3)
    }
  })

  test('in three processes each batch is written by one of them, and read by the others', async () => {
    const BATCHES_EACH = 15
    const database = await withUsers(1000)
    const calls = Array.from({ length: BATCHES_EACH }, (_, at) => [name, list(`b${at}`, 4, 'u', 2), ATOMIC])
    const lines = await inProcesses(database, calls, [...calls].reverse(), calls)
    lines[1].reverse()
    for (let at = 0; at < BATCHES_EACH; at++) {
      expect(lines.map((ofProcess) => ofProcess[at]).sort()).toEqual([taken, taken, 'accepted'].sort())
      expect(await written(database, `b${at}`)).toBe(4)
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - BATCHES_EACH * 8)
  })

  test('three processes with too few credits write as many batches as the balance pays for', async () => {
    const database = await withUsers(100)
    const calls = (prefix) =>
      Array.from({ length: 10 }, (_, at) => [name, list(`${prefix}${at}`, 3, 'u', 3), ATOMIC])
    const lines = (await inProcesses(database, calls('a'), calls('b'), calls('c'))).flat()
    expect(lines.filter((line) => line === 'accepted').length).toBe(11)
    expect(lines.filter((line) => line === 'INSUFFICIENT_CREDITS').length).toBe(19)
    expect(await database.credits.getRemainingCredits('u')).toBe(1)
  })
})

postgres.describe.each(BATCHES)('atomic %s', (name, item) => {
  staysSound()

  test('is retryable when another client holds the lock of one of its users for too long', async () => {
    const database = await withUsers(100, 100)
    const other = connection(database.url, { busyTimeoutMs: 50 })
    await database.close()
    const foreign = await foreignTransaction(database, `SELECT 1 FROM "user" WHERE id = 'v' FOR UPDATE`)
    const items = [item('a', 'u', 1), item('b', 'v', 1), item('c', 'u', 1)]
    const error = await refusal(database, () => other[name](items, ATOMIC))
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    expect(error).not.toHaveProperty('index')
    await foreign.commit()
    expect(await other[name](items, ATOMIC)).toHaveLength(3)
  })
})
