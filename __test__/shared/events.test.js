'use strict'

const { connect } = require('../..')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { KINDS } = require('../helpers/kinds')
const { atOnce, staysSound } = require('../helpers/calls')
const { evaluate } = require('../helpers/processes')

const NAMES = ['charged', 'refunded', 'refused']
const someId = expect.any(String)

/** All events from now on: `[event, fields]`. */
function listen(credits) {
  const told = []
  for (const name of NAMES) credits.on(name, (event) => told.push([name, event]))
  return told
}

/** A user `u` with 100 credits, and the events about them. */
async function watched(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...(grants.length ? grants : [100]))
  return { database, credits: database.credits, told: listen(database.credits) }
}

/** The charges and refunds of the events agree with the rows. */
async function isInTheBooks(database, told) {
  const taken = {}
  for (const [name, { creditId, credits, userId }] of told.filter(([name]) => name !== 'refused')) {
    taken[creditId] ??= { userId, charged: 0, refunded: 0 }
    taken[creditId][name] += credits
  }
  const rows = await database.sql("SELECT * FROM credit WHERE transaction_type = 'consume'")
  const inRows = rows.map((row) => [
    row.id,
    { userId: row.user_id, left: row.status === 'active' ? -row.credits : 0 },
  ])
  const inEvents = Object.entries(taken).map(([id, { userId, charged, refunded }]) => [
    id,
    { userId, left: charged - refunded },
  ])
  expect(Object.fromEntries(inEvents)).toEqual(Object.fromEntries(inRows))
}

const charged = (credits, more) => ['charged', { userId: 'u', credits, creditId: someId, ...more }]
const refunded = (credits, more) => [
  'refunded',
  { userId: 'u', credits, spendable: credits, creditId: someId, ...more },
]

staysSound()

