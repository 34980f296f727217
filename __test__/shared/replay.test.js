'use strict'

const { TestDatabase, refusal, task, DAY_MS } = require('../helpers/database')
const { staysSound, writingNothing } = require('../helpers/calls')
const { KEYED, aiTask } = require('../helpers/keyed')

TestDatabase.reuse()

const REPLAY = { replay: true }

/** Users `u` and `v` with a grant of 50 each. */
async function twoUsers() {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'grant of u', credits: 50, transactionNo: '71' })
  await database.user('v', { id: 'grant of v', credits: 50, transactionNo: '72' })
  return database
}

describe.each(Object.entries(KEYED))('%s with replay', (name, { args, field, taken, charges, ...names }) => {
  staysSound()

  /** The database of two users, and a call with key `k`, user `u` and 10 credits by default. */
  async function open() {
    const database = await twoUsers()
    return { database, make: (request, options) => database.credits[name](...args(request), options) }
  }

  test('writes the same row as without replay, without "replayed"', async () => {
    const { database, make } = await open()
    const first = await make({}, REPLAY)
    expect(first).toMatchObject({ [field]: 'k', userId: 'u' })
    expect(first).not.toHaveProperty('replayed')
    expect(await database.credits.getRemainingCredits('u')).toBe(charges ? 40 : 60)
  })

  test.each([
    ['with replay', REPLAY],
    ['without it', undefined],
  ])('returns the row of a first call that was made %s, and writes nothing', async (_, options) => {
    const { database, make } = await open()
    const first = await make({}, options)
    for (let time = 0; time < 3; time++) {
      const again = await writingNothing(database, () => make({}, REPLAY))
      expect(again).toEqual({ ...first, replayed: true })
      expect(Object.getPrototypeOf(again)).toBe(Object.prototype)
    }
  })

  test('returns the first row although other fields differ', async () => {
    const { database, make } = await open()
    const first = await make({ more: { [names.title]: 'first' } }, REPLAY)
    const again = await writingNothing(database, () => make({ more: { [names.title]: 'second' } }, REPLAY))
    expect(again).toEqual({ ...first, [names.title]: 'first', replayed: true })
  })

  test.each([
    ['another user', { userId: 'v' }],
    ['more credits', { credits: 11 }],
    ['fewer credits', { credits: 9 }],
    ['another user and more credits', { userId: 'v', credits: 11 }],
    ['more credits than there are', { credits: 1_000_000 }],
    ...(field === 'id' ? [['no credits', { credits: 0 }]] : []),
  ])('refuses the same key with %s', async (_, request) => {
    const { database, make } = await open()
    await make({}, REPLAY)
    const error = await refusal(database, () => make(request, REPLAY))
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', field, value: 'k', retryable: false })
  })

  test('is off by default, and then refuses the second call', async () => {
    const { database, make } = await open()
    await make({}, REPLAY)
    for (const options of [undefined, {}, { replay: undefined }, { replay: false }]) {
      const error = await refusal(database, () => make({}, options))
      expect(error).toMatchObject({ ...taken, retryable: false })
    }
  })

  test('returns the row although the balance is too small by now', async () => {
    const { database, make } = await open()
    const first = await make({}, REPLAY)
    const { getRemainingCredits, consumeCredits } = database.credits
    await consumeCredits({ userId: 'u', credits: await getRemainingCredits('u') })
    expect(await writingNothing(database, () => make({}, REPLAY))).toMatchObject({
      id: first.id,
      replayed: true,
    })
  })

  test('can use the key of a call that was refused', async () => {
    const { database, make } = await open()
    for (const [request, code] of [
      [{ userId: 'nobody' }, 'USER_NOT_FOUND'],
      [{ more: { nonsense: 1 } }, 'UNKNOWN_FIELD'],
      ...(charges ? [[{ credits: 51 }, 'INSUFFICIENT_CREDITS']] : []),
    ]) {
      const error = await refusal(database, () => make(request, REPLAY))
      expect(error).toMatchObject({ code })
    }
    expect(await make({}, REPLAY)).not.toHaveProperty('replayed')
  })

  test('compares keys exactly', async () => {
    const { make } = await open()
    const keys = ['k', 'K', ' k', 'k ', 'ｋ', "k'", 'k"', 'k\\', 'k%', '_', 'é', 'e\u0301', '7', '07', '7.0']
    for (const key of keys) expect(await make({ key, credits: 1 }, REPLAY)).not.toHaveProperty('replayed')
    for (const key of keys) {
      expect(await make({ key, credits: 1 }, REPLAY)).toMatchObject({ [field]: key, replayed: true })
    }
  })

  test('refuses invalid arguments although the key exists', async () => {
    const { database, make } = await open()
    await make({}, REPLAY)
    for (const [request, code, wrong] of [
      [{ credits: 1.5 }, 'INVALID_AMOUNT', names.amount],
      [{ credits: '10' }, 'INVALID_AMOUNT', names.amount],
      [{ userId: '' }, 'INVALID_ID', 'userId'],
      [{ more: { nonsense: 1 } }, 'UNKNOWN_FIELD', 'nonsense'],
      [{ more: { [names.title]: new Date(0) } }, 'INVALID_VALUE', names.title],
    ]) {
      const error = await refusal(database, () => make(request, REPLAY))
      expect(error).toMatchObject({ code, field: wrong })
    }
  })
})

