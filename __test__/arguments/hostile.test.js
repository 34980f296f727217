'use strict'

const vm = require('node:vm')
const { MediaCreditsError, calculateCreditExpirationTime, connect } = require('../..')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { EVERY, made } = require('../helpers/every')

const thrower = () => {
  throw new TypeError('a trap')
}

const TRAPS = {
  get: thrower,
  has: thrower,
  ownKeys: thrower,
  getPrototypeOf: thrower,
  getOwnPropertyDescriptor: thrower,
}

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function circular() {
  const object = {}
  object.self = object
  return object
}

/** Values that each argument and each option refuses. */
const HOSTILE = {
  'a symbol': () => Symbol('x'.repeat(1000)),
  'a bigint of 5,000 bits': () => 2n ** 5000n,
  'a function': () => thrower,
  'a class': () => class {},
  'a proxy that throws': () => new Proxy({}, TRAPS),
  'a proxy of a list that throws': () => new Proxy([], TRAPS),
  'a proxy that was revoked': () => revoked({}),
  'a list that was revoked': () => revoked([]),
  'an object that refers to itself': circular,
  'a getter that throws': () => Object.defineProperty({}, 'id', { enumerable: true, get: thrower }),
  'a toJSON that throws': () => ({ toJSON: thrower }),
  'a toString that throws': () => ({ toString: thrower, valueOf: thrower, [Symbol.toPrimitive]: thrower }),
  'a list with its own toJSON': () => Object.assign(['pending'], { toJSON: thrower }),
  'a Map': () => new Map([['id', 'u']]),
  'a Set': () => new Set(['u']),
  'shared memory': () => new SharedArrayBuffer(8),
  'a typed array': () => new Float64Array([1.5]),
  'a promise': () => Promise.resolve('u'),
  'a list of 2 ** 32 - 1 holes': () => new Array(2 ** 32 - 1),
  NaN: () => NaN,
}

/** Dates of other realms, and with their own methods, are Dates. */
const DATES = {
  'with its own getTime': () => Object.assign(new Date(5000), { getTime: thrower }),
  'with its own toISOString': () => Object.assign(new Date(5000), { toISOString: thrower, toJSON: thrower }),
  'of another realm': () => vm.runInNewContext('new Date(5000)'),
}

async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  await database.credits.createMediaTask(task('t', 'u'), 0)
  await database.credits.createAITask(aiTask('a', 'u', { costCredits: 0 }))
  return database
}

/** A call with another value in place of an argument, or of a field or an item in it. */
function* variants(name, hostile) {
  const count = EVERY[name]().length
  for (let at = 0; at < count; at++) {
    const args = EVERY[name]()
    const given = args[at]
    args[at] = hostile()
    yield [at, args]
    const isObject = typeof given === 'object' && !(given instanceof Date)
    for (const key of isObject ? Object.keys(given) : []) {
      const inside = EVERY[name]()
      inside[at][key] = hostile()
      yield [`${at}.${key}`, inside]
    }
  }
}

/** For refused calls. */
const opened = unchanging(withUser)

describe.each(Object.keys(EVERY))('%s', (name) => {
  test('refuses each invalid value with an error that has a code', async () => {
    const database = await withUser()
    const before = await database.everything()
    let accepted = 0
    for (const [what, hostile] of Object.entries(HOSTILE)) {
      for (const [where, args] of variants(name, hostile)) {
        const error = await made(database.credits, name, args).then(
          () => undefined,
          (error) => error,
        )
        if (!error) {
          accepted++
          continue
        }
        const about = `${what} as ${where}: ${error.stack}`
        expect([about, error instanceof MediaCreditsError]).toEqual([about, true])
        expect([about, error.code]).not.toEqual([about, 'INTERNAL'])
        expect(error.message.length).toBeLessThan(600)
      }
    }
    // Some of them are valid: a list in JSON. If none was, nothing is written.
    if (accepted === 0) expect(await database.everything()).toEqual(before)
  })
})

describe('an item of a batch that is not atomic', () => {
  test.each(Object.entries(HOSTILE))('is refused alone: %s', async (_, hostile) => {
    const { createMediaTasks, createAITasks, consumeCreditsBatch } = opened().credits
    for (const batch of [createMediaTasks, createAITasks, consumeCreditsBatch]) {
      const [{ reason }] = await batch([hostile()])
      expect(reason).toBeInstanceOf(MediaCreditsError)
      expect(reason.code).not.toBe('INTERNAL')
    }
  })

  test('is refused with an unknown key, as in an atomic batch', async () => {
    const database = await withUser()
    const item = { task: task('new', 'u'), costCredits: 1, maxActive: 1 }
    const expected = { code: 'UNKNOWN_FIELD', table: 'createMediaTasks', field: 'maxActive' }
    const { createMediaTasks } = database.credits
    const [{ reason }] = await createMediaTasks([item])
    expect(reason).toMatchObject(expected)
    const atomic = await createMediaTasks([item], { atomic: true }).catch((error) => error)
    expect(atomic).toMatchObject(expected)
    expect(atomic.message).toContain(reason.message)
    expect(reason.message).toMatch(
      /an item has a task and its costCredits; options are the call's last argument$/,
    )
    expect(await createMediaTasks([{ ...item, maxActive: undefined }])).toMatchObject([
      { status: 'fulfilled' },
    ])
  })

  test.each([[{ retry: true }], [{ atomic: true, retry: true }], [{ replay: 1 }], [[]], ['x'], [null]])(
    'does not hide invalid options of an empty batch: %p',
    async (options) => {
      const { credits } = opened()
      for (const name of ['createMediaTasks', 'createAITasks', 'consumeCreditsBatch']) {
        const error = await credits[name]([], options).catch((error) => error)
        expect(['UNKNOWN_FIELD', 'INVALID_ARGUMENT']).toContain(error.code)
      }
    },
  )
})

