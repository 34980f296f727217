'use strict'

const { readFileSync } = require('node:fs')
const path = require('node:path')
const { within } = require('../..')
const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { staysSound, unchanging } = require('../helpers/calls')

// Newer apps pass their own transaction, in which a call runs (`shared/within.test.js`). Other values are refused at once.

/** Each call that takes a transaction: its title, the function that the error names, and the call. */
const CALLS = [
  ['consumeCredits', 'consumeCredits', (credits, more) => credits.consumeCredits({ ...CHARGE, ...more })],
  ['createCredit', 'createCredit', (credits, more) => credits.createCredit({ ...CHARGE, ...more })],
  [
    'grantCreditsForUser',
    'createCredit',
    (credits, more) => credits.grantCreditsForUser({ user: { id: 'u' }, credits: 5, ...more }),
  ],
  ['createAITask', 'createAITask', (credits, more) => credits.createAITask(aiTask('new', 'u', ofCost(more)))],
  [
    'createMediaTask',
    'createMediaTask',
    (credits, more) => credits.createMediaTask(task('new', 'u', more), 5),
  ],
  [
    'consumeCreditsBatch',
    'consumeCredits',
    (credits, more) => credits.consumeCreditsBatch([CHARGE, { ...CHARGE, ...more }], { atomic: true }),
  ],
  [
    'createAITasks',
    'createAITask',
    (credits, more) =>
      credits.createAITasks([aiTask('a', 'u'), aiTask('new', 'u', ofCost(more))], { atomic: true }),
  ],
  [
    'createMediaTasks',
    'createMediaTask',
    (credits, more) =>
      credits.createMediaTasks([{ task: task('new', 'u', more), costCredits: 5 }], { atomic: true }),
  ],
]
const CHARGE = { userId: 'u', credits: 5 }
const ofCost = (more) => ({ costCredits: 5, ...more })

const thrower = () => {
  throw new Error('this is not for you')
}

/** An object that throws on each access. */
const guarded = () =>
  new Proxy(
    {},
    Object.fromEntries(
      ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor'].map((trap) => [trap, thrower]),
    ),
  )

function circular() {
  const tx = { session: { options: {} }, rollback: () => {} }
  tx.session.client = tx
  tx.session.options.self = tx.session
  return tx
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

class Transaction {
  constructor() {
    this.nestedIndex = 0
    this.schema = new Map([['credit', {}]])
  }
  select() {}
}

const VALUES = [
  ['an object', () => ({})],
  ['an instance of a class', () => new Transaction()],
  ['a function', () => () => {}],
  ['a Proxy that throws', guarded],
  ['a Proxy of a function', () => new Proxy(() => {}, { get: thrower, apply: thrower })],
  ['a Proxy that was revoked', revoked],
  ['a circular object', circular],
  ['a getter that throws', () => Object.defineProperty({}, 'client', { enumerable: true, get: thrower })],
  ['a toJSON that throws', () => ({ toJSON: thrower })],
  ['a toJSON that returns undefined', () => ({ toJSON: () => undefined })],
  ['an object without a prototype', () => Object.create(null)],
  ['a bigint inside', () => ({ id: 1n })],
  ['something huge', () => ({ rows: Array.from({ length: 200_000 }, (_, at) => `row ${at}`) })],
  ['something deep', () => Array.from({ length: 5_000 }).reduce((inner) => ({ inner }), {})],
  ['an array', () => []],
  ['a Date', () => new Date()],
  ['an invalid Date', () => new Date(NaN)],
  ['bytes', () => Buffer.from('tx')],
  ['text', () => 'tx'],
  ['a number', () => 1],
  ['NaN', () => NaN],
  ['true', () => true],
  ['a symbol', () => Symbol('tx')],
  ['a bigint', () => 10n ** 30n],
]

async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u', 60, 40)
  return database
}

staysSound()

/** For refused calls. */
const opened = unchanging(withUser)

