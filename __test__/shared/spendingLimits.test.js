'use strict'

const { DAY_MS, TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { atOnce, counted, inProcesses, staysSound } = require('../helpers/calls')

TestDatabase.reuse()
staysSound()

const LIMIT = 'SPENDING_LIMIT'
const HOUR_MS = 3_600_000
/** The time of day is noon in each run. */
const SINCE = new Date(Math.floor(Date.now() / 1000) * 1000 - DAY_MS / 2)
const daily = (credits, more) => ({ limits: [{ credits, per: 'day', since: SINCE, ...more }] })

async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u', 60, 40)
  await database.user('v', 100)
  return database
}

const charge = (database, credits, options, more) =>
  database.credits.consumeCredits({ userId: 'u', credits, ...more }, options)

/** The charge was made at another time. */
const movedTo = (database, { id }, time) =>
  database.sql('UPDATE credit SET created_at = ? WHERE id = ?', new Date(time), id)

const tomorrow = () => new Date(SINCE.getTime() + DAY_MS)

/** Each function that charges. */
const CHARGES = {
  consumeCredits: ({ consumeCredits }, credits, options) => consumeCredits({ userId: 'u', credits }, options),
  consumeCreditsBatch: ({ consumeCreditsBatch }, credits, options) =>
    consumeCreditsBatch([{ userId: 'u', credits }], { atomic: true, ...options }),
  createMediaTask: ({ createMediaTask }, credits, options) =>
    createMediaTask(task('t', 'u'), credits, options),
  createMediaTasks: ({ createMediaTasks }, costCredits, options) =>
    createMediaTasks([{ task: task('t', 'u'), costCredits }], { atomic: true, ...options }),
  chargeMediaTask: async ({ createMediaTask, chargeMediaTask, findMediaTaskById }, credits, options) => {
    if (!(await findMediaTaskById('t'))) await createMediaTask(task('t', 'u'), 0)
    return chargeMediaTask('t', { credits }, { status: 'translating' }, options)
  },
  createAITask: ({ createAITask }, costCredits, options) =>
    createAITask(aiTask('t', 'u', { costCredits }), options),
  createAITasks: ({ createAITasks }, costCredits, options) =>
    createAITasks([aiTask('t', 'u', { costCredits })], { atomic: true, ...options }),
  chargeAITask: async ({ createAITask, chargeAITask, findAITaskById }, credits, options) => {
    if (!(await findAITaskById('t'))) await createAITask(aiTask('t', 'u'))
    return chargeAITask('t', { credits }, { status: 'processing' }, options)
  },
}

describe.each(Object.entries(CHARGES))('%s', (_, make) => {
  test('is refused if it exceeds the limit, with the time at which it is possible again', async () => {
    const database = await withUser()
    await charge(database, 6)
    await database.credits.consumeCredits({ userId: 'v', credits: 50 })
    const error = await make(database.credits, 5, daily(10)).catch((error) => error)
    expect(error).toMatchObject({ code: LIMIT, spent: 6, limit: 10, required: 5, resetsAt: tomorrow() })
    expect(error).toMatchObject({ limitIndex: 0, per: 'day' })
    expect(error.message).toContain('Spending limit, 6 + 5 > 10 per day')
    expect(await database.credits.getRemainingCredits('u')).toBe(94)
    await make(database.credits, 4, daily(10))
    expect(await refusal(database, () => charge(database, 1, daily(10)))).toMatchObject({ spent: 10 })
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })
})

test('an empty list of limits has no effect, and a free task is never refused', async () => {
  const database = await withUser()
  for (const limits of [null, undefined, []]) await charge(database, 10, { limits })
  await database.credits.createMediaTask(task('t', 'u'), 0, daily(0))
  expect(await refusal(database, () => charge(database, 1, daily(0)))).toMatchObject({
    limit: 0,
    resetsAt: null,
  })
  expect(await database.credits.getRemainingCredits('u')).toBe(70)
})

test('a limit is checked before the balance, and after the idempotency key', async () => {
  const database = await withUser()
  const key = { transactionNo: 'order' }
  const first = await charge(database, 10, daily(10), key)
  expect(await charge(database, 10, { ...daily(10), replay: true }, key)).toMatchObject({
    id: first.id,
    replayed: true,
  })
  expect((await refusal(database, () => charge(database, 10, daily(10), key))).code).toBe('CREDIT_EXISTS')
  expect((await refusal(database, () => charge(database, 1000, daily(10)))).code).toBe(LIMIT)
})