describe('a list that is too long', () => {
  test('of statuses is refused before it is sent to a database', async () => {
    const { credits } = opened()
    const statuses = Array(100_000).fill('pending')
    for (const [field, call] of [
      ['statuses', () => credits.findStuckMediaTasks({ olderThanMs: 1, statuses })],
      ['statuses', () => credits.failStuckAITasks({ olderThanMs: 1, statuses })],
      ['ifStatus', () => credits.updateMediaTaskById('t', {}, { ifStatus: statuses })],
      ['activeStatuses', async () => connect({ activeStatuses: statuses })],
    ]) {
      const error = await call().catch((error) => error)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field })
      expect(error.message).toContain('at most 1000')
    }
  })

  test('of items is refused, atomic or not', async () => {
    const { credits } = opened()
    for (const options of [undefined, { atomic: true }]) {
      const error = await credits.createMediaTasks(Array(100_001), options).catch((error) => error)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'createMediaTasks' })
    }
  })
})

test.each(Object.entries(DATES))('a Date %s is read as its internal time', async (_, date) => {
  const { credits } = await withUser()
  const row = await credits
    .updateMediaTaskById('t', { publishedAt: date() }, { ifUpdatedBefore: date() })
    .catch(({ code }) => code)
  expect(row).toBe('TASK_STATE_CONFLICT')
  expect(await credits.updateMediaTaskById('t', { publishedAt: date() })).toMatchObject({
    publishedAt: new Date(5000),
  })
  expect(calculateCreditExpirationTime({ creditsValidDays: 1, currentPeriodEnd: date() })).toEqual(
    new Date(5000),
  )
})

test('errors of calls without a database have a code too', () => {
  for (const hostile of Object.values(HOSTILE)) {
    for (const call of [
      () => connect(hostile()),
      () => connect({ url: hostile() }),
      () => connect({ activeStatuses: hostile() }),
      () => calculateCreditExpirationTime({ creditsValidDays: 1, currentPeriodEnd: hostile() || 'x' }),
    ]) {
      expect(call).toThrow(MediaCreditsError)
    }
  }
})

test('invalid listeners and thresholds are refused', async () => {
  const { credits } = opened()
  for (const hostile of Object.values(HOSTILE)) {
    expect(() => credits.on(hostile(), () => {})).toThrow(MediaCreditsError)
    expect(() => credits.on('balance-low', { below: hostile() }, () => {})).toThrow(MediaCreditsError)
    expect(() => credits.on('balance-low', hostile(), () => {})).toThrow(MediaCreditsError)
  }
})

describe('an error message repeats only a part of a long text that was passed as', () => {
  const LONG = 'x'.repeat(3_000_000)

  test.each([
    ['an id', ({ findMediaTaskById }) => findMediaTaskById(LONG)],
    ['an id that does not exist', ({ getBalance }) => getBalance(LONG)],
    ['a field', ({ updateMediaTaskById }) => updateMediaTaskById('t', { [LONG]: 1 })],
    ['a field of an object', ({ createMediaTask }) => createMediaTask({ [LONG]: {} }, 1)],
    [
      'a key of an item',
      async ({ createMediaTasks }) => {
        const [{ reason }] = await createMediaTasks([{ task: {}, [LONG]: 1 }])
        throw reason
      },
    ],
    ['an option', ({ createMediaTask }) => createMediaTask(task('n', 'u'), 0, { [LONG]: 1 })],
    ['a value', ({ createCredit }) => createCredit({ userId: 'u', credits: LONG })],
    ['a status', ({ createCredit }) => createCredit({ userId: 'u', credits: 1, status: LONG })],
    ['a number of digits', ({ createCredit }) => createCredit({ userId: 'u', credits: 10n ** 5000n })],
    ['a policy', ({ settleMediaTask }) => settleMediaTask('t', 0, { refundPolicy: { [LONG]: 1 } })],
    ['a name of an event', async ({ on }) => on(LONG, () => {})],
    ['a cursor', ({ getStatement }) => getStatement('u', { cursor: LONG })],
    ['a URL', () => connect({ url: `${LONG}://x` }).getBalance('u')],
    ['a number of a column', ({ updateMediaTaskById }) => updateMediaTaskById('t', { views: LONG })],
  ])('%s', async (_, call) => {
    const { credits } = opened()
    const error = await Promise.resolve(credits)
      .then(call)
      .then(
        () => 'no error',
        (error) => error,
      )
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error.message.length).toBeLessThan(600)
    expect(JSON.stringify({ ...error }).length).toBeLessThan(600)
  })
})