describe.each([
  ['MediaTask', task],
  ['AITask', aiTask],
])('create%s with replay returns the task', (kind, newTask) => {
  staysSound()

  const OF_MEDIA = kind === 'MediaTask'

  /** User `u` has 50 credits and a task `t`, made with replay for this cost. */
  async function withTask(cost = 10) {
    const database = await twoUsers()
    const { credits } = database
    const create = (costCredits) =>
      OF_MEDIA
        ? credits.createMediaTask(newTask('t', 'u'), costCredits, REPLAY)
        : credits.createAITask(newTask('t', 'u', { costCredits }), REPLAY)
    const first = await create(cost)
    const of = (verb) => credits[verb.replace('Task', kind)]
    return { database, create, first, of }
  }

  /** What can happen to a task and its charge. */
  const LIVES = [
    ['made progress', async ({ of }) => of('updateTaskById')('t', { status: 'processing' })],
    ['failed and was refunded', async ({ of }) => of('updateTaskById')('t', { status: 'failed' })],
    [
      'failed, and its creditId was emptied',
      async ({ of }) => of('updateTaskById')('t', { status: 'failed', creditId: null }),
    ],
    ['was settled', async ({ of }) => of('settleTask')('t', 4)],
    ['was settled to nothing', async ({ of }) => of('settleTask')('t', 0)],
    [
      'was settled, and then failed',
      async ({ of }) => {
        await of('settleTask')('t', 4)
        await of('updateTaskById')('t', { status: 'failed' })
      },
    ],
    ['was charged for a further step', async ({ of }) => of('chargeTask')('t', { credits: 5 })],
    [
      'was charged for a step of the same cost',
      async ({ of }) => of('chargeTask')('t', { credits: 10 }, { status: 'processing' }),
    ],
    ['had a free step', async ({ of }) => of('chargeTask')('t', { credits: 0 })],
    [
      'was charged for a step that was settled, and then failed',
      async ({ of }) => {
        await of('settleTask')('t', 7)
        await of('chargeTask')('t', { credits: 5 })
        await of('settleTask')('t', 2)
        await of('updateTaskById')('t', { status: 'failed' })
      },
    ],
    [
      "got a charge of the app's own code",
      async ({ database, of }) => {
        const metadata = { type: OF_MEDIA ? 'media-task-translation' : 'ai-task-translation', taskId: 't' }
        const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 3, metadata })
        await of('updateTaskById')('t', { creditId: id })
      },
    ],
    ['was deleted by the app', async ({ of }) => of('updateTaskById')('t', { deletedAt: new Date() })],
  ]

  test.each(LIVES)('as it is now after it %s', async (_, live) => {
    const opened = await withTask()
    const { database, create, first, of } = opened
    await live(opened)
    const now = await of('findTaskById')('t')
    expect(await writingNothing(database, () => create(10))).toEqual({ ...now, replayed: true })
    expect(now.createdAt).toEqual(first.createdAt)
    for (const cost of [0, 2, 4, 5, 9, 11]) {
      const error = await refusal(database, () => create(cost))
      expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', field: 'id', value: 't' })
    }
  })

  test.each([
    ['', async () => {}],
    [' and has failed', async ({ of }) => of('updateTaskById')('t', { status: 'failed' })],
    [' and was charged for a further step', async ({ of }) => of('chargeTask')('t', { credits: 5 })],
  ])('that cost nothing%s', async (_, live) => {
    const opened = await withTask(0)
    await live(opened)
    const { database, create, of } = opened
    const now = await of('findTaskById')('t')
    expect(await writingNothing(database, () => create(0))).toEqual({ ...now, replayed: true })
    for (const cost of [5, 10]) {
      expect(await refusal(database, () => create(cost))).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
    }
  })

  test('as itself beside a task of the other kind with the same id', async () => {
    const { database, create } = await withTask(10)
    const { createAITask, createMediaTask } = database.credits
    const other = OF_MEDIA
      ? () => createAITask(aiTask('t', 'u', { costCredits: 7 }), REPLAY)
      : () => createMediaTask(task('t', 'u'), 7, REPLAY)
    expect(await other()).not.toHaveProperty('replayed')
    expect(await writingNothing(database, other)).toMatchObject({ id: 't', replayed: true })
    expect(await writingNothing(database, () => create(10))).toMatchObject({ id: 't', replayed: true })
  })
})