test('a limit does not count refunded charges, and counts the real cost of settled ones', async () => {
  const database = await withUser()
  const { createMediaTask, updateMediaTaskById, settleMediaTask, refundCredits } = database.credits
  await createMediaTask(task('failed', 'u'), 10, daily(10))
  await updateMediaTaskById('failed', { status: 'failed' })
  await createMediaTask(task('settled', 'u'), 10, daily(10))
  await settleMediaTask('settled', 4)
  const { id } = await charge(database, 6, daily(10))
  expect(await refusal(database, () => charge(database, 1, daily(10)))).toMatchObject({ spent: 10 })
  await refundCredits(id)
  await charge(database, 6, daily(10))
})

test('a limit does not count charges before its period', async () => {
  const database = await withUser()
  const today = tomorrow().getTime() - DAY_MS
  await movedTo(database, await charge(database, 7), today - 1000)
  await movedTo(database, await charge(database, 3), today)
  expect(await refusal(database, () => charge(database, 8, daily(10)))).toMatchObject({ spent: 3 })
  await charge(database, 7, daily(10))
})

test('a day of a limit begins at midnight of its time zone', async () => {
  const database = await withUser()
  // Both are fourteen hours from each other or more, so one of them has another day than UTC.
  const zones = ['Pacific/Kiritimati', 'Pacific/Pago_Pago']
  const ends = []
  for (const timeZone of zones) {
    const error = await refusal(database, () => charge(database, 1, daily(0, { timeZone, since: null })))
    expect(error.resetsAt).toBe(null)
    await charge(database, 1)
    const { resetsAt } = await refusal(database, () =>
      charge(database, 1, daily(1, { timeZone, since: null })),
    )
    const local = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium' }).format(resetsAt)
    expect(local).toBe('00:00:00')
    expect(resetsAt - Date.now()).toBeLessThanOrEqual(DAY_MS)
    ends.push(resetsAt.getTime())
  }
  expect((ends[0] - ends[1]) % DAY_MS).not.toBe(0)
})

test('a limit in milliseconds counts the time before now, and accepts a charge when earlier ones have left it', async () => {
  const database = await withUser()
  const now = Math.floor(Date.now() / 1000) * 1000
  const made = [5, 3, 1].map((hours) => now - hours * HOUR_MS + 60_000)
  for (const [at, credits] of [4, 3, 3].entries()) {
    await movedTo(database, await charge(database, credits), made[at])
  }
  const rolling = { limits: [{ credits: 10, per: 5 * HOUR_MS }] }
  const resets = async (credits) => {
    const { spent, resetsAt } = await refusal(database, () => charge(database, credits, rolling))
    return [spent, resetsAt?.getTime() ?? null]
  }
  expect(await resets(4)).toEqual([10, made[0] + 5 * HOUR_MS])
  expect(await resets(5)).toEqual([10, made[1] + 5 * HOUR_MS])
  expect(await resets(10)).toEqual([10, made[2] + 5 * HOUR_MS])
  expect(await resets(11)).toEqual([10, null])
  await charge(database, 2, { limits: [{ credits: 8, per: 4 * HOUR_MS }] })
})

test('since aligns the periods of a limit to a billing cycle', async () => {
  const database = await withUser()
  const since = new Date(Math.floor(Date.now() / 1000) * 1000 - 45 * DAY_MS)
  const [{ limits }] = [{ limits: [{ credits: 10, per: 30 * DAY_MS, since }] }]
  const begin = since.getTime() + 30 * DAY_MS
  await movedTo(database, await charge(database, 9), begin - 1000)
  await movedTo(database, await charge(database, 8), begin)
  const error = await refusal(database, () => charge(database, 3, { limits }))
  expect(error).toMatchObject({ spent: 8, resetsAt: new Date(begin + 30 * DAY_MS) })
})

test('a limit of a scene counts charges of that scene', async () => {
  const database = await withUser()
  const chat = daily(10, { scene: 'chat' })
  await charge(database, 20, chat, { scene: 'image' })
  await charge(database, 10, chat, { scene: 'chat' })
  await charge(database, 20, chat)
  const error = await refusal(database, () => charge(database, 1, chat, { scene: 'chat' }))
  expect(error).toMatchObject({ code: LIMIT, spent: 10 })
})

test('of several limits all apply, and the error names the one that resets last', async () => {
  const database = await withUser()
  await charge(database, 10)
  const limits = [
    { credits: 5, per: 'hour', since: new Date(SINCE.getTime() - HOUR_MS / 2) },
    { credits: 15, per: 'month', since: SINCE },
    { credits: 12, per: 'day', since: SINCE },
  ]
  expect(await refusal(database, () => charge(database, 5, { limits }))).toMatchObject({
    limit: 12,
    limitIndex: 2,
    per: 'day',
    spent: 10,
  })
  const late = await refusal(database, () => charge(database, 6, { limits: limits.slice(1) }))
  expect(late).toMatchObject({ limit: 15, limitIndex: 0, per: 'month' })
  expect(await refusal(database, () => charge(database, 6, { limits }))).toMatchObject({
    limit: 5,
    limitIndex: 0,
    per: 'hour',
    resetsAt: null,
  })
  const rolling = [{ credits: 20, per: HOUR_MS }]
  const error = await refusal(database, () => charge(database, 21, { limits: rolling }))
  expect(error).toMatchObject({ limitIndex: 0, limit: 20, per: HOUR_MS })
  expect(error.message).toBe('Spending limit, 10 + 21 > 20 per 3600000 ms')
})