describe.each([
  ['MediaTask', 'media'],
  ['AITask', 'ai'],
])('%s', (kind, name) => {
  const { create } = KINDS[kind]
  const about = (operation, id = 't') => ({ task: { kind: name, id }, operation })

  test('emits an event for each change, and none for a call without a change', async () => {
    const { database, credits, told } = await watched()
    const update = (...args) => credits[`update${kind}ById`]('t', ...args)
    const charge = (...args) => credits[`charge${kind}`]('t', ...args)
    const settle = (...args) => credits[`settle${kind}`]('t', ...args)
    const steps = [
      [() => create(credits, 't', 10), [charged(10, about(`create${kind}`))]],
      [() => create(credits, 'free', 0), []],
      [() => update({ status: 'processing' }), []],
      [() => charge({ credits: 5 }), [charged(5, about(`charge${kind}`))]],
      [() => settle(3), [refunded(2, about(`settle${kind}`))]],
      [() => settle(3), []],
      [() => update({ status: 'failed' }), [refunded(3, about(`update${kind}ById`))]],
      [() => update({ status: 'failed' }), []],
      [() => charge({ credits: 0 }, { status: 'pending' }), []],
      [() => charge({ credits: 7 }), [charged(7, about(`charge${kind}`))]],
      [
        () => update({ status: 'failed', creditId: null }),
        [refunded(7, { creditId: null, ...about(`update${kind}ById`) })],
      ],
      [() => credits[`update${kind}ById`]('nobody', { status: 'failed' }), []],
      [() => credits[`charge${kind}`]('nobody', { credits: 1 }), []],
      [() => credits[`find${kind}ById`]('t'), []],
    ]
    for (const [act, expected] of steps) {
      told.length = 0
      await act()
      expect(told).toEqual(expected)
    }
    expect(await credits.getRemainingCredits('u')).toBe(90)
    expect(await database.sql("SELECT id FROM credit WHERE transaction_type = 'consume'")).toHaveLength(3)
  })

  test('emits nothing for a replay', async () => {
    const { credits, told } = await watched()
    const replay = { replay: true }
    const fields = kind === 'MediaTask' ? [task('t', 'u'), 10] : [aiTask('t', 'u', { costCredits: 10 })]
    const settled = await atOnce(5, () => credits[`create${kind}`](...fields, replay))
    expect(settled.filter(({ value }) => !value.replayed)).toHaveLength(1)
    await credits[`create${kind}`](...fields, replay)
    expect(told).toEqual([charged(10, about(`create${kind}`))])
  })

  test.each([true, false])('emits each charge of a batch; atomic: %s', async (atomic) => {
    const { database, credits, told } = await watched()
    const item = (id, cost) =>
      kind === 'MediaTask'
        ? { task: task(id, 'u'), costCredits: cost }
        : aiTask(id, 'u', { costCredits: cost })
    const all = `create${kind}s`
    const operation = atomic ? all : `create${kind}`
    await credits[all]([item('a', 10), item('b', 0), item('c', 20)], { atomic })
    expect(told).toEqual([charged(10, about(operation, 'a')), charged(20, about(operation, 'c'))])
    await isInTheBooks(database, told)
    told.length = 0
    await credits[all]([item('a', 10), item('b', 0), item('c', 20)], { atomic, replay: true })
    expect(told).toEqual([])
    await credits[all]([item('d', 10), item('e', 90)], { atomic }).catch(() => {})
    const refusal = { ...about(operation, 'e'), userId: 'u', code: 'INSUFFICIENT_CREDITS', required: 90 }
    expect(told.at(-1)).toEqual(['refused', { ...refusal, available: 60 }])
    expect(told.slice(0, -1)).toEqual(atomic ? [] : [charged(10, about(operation, 'd'))])
  })

  test('emits the refunds of stuck tasks that were failed', async () => {
    const { database, credits, told } = await watched()
    for (const id of ['a', 'b']) await create(credits, id, 10)
    await database.sql(`UPDATE ${KINDS[kind].table} SET updated_at = ?`, new Date(Date.now() - 3_600_000))
    told.length = 0
    await credits[`failStuck${kind}s`]({ olderThanMs: 60_000 })
    const operation = `update${kind}ById`
    expect(told).toHaveLength(2)
    expect(told).toEqual(
      expect.arrayContaining([refunded(10, about(operation, 'a')), refunded(10, about(operation, 'b'))]),
    )
  })

  test('emits the refusals of the ledger', async () => {
    const { database, credits, told } = await watched(10)
    await database.user('other', 10)
    const { id: foreign } = await credits.consumeCredits({ userId: 'other', credits: 1 })
    await create(credits, 't', 10)
    const update = (...args) => credits[`update${kind}ById`]('t', ...args)
    const [delivered] = KINDS[kind].delivered
    const of = (what) => about(`${what}${kind}`)
    const updating = { task: { kind: name, id: 't' }, operation: `update${kind}ById` }
    const poor = { code: 'INSUFFICIENT_CREDITS', required: 5, available: 0 }
    const rows = [
      [() => create(credits, 't2', 5), { ...about(`create${kind}`, 't2'), ...poor, userId: 'u' }],
      [() => credits[`charge${kind}`]('t', { credits: 5 }), { ...of('charge'), ...poor }],
      [() => credits[`settle${kind}`]('t', 11), { ...of('settle'), code: 'SETTLE_EXCEEDS_CHARGE' }],
      [() => update({}, { ifStatus: 'paused' }), { ...updating, code: 'TASK_STATE_CONFLICT' }],
      [() => update({ creditId: foreign }), { ...updating, code: 'CHARGE_OWNER_MISMATCH' }],
      [() => update({ status: 'failed' }), undefined],
      [() => credits[`settle${kind}`]('t', 1), { ...of('settle'), code: 'SETTLE_CONFLICT' }],
      [() => update({ status: delivered }), { ...updating, code: 'TASK_REFUNDED' }],
      // Caller errors.
      [() => create(credits, 't', 5), undefined],
      [() => create(credits, 't3', -5), undefined],
      [() => create(credits, 't3', 5, { userId: 'nobody' }), undefined],
    ]
    for (const [act, expected] of rows) {
      told.length = 0
      await act().catch(() => {})
      expect(told.filter(([event]) => event === 'refused')).toEqual(expected ? [['refused', expected]] : [])
    }
  })
})