describe('a charge with a transactionNo is replayed', () => {
  staysSound()

  test.each([
    ['was refunded', async ({ refundCredits }, { id }) => refundCredits(id)],
    ['was refunded in part', async ({ refundCredits }, { id }) => refundCredits(id, 4)],
    [
      "became a task's, which was settled",
      async ({ createMediaTask, settleMediaTask }, { id }) => {
        await createMediaTask(task('t', 'u', { creditId: id }), 0)
        await settleMediaTask('t', 3)
      },
    ],
    [
      "became a task's, which failed",
      async ({ createMediaTask, updateMediaTaskById }, { id }) => {
        await createMediaTask(task('t', 'u', { creditId: id }), 0)
        await updateMediaTaskById('t', { status: 'failed' })
      },
    ],
  ])('as it is now after it %s', async (_, live) => {
    const database = await twoUsers()
    const charge = (credits) =>
      database.credits.consumeCredits({ userId: 'u', credits, transactionNo: '88' }, REPLAY)
    const first = await charge(10)
    await live(database.credits, first)
    const [now] = await database.credits.getCredits({ userId: 'u', transactionType: 'consume' })
    expect(await writingNothing(database, () => charge(10))).toEqual({ ...now, replayed: true })
    for (const credits of [3, 4, 6, 11]) {
      expect(await refusal(database, () => charge(credits))).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
    }
  })
})

describe('a grant with a transactionNo is replayed', () => {
  staysSound()

  const grant = (database, more) =>
    database.credits.createCredit({ userId: 'u', credits: 20, transactionNo: '99', ...more }, REPLAY)

  test('as it is now after some of it was spent and it has expired', async () => {
    const database = await twoUsers()
    const { id } = await grant(database, { expiresAt: new Date(Date.now() + DAY_MS) })
    await database.credits.consumeCredits({ userId: 'u', credits: 15 })
    await database.sql('UPDATE credit SET expires_at = ? WHERE id = ?', new Date(Date.now() - DAY_MS), id)
    expect(await writingNothing(database, () => grant(database))).toMatchObject({
      id,
      credits: 20,
      remainingCredits: 5,
      replayed: true,
    })
  })

  test('once although the second webhook has another expiry', async () => {
    const database = await twoUsers()
    const { id, expiresAt } = await grant(database)
    const later = { expiresAt: new Date(Date.now() + DAY_MS), description: 'again', status: 'expired' }
    expect(await writingNothing(database, () => grant(database, later))).toMatchObject({ id, expiresAt })
    expect(await database.credits.getRemainingCredits('u')).toBe(70)
  })
})

describe('a transactionNo', () => {
  staysSound()

  test.each([
    ['a charge', 'consumeCredits', '71'],
    ["a charge, of a grant's user and number of credits,", 'consumeCredits', '71', 50],
    ['a grant', 'createCredit', '88'],
    ["a grant, of a charge's number of credits,", 'createCredit', '88', 7],
  ])("of %s is refused with replay if it is the other's", async (_, name, transactionNo, credits = 1) => {
    const database = await twoUsers()
    await database.credits.consumeCredits({ userId: 'u', credits: 7, transactionNo: '88' })
    const call = () => database.credits[name]({ userId: 'u', credits, transactionNo }, REPLAY)
    const error = await refusal(database, call)
    expect(error).toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      field: 'transactionNo',
      value: transactionNo,
    })
  })

  test.each(['consumeCredits', 'createCredit'])('is required for %s with replay', async (name) => {
    const database = await twoUsers()
    for (const key of [{}, { transactionNo: undefined }, { transactionNo: null }]) {
      const call = () => database.credits[name]({ userId: 'u', credits: 5, ...key }, REPLAY)
      expect(await refusal(database, call)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        field: 'transactionNo',
      })
    }
  })
})

test('a grant with its own id is replayed by its transactionNo', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u')
  const { createCredit } = database.credits
  const grant = { id: 'g', userId: 'u', credits: 5, transactionNo: 'n' }
  await createCredit(grant, { replay: true })
  expect(await createCredit(grant, { replay: true })).toMatchObject({ id: 'g', replayed: true })
  const other = createCredit({ ...grant, transactionNo: 'm' }, { replay: true })
  await expect(other).rejects.toMatchObject({ code: 'CREDIT_EXISTS', field: 'id' })
  expect(await database.credits.getRemainingCredits('u')).toBe(5)
})