test('a limit does not count revocations, but counts charges that only have such metadata', async () => {
  const database = await withUser()
  const { createCredit, revokeGrants } = database.credits
  await createCredit({ userId: 'u', credits: 20, orderNo: 'order', expiresAt: new Date(Date.now() + DAY_MS) })
  const metadata = { type: 'revocation', revocation: { total: 5 } }
  await charge(database, 8, {}, { scene: 'chargeback', metadata })
  await revokeGrants({ orderNo: 'order' }, { total: 5, transactionNo: 'refund' })
  expect(await refusal(database, () => charge(database, 3, daily(10)))).toMatchObject({ spent: 8 })
  await charge(database, 2, daily(10))
})

test('a limit counts charges whose metadata has the keys of a revocation elsewhere', async () => {
  const database = await withUser()
  const nested = { expiry: { renewal: 'r' }, revocation: { total: 1 } }
  const said = [
    { type: 'expiry', of: nested },
    { type: 'expiry', ...nested },
    { type: 'x","expiry":{', of: [nested], text: '"expiry":{}' },
    [nested],
    JSON.stringify({ of: nested }),
    '{"expiry":{',
    null,
  ]
  for (const metadata of said) {
    for (const scene of ['expiry', 'chargeback']) await charge(database, 1, {}, { scene, metadata })
  }
  const spent = 2 * said.length
  expect(await refusal(database, () => charge(database, 1, daily(spent)))).toMatchObject({ spent })
  await charge(database, 1, daily(spent + 1))
})

test('a limit does not count credits that a renewal wrote off', async () => {
  const database = await withUser()
  const { createCredit, renewGrants } = database.credits
  const end = (days) => new Date(SINCE.getTime() + days * DAY_MS)
  await createCredit({ userId: 'u', credits: 20, subscriptionNo: 's', expiresAt: end(1) })
  const period = { subscriptionNo: 's', periodEnd: end(30), rollover: { atMost: 5 } }
  const { rollover } = await renewGrants({ userId: 'u', credits: 20, transactionNo: 'r', ...period })
  expect(rollover).toEqual({ carried: 5, writtenOff: 15 })
  await charge(database, 8)
  expect(await refusal(database, () => charge(database, 3, daily(10)))).toMatchObject({ spent: 8 })
})

describe('concurrent charges with limits:', () => {
  test('are accepted up to the limit, beside charges without a limit', async () => {
    const database = await withUser()
    const settled = await atOnce(30, () => charge(database, 1, daily(12)))
    expect(counted(settled)).toEqual({ accepted: 12, [LIMIT]: 18 })
    const mixed = await atOnce(20, (at) => charge(database, 1, at % 2 ? {} : daily(20)))
    const outcomes = counted(mixed)
    expect(outcomes.accepted).toBeGreaterThanOrEqual(10)
    expect(await database.credits.getRemainingCredits('u')).toBe(100 - 12 - outcomes.accepted)
  })

  test('have a separate limit for each user in two processes', async () => {
    const database = await withUser()
    const charges = (userId) =>
      Array(12).fill(['consumeCredits', { userId, credits: 1 }, daily(10, { since: null })])
    const outcomes = await inProcesses(database, charges('u'), charges('u'), charges('v'))
    const accepted = outcomes.map((lines) => lines.filter((line) => line === 'accepted').length)
    expect([accepted[0] + accepted[1], accepted[2]]).toEqual([10, 10])
  })

  test('a batch is written whole or not at all, and each item counts those before it', async () => {
    const database = await withUser()
    const { consumeCreditsBatch, createMediaTasks } = database.credits
    const items = Array.from({ length: 6 }, () => ({ userId: 'u', credits: 2 }))
    const options = { atomic: true, ...daily(10) }
    const error = await refusal(database, () => consumeCreditsBatch(items, options))
    expect(error).toMatchObject({ code: LIMIT, index: 5, spent: 10, resetsAt: tomorrow() })
    await consumeCreditsBatch(items.slice(1), options)
    const tasks = Array.from({ length: 4 }, (_, at) => ({ task: task(`t${at}`, 'u'), costCredits: 1 }))
    expect(counted(await createMediaTasks(tasks, daily(12)))).toEqual({ accepted: 2, [LIMIT]: 2 })
  })
})
