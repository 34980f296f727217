'use strict'

const { connect } = require('../..')
const { DAY_MS, TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { atOnce, counted, inProcesses, staysSound } = require('../helpers/calls')
const { draws, remaining } = require('../helpers/rows')

TestDatabase.reuse()
staysSound()

const POOR = 'INSUFFICIENT_CREDITS'
const PAID = { exceptScenes: ['gift'] }
const GIFTS = { scenes: ['gift'] }
const inDays = (days) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY_MS)

/** In the default order: a gift that expires first, a payment, a grant without a scene, a gift that never expires. */
const GRANTS = [
  { id: 'gift', credits: 10, expiresAt: inDays(1), createdAt: inDays(-2) },
  { id: 'paid', credits: 20, transactionScene: 'payment', expiresAt: inDays(2), createdAt: inDays(-1) },
  { id: 'none', credits: 5, transactionScene: null, expiresAt: inDays(3), createdAt: inDays(-4) },
  { id: 'always', credits: 7, expiresAt: null, createdAt: inDays(-3) },
]

async function withGrants(grants = GRANTS) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...grants)
  return database
}

const theFirst = async (all) => (await all)[0]

/** Each function that charges: charges `u`, and returns a row with the charge's id. */
const CHARGES = {
  consumeCredits: async ({ consumeCredits }, credits, options) =>
    (await consumeCredits({ userId: 'u', credits }, options)).id,
  consumeCreditsBatch: async ({ consumeCreditsBatch }, credits, options) =>
    (await theFirst(consumeCreditsBatch([{ userId: 'u', credits }], { atomic: true, ...options }))).id,
  createMediaTask: async ({ createMediaTask }, credits, options) =>
    (await createMediaTask(task('t', 'u'), credits, options)).creditId,
  createMediaTasks: async ({ createMediaTasks }, costCredits, options) => {
    const items = [{ task: task('t', 'u'), costCredits }]
    return (await theFirst(createMediaTasks(items, { atomic: true, ...options }))).creditId
  },
  chargeMediaTask: async ({ createMediaTask, chargeMediaTask }, credits, options) => {
    await createMediaTask(task('t', 'u'), 0)
    return (await chargeMediaTask('t', { credits }, { status: 'translating' }, options)).creditId
  },
  createAITask: async ({ createAITask }, costCredits, options) =>
    (await createAITask(aiTask('t', 'u', { costCredits }), options)).creditId,
  createAITasks: async ({ createAITasks }, costCredits, options) => {
    const items = [aiTask('t', 'u', { costCredits })]
    return (await theFirst(createAITasks(items, { atomic: true, ...options }))).creditId
  },
  chargeAITask: async ({ createAITask, chargeAITask }, credits, options) => {
    await createAITask(aiTask('t', 'u'))
    return (await chargeAITask('t', { credits }, { status: 'processing' }, options)).creditId
  },
}

describe.each(Object.entries(CHARGES))('%s', (_, charge) => {
  test('draws on credits that may pay, in draw order', async () => {
    const database = await withGrants()
    const id = await charge(database.credits, 22, PAID)
    expect(await draws(database, id)).toEqual([
      ['paid', 20],
      ['none', 2],
    ])
    expect(await remaining(database)).toEqual({ gift: 10, paid: 0, none: 3, always: 7 })
  })

  test('is refused if these credits do not suffice, with their sum', async () => {
    const database = await withGrants()
    const error = await charge(database.credits, 18, GIFTS).catch((error) => error)
    expect(error).toMatchObject({
      code: POOR,
      required: 18,
      available: 17,
      balance: 42,
    })
    expect(error.message).toContain('Insufficient credits, 17 < 18')
    expect(await remaining(database)).toEqual({ gift: 10, paid: 20, none: 5, always: 7 })
  })

  test('counts what earlier charges have drawn from these credits', async () => {
    const database = await withGrants()
    const { consumeCredits } = database.credits
    await consumeCredits({ userId: 'u', credits: 9 }, GIFTS)
    await consumeCredits({ userId: 'u', credits: 2 })
    expect(await remaining(database)).toEqual({ gift: 0, paid: 19, none: 5, always: 7 })
    const id = await charge(database.credits, 7, GIFTS)
    expect(await draws(database, id)).toEqual([['always', 7]])
  })
})

test('a refused charge of all credits has no separate balance in its error', async () => {
  const database = await withGrants()
  const error = await refusal(database, () => CHARGES.consumeCredits(database.credits, 43))
  expect(error).toMatchObject({ code: POOR, required: 43, available: 42 })
  expect(error).not.toHaveProperty('balance')
})