test('charges without a task, and their refunds, are emitted', async () => {
  const { database, credits, told } = await watched()
  const charge = await credits.consumeCredits({ userId: 'u', credits: 10, transactionNo: 'k' })
  await credits.consumeCredits({ userId: 'u', credits: 10, transactionNo: 'k' }, { replay: true })
  await credits.refundCredits(charge.id, 4)
  await credits.refundCredits(charge.id, 4)
  await credits.refundCredits(charge.id)
  await credits.consumeCreditsBatch(
    [
      { userId: 'u', credits: 1 },
      { userId: 'u', credits: 2 },
    ],
    { atomic: true },
  )
  await credits.createCredit({ userId: 'u', credits: 5 })
  expect(told).toEqual([
    charged(10, { operation: 'consumeCredits' }),
    refunded(4, { operation: 'refundCredits' }),
    refunded(6, { operation: 'refundCredits' }),
    charged(1, { operation: 'consumeCreditsBatch' }),
    charged(2, { operation: 'consumeCreditsBatch' }),
  ])
  await isInTheBooks(database, told)
  const corrupt = await credits.consumeCredits({ userId: 'u', credits: 3 })
  await database.sql("UPDATE credit SET consumed_detail = '{' WHERE id = ?", corrupt.id)
  await credits.refundCredits(corrupt.id).catch(() => {})
  expect(told.at(-1)).toEqual(['refused', { code: 'CHARGE_CORRUPT', operation: 'refundCredits' }])
  await database.sql('UPDATE credit SET consumed_detail = ? WHERE id = ?', corrupt.consumedDetail, corrupt.id)
})

test('credits that are refunded to an expired grant are not spendable in the event', async () => {
  const { database, credits, told } = await watched({ id: 'g', credits: 10 })
  const { id } = await credits.consumeCredits({ userId: 'u', credits: 10 })
  await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", new Date(Date.now() - 1000))
  await credits.refundCredits(id)
  expect(told.at(-1)).toEqual(refunded(10, { spendable: 0, creditId: id, operation: 'refundCredits' }))
})

test('each charge and each refund of concurrent callers is emitted once', async () => {
  const { database, credits, told } = await watched(50, 50)
  await atOnce(30, async (at) => {
    await credits.createMediaTask(task(`t${at}`, 'u'), 5)
    const failing = () => credits.updateMediaTaskById(`t${at}`, { status: 'failed' })
    await Promise.all([failing(), failing(), failing()])
    await credits.consumeCredits({ userId: 'u', credits: 3 })
  })
  expect(told.filter(([name]) => name === 'charged').length).toBeGreaterThan(20)
  await isInTheBooks(database, told)
})