describe.each(CALLS)('%s with tx', (name, named, call) => {
  test('refuses each other value, and writes nothing', async () => {
    const database = opened()
    for (const [what, make] of VALUES) {
      const error = await refusal(database, () => call(database.credits, { tx: make() }))
      expect({ what, code: error.code }).toEqual({ what, code: 'TRANSACTION_NOT_SUPPORTED' })
    }
  })

  test('refuses with a message that has the remedy', async () => {
    const database = opened()
    const error = await refusal(database, () => call(database.credits, { tx: guarded() }))
    expect(error).toMatchObject({ code: 'TRANSACTION_NOT_SUPPORTED', retryable: false })
    expect(error.message).toContain(`${named} can't run inside this tx`)
    expect(error.message).toContain('nothing was written')
    expect(error.message).toContain('leave tx out')
    expect(error.message).toContain('models/ai_task.ts')
    expect(error.message).not.toContain('this is not for you')
    expect(error.index).toBe({ consumeCreditsBatch: 1, createAITasks: 1, createMediaTasks: 0 }[name])
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    // Like the app's own `if (tx)`.
    ['false', false],
    ['zero', 0],
    ['empty text', ''],
  ])('as %s is nothing', async (_, tx) => {
    const database = await withUser()
    const [row] = [await call(database.credits, { tx })].flat().slice(-1)
    expect(row).toMatchObject({ userId: 'u' })
    expect(row).not.toHaveProperty('tx')
    expect(await database.credits.getRemainingCredits('u')).not.toBe(100)
  })

  test('refuses the tx before other invalid arguments', async () => {
    const database = opened()
    const wrong = { tx: {}, userId: 'nobody', costCredits: 1000, color: 'red' }
    const error = await refusal(database, () => call(database.credits, wrong))
    expect(error).toMatchObject({ code: 'TRANSACTION_NOT_SUPPORTED' })
  })

  test('counts the refusal as a caller error', async () => {
    const database = await withUser()
    const told = []
    database.credits.on('refused', (event) => told.push(event))
    await refusal(database, () => call(database.credits, { tx: circular() }))
    expect(told).toEqual([])
    const { operations } = await database.credits.stats()
    const operation = name === 'grantCreditsForUser' ? 'createCredit' : name
    expect(operations[operation].refused).toEqual({ TRANSACTION_NOT_SUPPORTED: 1 })
  })
})

describe('within(tx)', () => {
  test('has all functions except those that its types omit', () => {
    const query = async () => []
    const there = within({ dialect: 'sqlite', query })
    const types = readFileSync(path.join(__dirname, '../../types/within.d.ts'), 'utf8')
    const [leftOut] = types.match(/'within'.*keyof typeof/)
    const names = leftOut.match(/\w+(?=')/g)
    const { on, once, off, ...database } = opened().credits
    const lacking = Object.keys(database).filter((name) => !(name in there))
    expect(lacking.sort()).toEqual(names.sort())
  })
})

describe('tx', () => {
  test('in an item of a batch that is not atomic has only that item refused', async () => {
    const database = await withUser()
    const items = [CHARGE, { ...CHARGE, tx: circular() }, CHARGE]
    const settled = await database.credits.consumeCreditsBatch(items)
    expect(settled.map(({ reason }) => reason?.code)).toEqual([
      undefined,
      'TRANSACTION_NOT_SUPPORTED',
      undefined,
    ])
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test('is refused as an option', async () => {
    const database = opened()
    const { consumeCredits, createCredit, createAITask, createMediaTask } = database.credits
    const options = { tx: circular() }
    for (const call of [
      () => consumeCredits(CHARGE, options),
      () => createCredit(CHARGE, options),
      () => createAITask(aiTask('a', 'u'), options),
      () => createMediaTask(task('t', 'u'), 0, options),
    ]) {
      expect(await refusal(database, call)).toMatchObject({ code: 'UNKNOWN_FIELD', field: 'tx' })
    }
  })
})