test('scenes are compared exactly, and null is no filter', async () => {
  const database = await withGrants()
  const { getRemainingCredits } = database.credits
  const has = (options) => getRemainingCredits('u', options)
  expect(await has({ scenes: ['payment', 'gift'] })).toBe(37)
  expect(await has({ scenes: ['GIFT'] })).toBe(0)
  expect(await has({ exceptScenes: ['Gift', 'gif'] })).toBe(42)
  expect(await has({ exceptScenes: ['payment'] })).toBe(22)
  expect(await has({ scenes: null, exceptScenes: undefined })).toBe(42)
  expect(await getRemainingCredits('nobody here', PAID)).toBe(0)
})

test('quoteCredits and getBalance are about the credits that may pay', async () => {
  const database = await withGrants()
  const { getBalance, quoteCredits } = database.credits
  const quoted = await quoteCredits('u', 18, GIFTS)
  expect(quoted).toMatchObject({ sufficient: false, available: 17, draws: [] })
  const { draws: quotedDraws, nextExpiry } = await quoteCredits('u', 21, PAID)
  expect(quotedDraws.map(({ creditId, credits }) => [creditId, credits])).toEqual([
    ['paid', 20],
    ['none', 1],
  ])
  expect(nextExpiry).toEqual({ expiresAt: GRANTS[1].expiresAt, credits: 20 })
  const { credits, grants } = await getBalance('u', PAID)
  expect([credits, grants.map(({ creditId }) => creditId)]).toEqual([25, ['paid', 'none']])
})

test('a charge with scenes is refunded to the grants that it drew on', async () => {
  const database = await withGrants()
  const { createMediaTask, updateMediaTaskById, settleMediaTask } = database.credits
  await createMediaTask(task('t', 'u'), 24, PAID)
  await settleMediaTask('t', 3)
  expect(await remaining(database)).toMatchObject({ gift: 10, paid: 17, none: 5 })
  await updateMediaTaskById('t', { status: 'failed' })
  expect(await remaining(database)).toEqual({ gift: 10, paid: 20, none: 5, always: 7 })
})

test('a settlement that draws more respects scenes and the drawOrder of the connection', async () => {
  const database = await withGrants()
  const { createMediaTask, settleMediaTask, consumeCredits, settleCredits } = database.credits
  await createMediaTask(task('t', 'u'), 18, PAID)
  const settled = await settleMediaTask('t', 30, { over: 'available', ...PAID })
  expect(settled).toMatchObject({ credits: -25, collected: 7, uncollected: 5 })
  expect(await remaining(database)).toEqual({ gift: 10, paid: 0, none: 0, always: 7 })
  const { id } = await consumeCredits({ userId: 'u', credits: 1 })
  const connection = connect({ url: database.url, drawOrder: ['age'] })
  await connection.settleCredits(id, 2, { over: 'available' })
  await connection.close()
  expect(await remaining(database)).toMatchObject({ gift: 9, always: 6 })
  await settleCredits(id, 2, { over: 'available' })
  expect(await remaining(database)).toMatchObject({ gift: 9, always: 6 })
})

test('a batch mixes items with and without scenes, each on what the items before leave', async () => {
  const database = await withGrants()
  const { createMediaTasks, getRemainingCredits } = database.credits
  const items = (...costs) =>
    costs.map((cost, at) => ({ task: task(`t${cost}-${at}`, 'u'), costCredits: cost }))
  const all = { atomic: true, ...GIFTS }
  expect(await createMediaTasks(items(9, 8, 1), all).catch((error) => error)).toMatchObject({
    code: POOR,
    index: 2,
    available: 0,
    balance: 25,
  })
  const [mixed] = await Promise.all([
    atOnce(8, (at) => CHARGES.consumeCredits(database.credits, 1, [GIFTS, PAID, {}, {}][at % 4])),
    createMediaTasks(items(5), all),
  ])
  expect(counted(mixed)).toEqual({ accepted: 8 })
  expect(await getRemainingCredits('u')).toBe(42 - 8 - 5)
})

describe('concurrent charges:', () => {
  test.each([
    ['charges with scenes draw only on credits that may pay', PAID, 25],
    ['only gifts pay for charges of gifts', GIFTS, 17],
  ])('%s', async (_, options, most) => {
    const database = await withGrants()
    const settled = await atOnce(40, () => CHARGES.consumeCredits(database.credits, 1, options))
    expect(counted(settled)).toEqual({ accepted: most, [POOR]: 40 - most })
    expect(await database.credits.getRemainingCredits('u', options)).toBe(0)
    expect(await database.credits.getRemainingCredits('u')).toBe(42 - most)
  })

  test('two processes and charges without scenes draw each credit once', async () => {
    const database = await withGrants()
    const charges = (options) => Array(15).fill(['consumeCredits', { userId: 'u', credits: 1 }, options])
    const outcomes = await inProcesses(database, charges(PAID), charges(GIFTS), charges({}))
    const refused = outcomes.flat().filter((line) => line !== 'accepted')
    expect(refused.filter((line) => line !== POOR)).toEqual([])
    expect(await database.credits.getRemainingCredits('u')).toBe(42 - (45 - refused.length))
  })

  test("the next charge sees the scene that the app's own client has changed", async () => {
    const database = await withGrants()
    await CHARGES.consumeCredits(database.credits, 1, PAID)
    await database.sql("UPDATE credit SET transaction_scene = 'gift' WHERE id = 'paid'")
    const id = await CHARGES.consumeCredits(database.credits, 5, PAID)
    expect(await draws(database, id)).toEqual([['none', 5]])
    const error = await refusal(database, () => CHARGES.consumeCredits(database.credits, 1, PAID))
    expect(error).toMatchObject({ available: 0, balance: 36 })
  })
})