describe('a listener', () => {
  test('is called when each reader sees the row, and before the caller continues', async () => {
    const { database, credits, told } = await watched()
    let seen
    credits.on('charged', ({ creditId }) => {
      seen = database.sql('SELECT credits FROM credit WHERE id = ?', creditId)
    })
    await credits.consumeCredits({ userId: 'u', credits: 10 })
    expect(told).toHaveLength(1)
    expect(await seen).toEqual([{ credits: -10 }])
  })

  test('can make calls', async () => {
    const { credits } = await watched(10)
    let granted
    credits.once('refused', ({ userId, required }) => {
      granted = credits.createCredit({ userId, credits: required })
    })
    await expect(credits.consumeCredits({ userId: 'u', credits: 50 })).rejects.toThrow('Insufficient')
    await granted
    expect((await credits.consumeCredits({ userId: 'u', credits: 60 })).credits).toBe(-60)
  })

  test('that throws or rejects affects neither the call nor another listener', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const source = `
      process.on('unhandledRejection', ({ message }) => console.log('unhandled', message))
      credits.on('charged', () => { throw new Error('one') })
      credits.on('charged', async () => { throw new Error('two') })
      credits.on('charged', ({ credits }) => console.log('told', credits))
      credits.consumeCredits({ userId: 'u', credits: 5 }).then((charge) => console.log('charged', charge.credits))`
    const { code, out } = await evaluate(source, { DATABASE_URL: database.url })
    expect(code).toBe(0)
    expect(out.split('\n').sort()).toEqual(['charged -5', 'told 5', 'unhandled one', 'unhandled two'])
  })

  test('is called once after `once`, and not after `off`', async () => {
    const { credits, told } = await watched()
    const times = { on: 0, once: 0, low: 0 }
    const on = () => times.on++
    const once = () => times.once++
    const low = () => times.low++
    credits.on('charged', on)
    credits.once('charged', once)
    credits.on('balance-low', { below: 100 }, low)
    credits.on('balance-low', { below: 99 }, low)
    credits.off('balance-low', low)
    await credits.consumeCredits({ userId: 'u', credits: 1 })
    credits.off('charged', on)
    credits.off('charged', on)
    await credits.consumeCredits({ userId: 'u', credits: 1 })
    expect(times).toEqual({ on: 1, once: 1, low: 0 })
    expect(told).toHaveLength(2)
  })

  test('gets only the events of its own connection', async () => {
    const { database, credits, told } = await watched()
    const other = connect({ url: database.url })
    await other.consumeCredits({ userId: 'u', credits: 1 })
    await other.close()
    expect(told).toEqual([])
    await credits.consumeCredits({ userId: 'u', credits: 1 })
    expect(told).toHaveLength(1)
  })

  test('does not change the result or the error of a call', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const run = async (key) => {
      const { createMediaTask, updateMediaTaskById, createMediaTasks } = database.credits
      const settled = await Promise.allSettled([
        createMediaTask(task(key, 'u'), 10).then(() => updateMediaTaskById(key, { status: 'failed' })),
        createMediaTask(task(key, 'u'), 1000),
        createMediaTasks('none'),
        createMediaTasks(undefined, { atomic: true }),
        createMediaTasks([null, {}, 7], { atomic: true }),
        createMediaTask(undefined, Number.NaN),
        createMediaTask({ get id() { return {} } }, 5n), // prettier-ignore
      ])
      return settled.map(({ reason, value }) => [
        reason?.code,
        reason?.message.replace(`"${key}"`, 'ID'),
        value?.refund,
      ])
    }
    const before = await run('a')
    listen(database.credits)
    database.credits.on('balance-low', { below: 50 }, () => {})
    expect(await run('b')).toEqual(before)
  })

  test.each([
    [['chargd', () => {}], /^event must be one of 'charged', .* got the text "chargd"$/],
    [[undefined, () => {}], /^event must be .* got undefined$/],
    [['removeListener', () => {}], /^event must be/],
    [[Symbol('charged'), () => {}], /got Symbol\(charged\)$/],
    [['charged'], /^listener must be a function, got undefined$/],
    [['charged', { below: 5 }, () => {}], /^listener must be a function, got an object$/],
    [['balance-low', () => {}], /^listener must be a function/],
    [['balance-low', {}, () => {}], /^below must be a whole number from 1 to 2147483647, got undefined$/],
    [['balance-low', null, () => {}], /^below must be/],
    ...[0, 1.5, '20', 2 ** 31, Number.NaN].map((below) => [
      ['balance-low', { below }, () => {}],
      /^below must be/,
    ]),
  ])('is refused: %p', async (args, message) => {
    const { credits } = await watched()
    for (const how of ['on', 'once']) {
      const refused = expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      })
      expect(() => credits[how](...args)).toThrow(refused)
    }
    expect(() => credits.off(...args.slice(0, 1))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  test('can be added at module level, and opens no connection', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const source = `
      credits.on('charged', ({ credits }) => console.log('charged', credits))
      credits.on('balance-low', { below: 96 }, ({ balance, below }) => console.log('low', balance, below))
      if (process.env.DATABASE_URL) credits.consumeCredits({ userId: 'u', credits: 5 })`
    expect(await evaluate(source, { DATABASE_URL: database.url })).toMatchObject({
      code: 0,
      out: 'charged 5\nlow 95 96',
    })
    expect(await evaluate(source, { DATABASE_URL: '' })).toMatchObject({ code: 0, out: '' })
  })
})
