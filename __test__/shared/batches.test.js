'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { counted, outcome, staysSound, values, writingNothing } = require('../helpers/calls')
const { KEYED } = require('../helpers/keyed')
const { refuseRows } = require('../helpers/triggers')

TestDatabase.reuse()

const ATOMIC = { atomic: true }
const REPLAY = { replay: true }

/** Each batch function: the one for a single item, and how an item is made. */
const BATCHES = {
  createMediaTasks: { one: 'createMediaTask', item: ([task, costCredits]) => ({ task, costCredits }) },
  createAITasks: { one: 'createAITask', item: ([task]) => task },
  consumeCreditsBatch: { one: 'consumeCredits', item: ([parameters]) => parameters },
}

describe.each(Object.entries(BATCHES))('%s', (name, { one, item }) => {
  staysSound()

  const { args, taken, field, amount, title } = KEYED[one]
  const items = (...requests) => requests.map((request) => item(args(request)))
  const exists = { ...taken, ...(field === 'id' ? { taskId: 'old' } : { value: 'old' }) }

  /** Users `u` and `v` have 100 credits each, and `u` has paid 10 more for what has the key `old`. */
  async function open() {
    const database = await TestDatabase.fresh()
    await database.user('u', 60, 50)
    await database.user('v', 100)
    await database.credits[one](...args({ key: 'old' }))
    return { database, batch: database.credits[name], balance: database.credits.getRemainingCredits }
  }

  describe('not atomic', () => {
    test.each([[undefined], [{ atomic: false }]])(
      'returns outcomes in the order of the items, like Promise.allSettled, with options %j',
      async (options) => {
        const { database, batch, balance } = await open()
        const list = items(
          { key: 'a' },
          { key: 'b', credits: 1000 },
          { key: 'old' },
          { key: 'c', more: { nonsense: 1 } },
          { key: 'd', userId: 'nobody' },
          { key: 'e', credits: 0.5 },
          { key: 'f', userId: 'v', credits: 5 },
        )
        const outcomes = await batch(list, options)
        expect(outcomes.map(outcome)).toEqual([
          'accepted',
          'INSUFFICIENT_CREDITS',
          taken.code,
          'UNKNOWN_FIELD',
          'USER_NOT_FOUND',
          'INVALID_AMOUNT',
          'accepted',
        ])
        expect(outcomes.map((settled) => Object.keys(settled))).toEqual([
          ['status', 'value'],
          ...Array(5).fill(['status', 'reason']),
          ['status', 'value'],
        ])
        expect(outcomes[1].reason).toMatchObject({ required: 1000, available: expect.any(Number) })
        for (const { reason } of outcomes) expect(reason ?? {}).not.toHaveProperty('index')
        expect(values(outcomes).map((row) => row[field])).toEqual(['a', 'f'])
        expect([await balance('u'), await balance('v')]).toEqual([90, 95])
        const again = await writingNothing(database, () => batch(list.slice(0, 1), REPLAY))
        expect(again).toEqual([{ status: 'fulfilled', value: { ...outcomes[0].value, replayed: true } }])
      },
    )

    test('accepts exactly as many as the balance pays for', async () => {
      const { batch, balance } = await open()
      const list = items(...Array.from({ length: 30 }, (_, at) => ({ key: `k${at}`, credits: 7 })))
      expect(counted(await batch(list))).toEqual({ accepted: 14, INSUFFICIENT_CREDITS: 16 })
      expect(await balance('u')).toBe(2)
    })

    test('refuses or replays the second item with the same key', async () => {
      const { batch, balance } = await open()
      const twice = (key) => items({ key }, { key }, { key })
      expect(counted(await batch(twice('a')))).toEqual({ accepted: 1, [taken.code]: 2 })
      expect(counted(await batch(twice('b'), REPLAY))).toEqual({ accepted: 1, replayed: 2 })
      expect(await balance('u')).toBe(80)
    })

    test('accepts more than a thousand items', async () => {
      const { batch, balance } = await open()
      const requests = Array.from({ length: 1100 }, (_, at) => ({ key: `k${at}`, credits: 1 }))
      const outcomes = await batch(items(...requests))
      expect(counted(outcomes)).toEqual({ accepted: 100, INSUFFICIENT_CREDITS: 1000 })
      expect(await balance('u')).toBe(0)
    })

    test('returns a rejected outcome for a value that is not an item', async () => {
      const { batch } = await open()
      const wrong = [null, undefined, 5, 'item', [], () => ({}), new Date(), NaN, {}]
      const outcomes = await batch([...wrong, ...items({ key: 'a' })])
      expect(outcomes.map(({ status }) => status)).toEqual([...wrong.map(() => 'rejected'), 'fulfilled'])
      for (const { reason } of outcomes.slice(0, -2)) expect(reason.code).toBe('INVALID_ARGUMENT')
    })
  })

  describe('atomic', () => {
    test('writes all rows, and returns them in the order of the items', async () => {
      const { database, batch, balance } = await open()
      const keys = ['z', 'a', 'm', 'A', 'é', '7']
      const list = items(...keys.map((key, at) => ({ key, credits: at + 1, userId: 'uv'[at % 2] })))
      const rows = await batch(list, ATOMIC)
      expect(rows.map((row) => row[field])).toEqual(keys)
      expect(rows.some((row) => 'replayed' in row)).toBe(false)
      expect([await balance('u'), await balance('v')]).toEqual([100 - 9, 100 - 12])
      expect(await writingNothing(database, () => batch(list, { ...ATOMIC, ...REPLAY }))).toEqual(
        rows.map((row) => ({ ...row, replayed: true })),
      )
    })

    test('writes the same rows as single calls', async () => {
      const { batch, database } = await open()
      const [row] = await batch(items({ key: 'a' }), ATOMIC)
      const single = await database.credits[one](...args({ key: 'b' }))
      expect(Object.keys(row)).toEqual(Object.keys(single))
      const chosen = (charge) => [charge.credits, charge.transactionScene, charge.description, charge.status]
      const charges = await database.credits.getCredits({ userId: 'u', transactionType: 'consume' })
      expect(new Set(charges.map((charge) => JSON.stringify(chosen(charge)))).size).toBe(1)
    })

    test.each([
      [
        'more credits than the items before it leave',
        { credits: 41 },
        { code: 'INSUFFICIENT_CREDITS', required: 41, available: 40 },
      ],
      ['a key that is there', { key: 'old' }, exists],
      ['the key of an item before it', { key: 'first' }, { code: taken.code }],
      ['an unknown user', { userId: 'nobody' }, { code: 'USER_NOT_FOUND', userId: 'nobody' }],
      ['half a credit', { credits: 0.5 }, { code: 'INVALID_AMOUNT', field: amount }],
      ['NaN credits', { credits: NaN }, { code: 'INVALID_AMOUNT', field: amount }],
      ['an empty key', { key: '' }, { code: 'INVALID_ID', field }],
      ['an unknown field', { more: { nonsense: 1 } }, { code: 'UNKNOWN_FIELD', field: 'nonsense' }],
      ['a Date as text', { more: { [title]: new Date(0) } }, { code: 'INVALID_VALUE', field: title }],
    ])('writes nothing if an item in the middle has %s', async (_, request, expected) => {
      const { database, batch } = await open()
      const list = items(
        { key: 'first', credits: 30 },
        { key: 'of v', userId: 'v', credits: 100 },
        { key: 'second', credits: 30 },
        { key: 'middle', credits: 1, ...request },
        { key: 'last', credits: 1 },
      )
      for (const options of [ATOMIC, { ...ATOMIC, ...REPLAY }]) {
        const error = await refusal(database, () => batch(list, options))
        expect(error).toMatchObject({ ...expected, index: 3, retryable: false })
      }
      const sound = list.filter((_, at) => at !== 3)
      expect(await batch(sound, ATOMIC)).toHaveLength(4)
    })

    test.each([
      ['the second and the fourth', [1, 3], { credits: 1000 }],
      ['the first and the last', [0, 4], { key: 'old' }],
      ['all', [0, 1, 2, 3, 4], { more: { nonsense: 1 } }],
    ])('an atomic batch of several items that are wrong (%s) names the first', async (_, wrong, request) => {
      const { database, batch } = await open()
      const requests = [0, 1, 2, 3, 4].map((at) => ({ key: `k${at}`, ...(wrong.includes(at) && request) }))
      const error = await refusal(database, () => batch(items(...requests), ATOMIC))
      expect(error.index).toBe(wrong[0])
    })

    test('writes nothing if a trigger of the app refuses a row in the middle', async () => {
      const { database, batch } = await open()
      const table = { createMediaTasks: 'media_tasks', createAITasks: 'ai_task' }[name] ?? 'credit'
      const column = { title: 'title', prompt: 'prompt', description: 'description' }[title]
      await refuseRows(database, { table, condition: `NEW.${column} = 'bad'`, message: 'a bad row' })
      const requests = ['a', 'b', 'bad', 'c'].map((text) => ({ key: text, more: { [title]: text } }))
      const error = await refusal(database, () => batch(items(...requests), ATOMIC))
      expect(error.code).toBe('DATABASE_ERROR')
      expect(error.message).toContain('a bad row')
    })

    test('accepts 500 items, and refuses 501', async () => {
      const { database, batch, balance } = await open()
      await database.credits.createCredit({ userId: 'u', credits: 500 })
      const requests = Array.from({ length: 501 }, (_, at) => ({ key: `k${at}`, credits: 1 }))
      const error = await refusal(database, () => batch(items(...requests), ATOMIC))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: name })
      expect(error).not.toHaveProperty('index')
      const rows = await batch(items(...requests.slice(1)), ATOMIC)
      expect(rows.map((row) => row[field])).toEqual(requests.slice(1).map(({ key }) => key))
      expect(await balance('u')).toBe(100)
    })

    test('spends the whole balance of one user over many grants', async () => {
      const { database, batch, balance } = await open()
      await database.user('w', ...Array(20).fill(3))
      const requests = Array.from({ length: 12 }, (_, at) => ({ key: `k${at}`, userId: 'w', credits: 5 }))
      expect(await batch(items(...requests), ATOMIC)).toHaveLength(12)
      expect(await balance('w')).toBe(0)
    })

    test('refuses a value that is not an item', async () => {
      const { database, batch } = await open()
      for (const wrong of [
        null,
        undefined,
        5,
        NaN,
        'item',
        [],
        () => ({}),
        new Date(),
        new Date(NaN),
        Symbol('x'),
      ]) {
        const error = await refusal(database, () => batch([...items({ key: 'a' }), wrong], ATOMIC))
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', index: 1 })
      }
    })
  })

  describe.each([
    ['not atomic', {}],
    ['atomic', ATOMIC],
  ])('each item %s', (_, options) => {
    test('returns an empty list for an empty list', async () => {
      const { database, batch } = await open()
      for (const more of [{}, REPLAY]) {
        const all = await writingNothing(database, () => batch([], { ...options, ...more }))
        expect(all).toEqual([])
      }
    })
  })

  describe('atomic with replay', () => {
    const BOTH = { ...ATOMIC, ...REPLAY }

    test.each([
      ['all of which', [0, 3], { replayed: 3 }, undefined],
      ['the first of which', [0, 1], 'IDEMPOTENCY_CONFLICT', 1],
      ['the first two of which', [0, 2], 'IDEMPOTENCY_CONFLICT', 2],
      ['the last of which', [2, 3], taken.code, 2],
      ['all but the first of which', [1, 3], taken.code, 1],
      ['none of which', [0, 0], { accepted: 3 }, undefined],
    ])('replays or refuses a batch %s was made before', async (_, made, expected, index) => {
      const { database, batch, balance } = await open()
      const list = items({ key: 'a' }, { key: 'b', credits: 20 }, { key: 'c', userId: 'v' })
      for (const single of await database.credits[name](list.slice(...made))) {
        expect(outcome(single)).toBe('accepted')
      }
      if (index === undefined) {
        const rows = await batch(list, BOTH)
        expect(counted(rows.map((value) => ({ value })))).toEqual(expected)
        expect([await balance('u'), await balance('v')]).toEqual([70, 90])
      } else {
        const error = await refusal(database, () => batch(list, BOTH))
        expect(error).toMatchObject({ code: expected, index })
      }
    })

    test.each([
      ['another user', { userId: 'v' }],
      ['other credits', { credits: 11 }],
    ])('a batch made again with %s for an item is refused', async (_, change) => {
      const { database, batch } = await open()
      const requests = [{ key: 'a' }, { key: 'b' }, { key: 'c' }]
      await batch(items(...requests), BOTH)
      for (const at of [0, 1, 2]) {
        const changed = requests.map((request, index) => (index === at ? { ...request, ...change } : request))
        const error = await refusal(database, () => batch(items(...changed), BOTH))
        const conflict = { code: 'IDEMPOTENCY_CONFLICT', field, value: requests[at].key, index: at }
        expect(error).toMatchObject(conflict)
      }
    })

    test('replays the batch with nothing left of the balance', async () => {
      const { database, batch, balance } = await open()
      const list = items({ key: 'a', credits: 50 }, { key: 'b', credits: 50 })
      const rows = await batch(list, BOTH)
      expect(await balance('u')).toBe(0)
      const again = await writingNothing(database, () => batch(list, BOTH))
      expect(again).toEqual(rows.map((row) => ({ ...row, replayed: true })))
      expect(counted(await batch(list, REPLAY))).toEqual({ replayed: 2 })
    })
  })
})