describe('drawOrder', () => {
  /** The result of `work` on a connection with this order. */
  async function inOrder(database, drawOrder, work) {
    const connection = connect({ url: database.url, drawOrder })
    try {
      return await work(connection)
    } finally {
      await connection.close()
    }
  }

  test.each([
    ['expiry, then age, as by default', ['expiry', 'age'], ['gift', 'paid', 'none', 'always']],
    ['age', ['age'], ['none', 'always', 'gift', 'paid']],
    ['gifts first', [{ scenes: ['gift'] }], ['gift', 'always', 'paid', 'none']],
    ['gifts first, older ones before', [{ scenes: ['gift'] }, 'age'], ['always', 'gift', 'none', 'paid']],
    ['payments last', [{ scenes: ['gift', 'payment'] }], ['gift', 'always', 'paid', 'none']],
    ['expiry, then scenes', ['expiry', { scenes: ['payment'] }], ['gift', 'paid', 'none', 'always']],
  ])('draws on grants in this order: %s', async (_, drawOrder, expected) => {
    const database = await withGrants()
    const said = await inOrder(database, drawOrder, async (credits) => {
      const { grants } = await credits.getBalance('u')
      const { draws: quoted } = await credits.quoteCredits('u', 42)
      const charge = await credits.consumeCredits({ userId: 'u', credits: 42 })
      const drawn = (await draws(database, charge.id)).map(([id]) => id)
      return [grants.map(({ creditId }) => creditId), quoted.map(({ creditId }) => creditId), drawn]
    })
    expect(said).toEqual([expected, expected, expected])
  })

  test('applies to the recovery of a payment that was charged back', async () => {
    for (const [scene, expected] of [
      ['gift', { gift: 5, paid: 20 }],
      ['payment', { gift: 10, paid: 15 }],
    ]) {
      const database = await withGrants()
      const { createCredit, consumeCredits } = database.credits
      const soon = new Date(Date.now() + 60_000)
      await createCredit({ userId: 'u', id: 'own', credits: 5, orderNo: 'order', expiresAt: soon })
      await consumeCredits({ userId: 'u', credits: 5 })
      const left = await remaining(database)
      expect(left).toMatchObject({ own: 0, gift: 10, paid: 20 })
      const standing = await inOrder(database, [{ scenes: [scene] }], ({ revokeGrants }) =>
        revokeGrants({ orderNo: 'order' }, { transactionNo: 'd', recover: 'available' }),
      )
      expect(standing).toEqual({ revoked: 5, spent: 5, outstanding: 0, remaining: 0 })
      expect(await remaining(database)).toMatchObject(expected)
    }
  })

  test('applies to each function that charges, with scenes too', async () => {
    for (const charge of Object.values(CHARGES)) {
      const database = await withGrants()
      const id = await inOrder(database, ['age'], (credits) => charge(credits, 8, GIFTS))
      expect(await draws(database, id)).toEqual([
        ['always', 7],
        ['gift', 1],
      ])
    }
  })

  test('can differ between connections to one database', async () => {
    const database = await withGrants()
    const orders = [['age'], [{ scenes: ['payment'] }], ['expiry']]
    const firsts = []
    for (const order of [...orders, ...orders]) {
      const id = await inOrder(database, order, (credits) => CHARGES.consumeCredits(credits, 1))
      firsts.push((await draws(database, id))[0][0])
    }
    expect(firsts).toEqual(['none', 'paid', 'gift', 'none', 'paid', 'gift'])
  })

  test('charges many grants, oldest first', async () => {
    const MANY = 60
    const grants = Array.from({ length: MANY }, (_, at) => ({
      id: `g${at}`,
      credits: 2,
      expiresAt: null,
      createdAt: new Date(1_790_000_000_000 + ((at * 7) % MANY) * 1000),
    }))
    const database = await TestDatabase.fresh()
    await database.user('u', ...grants)
    const left = await inOrder(database, ['age'], async (credits) => {
      await CHARGES.consumeCredits(credits, 2 * MANY - 3)
      return credits.getBalance('u')
    })
    const order = [...grants].sort((one, other) => one.createdAt - other.createdAt)
    expect(left.grants.map(({ creditId, remaining }) => [creditId, remaining])).toEqual([
      [order.at(-2).id, 1],
      [order.at(-1).id, 2],
    ])
  })
})