describe('createMediaTasks, atomic,', () => {
  staysSound()

  test.each([
    ['an unknown key beside task and costCredits', { credits: 10 }, 'UNKNOWN_FIELD', 'credits'],
    ['no task', { task: undefined }, 'INVALID_ARGUMENT', 'task'],
    ['null as task', { task: null }, 'INVALID_ARGUMENT', 'task'],
    ['no costCredits', { costCredits: undefined }, 'INVALID_AMOUNT', 'costCredits'],
    ['an object as costCredits', { costCredits: {} }, 'INVALID_AMOUNT', 'costCredits'],
    ['an item within an item', { task: { task: task('t', 'u') } }, 'INVALID_ID', 'id'],
  ])('refuses %s', async (_, change, code, field) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const item = { task: task('t', 'u'), costCredits: 10, ...change }
    const list = [{ task: task('s', 'u'), costCredits: 10 }, item]
    const error = await refusal(database, () => database.credits.createMediaTasks(list, ATOMIC))
    expect(error).toMatchObject({ code, field, index: 1 })
  })

  test('creates free and paid tasks with different columns', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const more = [{}, { title: 'A' }, { publishedAt: new Date(5000) }, { title: 'B', isFreeTrial: true }]
    const list = more.map((columns, at) => ({ task: task(`t${at}`, 'u', columns), costCredits: at % 2 }))
    const rows = await database.credits.createMediaTasks(list, ATOMIC)
    expect(rows).toEqual(more.map((columns, at) => expect.objectContaining({ id: `t${at}`, ...columns })))
    expect(rows.map(({ creditId }) => creditId !== null)).toEqual([false, true, false, true])
    expect(await database.credits.getRemainingCredits('u')).toBe(98)
  })
})
