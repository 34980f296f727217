'use strict'

const { TestDatabase, aiTask, task } = require('../helpers/database')
const { atOnce, counted, staysSound, writingNothing } = require('../helpers/calls')
const { startProxy } = require('../helpers/proxy')
const { TRANSACTIONS } = require('../helpers/transactions')
const { connect, within } = require('../..')

TestDatabase.reuse()

// What SQLite does not have: isolation levels, and a search path.

const Transactions = TRANSACTIONS.postgres

let database, transactions

staysSound()

beforeEach(async () => {
  database = await TestDatabase.fresh()
  await database.user('u', 100, 50)
  transactions = new Transactions(database)
})

afterEach(() => transactions.end())

const charge = (tx) => within(tx).consumeCredits({ userId: 'u', credits: 10, scene: 'payment' })

/** The outcome of a transaction that is repeated while its errors are retryable. */
async function repeated(run) {
  for (;;) {
    const end = await run().then(
      () => 'accepted',
      (error) => error,
    )
    if (end.code !== 'DATABASE_BUSY') return end.code ?? end
    expect(end).toMatchObject({
      retryable: true,
      message: expect.stringContaining('repeat the whole transaction'),
    })
  }
}

const errorOf = (call) => call.catch((error) => error)

const LEVELS = ['read committed', 'repeatable read', 'serializable']

test.each(LEVELS.flatMap((level) => ['pg', 'Prisma'].map((kind) => [kind, level])))(
  'conflicting callers of %s at %s are refused as retryable, and the balance is spent once',
  async (kind, level) => {
    const callers = Array.from({ length: 20 }, () => repeated(() => transactions.run(kind, charge, level)))
    const ends = await Promise.all(callers)
    expect(ends.filter((end) => end === 'accepted')).toHaveLength(15)
    expect(ends.filter((end) => end === 'INSUFFICIENT_CREDITS')).toHaveLength(5)
  },
)

test.each(LEVELS)('callers at %s and the engine together spend the balance once', async (level) => {
  const inside = () => repeated(() => transactions.run('pg', charge, level))
  const outside = () => database.credits.consumeCredits({ userId: 'u', credits: 10 })
  const [beside, ...ends] = await Promise.all([atOnce(10, outside), ...Array.from({ length: 10 }, inside)])
  const { accepted = 0, INSUFFICIENT_CREDITS: refused = 0 } = counted(beside)
  const inAll = (word) => ends.filter((end) => end === word).length
  expect([accepted + inAll('accepted'), refused + inAll('INSUFFICIENT_CREDITS')]).toEqual([15, 5])
  expect(await database.credits.getRemainingCredits('u')).toBe(0)
})

const OLD = LEVELS.slice(1)

test.each(OLD)('at %s a call that counts tasks is refused, because its count would be old', async (level) => {
  const limited = { maxActive: 1 }
  const calls = [
    (credits) => credits.createMediaTask(task('late', 'u'), 0, limited),
    (credits) => credits.createMediaTask(task('late', 'u'), 1, limited),
    (credits) => credits.createAITask(aiTask('late', 'u', { costCredits: 1 }), limited),
  ]
  await database.credits.createMediaTask(task('first', 'u', { status: 'failed' }), 0)
  const refuse = (call, other) =>
    transactions.run(
      'pg',
      async (tx) => {
        await tx.query('SELECT 1 FROM credit')
        await database.credits.createMediaTask(task(other, 'u'), 0)
        const error = await errorOf(call(within(tx)))
        // The transaction can go on.
        await within(tx).createMediaTask(task(`${other} too`, 'u'), 0)
        return error
      },
      level,
    )
  for (const [at, call] of calls.entries()) {
    expect(await refuse(call, `other ${at}`)).toMatchObject({
      code: 'TRANSACTION_NOT_SUPPORTED',
      field: 'maxActive',
      message: expect.stringMatching(new RegExp(`${level}.*READ COMMITTED`, 'i')),
    })
    const ids = (await database.sql('SELECT id FROM media_tasks UNION ALL SELECT id FROM ai_task')).map(
      ({ id }) => id,
    )
    expect(ids).not.toContain('late')
    expect(ids).toContain(`other ${at} too`)
  }
})

test.each(OLD)('at %s a call that needs all current rows is refused, and writes nothing', async (level) => {
  const end = new Date(Date.now() + 86_400_000)
  const { id } = await database.credits.createCredit({ userId: 'u', credits: 5, orderNo: 'o' })
  const charge = { userId: 'u', credits: 1 }
  const limited = { limits: [{ credits: 100, per: 'day' }] }
  const period = { userId: 'u', credits: 5, subscriptionNo: 's', periodEnd: end, transactionNo: 'r' }
  const claim = { userId: 'u', below: 1000, credits: 5, transactionNo: 'k' }
  const calls = {
    limits: (credits) => credits.consumeCredits(charge, limited),
    claimTopUp: (credits) => credits.claimTopUp(claim),
    renewGrants: (credits) => credits.renewGrants(period),
    extendGrant: (credits) => credits.extendGrant(id, end),
    revokeGrants: (credits) => credits.revokeGrants({ orderNo: 'o' }, { transactionNo: 'd' }),
    restoreGrants: (credits) => credits.restoreGrants('d', { orderNo: 'o' }),
  }
  for (const [field, call] of Object.entries(calls)) {
    const refused = () => transactions.run('pg', (tx) => errorOf(call(within(tx))), level)
    expect(await writingNothing(database, refused)).toMatchObject({
      code: 'TRANSACTION_NOT_SUPPORTED',
      field,
      message: expect.stringMatching(new RegExp(`${level}.*READ COMMITTED`, 'i')),
    })
    await transactions.run('pg', (tx) => call(within(tx)), 'read committed')
  }
})

test.each(OLD)('at %s a free trial that another call has used is not used again', async (level) => {
  const trial = (credits, id) =>
    credits.createMediaTask(task(id, 'u', { isFreeTrial: true }), 0, { freeTrialLimit: 1 })
  const late = transactions.run(
    'pg',
    async (tx) => {
      await tx.query('SELECT 1 FROM credit')
      await trial(database.credits, 'first')
      await trial(within(tx), 'late')
    },
    level,
  )
  await expect(late).rejects.toMatchObject({ code: 'DATABASE_BUSY' })
})

describe.each(['pg', 'postgres.js', 'Prisma'])('with %s a key that another transaction took', (kind) => {
  const calls = [
    ['a task', 'TASK_EXISTS', (credits) => credits.createMediaTask(task('taken', 'u'), 1)],
    ['a task that costs nothing', 'TASK_EXISTS', (credits) => credits.createMediaTask(task('taken', 'u'), 0)],
    [
      'a task to replay',
      'replayed',
      (credits) => credits.createMediaTask(task('taken', 'u'), 0, { replay: true }),
    ],
    [
      'a grant',
      'CREDIT_EXISTS',
      (credits) => credits.createCredit({ userId: 'u', credits: 1, transactionNo: 'taken' }),
    ],
  ]

  test.each(calls)('after the snapshot is refused as retryable: %s', async (_, then, call) => {
    const late = transactions.run(
      kind,
      async (tx) => {
        await within(tx).getRemainingCredits('u')
        await call(database.credits)
        await call(within(tx))
      },
      'repeatable read',
    )
    await expect(late).rejects.toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
      message: expect.stringContaining('repeat the whole transaction'),
    })
    const again = await transactions.run(kind, (tx) => errorOf(call(within(tx))), 'repeatable read')
    expect(again.replayed === true ? 'replayed' : again.code).toBe(then)
  })
})

test("a taken key of the app's own table is not retryable", async () => {
  await database.sql('CREATE UNIQUE INDEX one_platform ON media_tasks (user_id, platform)')
  await database.credits.createMediaTask(task('first', 'u'), 0)
  const late = transactions.run('pg', (tx) => within(tx).createMediaTask(task('late', 'u'), 0))
  await expect(late).rejects.toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '23505' })
})

describe('under the extended protocol a client in no transaction', () => {
  let client

  beforeEach(async () => {
    client = await transactions.pool.connect()
  })

  afterEach(() => client.release())

  let statements = 0

  /** Each statement is prepared, by a name of its own. */
  function prepared() {
    const query = async (text) => (await client.query({ name: `prepared-${++statements}`, text })).rows
    return within({ dialect: 'postgres', query })
  }

  test.each([
    ['a charge', (credits) => credits.consumeCredits({ userId: 'u', credits: 1, scene: 'payment' })],
    ['a grant', (credits) => credits.createCredit({ userId: 'u', credits: 1 })],
    ['a task', (credits) => credits.createMediaTask(task('t', 'u'), 0)],
    ['a batch', (credits) => credits.consumeCreditsBatch([{ userId: 'u', credits: 1 }], { atomic: true })],
  ])('is refused before anything is written: %s', async (_, call) => {
    // The first call reads the tables.
    for (const _ of [1, 2]) {
      const error = await writingNothing(database, () => errorOf(call(prepared())))
      expect(error).toMatchObject({ code: 'NOT_IN_TRANSACTION', retryable: false })
    }
    await client.query('BEGIN')
    await call(prepared())
    await client.query('COMMIT')
  })
})

test('a deadlock with the app is DATABASE_BUSY', async () => {
  await database.user('v', 10)
  const lock = (client, id) => client.query(`SELECT 1 FROM "user" WHERE id = '${id}' FOR UPDATE`)
  let bothHold
  const both = new Promise((resolve) => {
    bothHold = resolve
  })
  let holding = 0
  const meet = (own, other) =>
    transactions.run('pg', async (client) => {
      await lock(client, own)
      if (++holding === 2) bothHold()
      await both
      return within(client).consumeCredits({ userId: other, credits: 1 })
    })
  const settled = await Promise.allSettled([meet('u', 'v'), meet('v', 'u')])
  expect(counted(settled)).toEqual({ accepted: 1, DATABASE_BUSY: 1 })
})

test('batches over the same users in opposite orders lock in one order', async () => {
  await database.user('v', 150)
  const calls = await atOnce(20, (number) =>
    transactions.run('pg', (tx) => {
      const users = number % 2 === 0 ? ['u', 'v'] : ['v', 'u']
      const charges = users.map((userId) => ({ userId, credits: 10 }))
      return within(tx).consumeCreditsBatch(charges, { atomic: true })
    }),
  )
  expect(counted(calls)).toEqual({ accepted: 15, INSUFFICIENT_CREDITS: 5 })
})

test('within uses the tables of the search path', async () => {
  await database.sql('CREATE SCHEMA other')
  for (const table of ['"user"', 'credit', 'media_tasks', 'ai_task']) {
    await database.sql(`CREATE TABLE other.${table} (LIKE public.${table} INCLUDING ALL)`)
  }
  await database.sql(`INSERT INTO other."user" (id, name, email) VALUES ('u', 'u', 'u')`)
  const balance = (path) =>
    transactions.run('pg', async (client) => {
      await client.query(`SET LOCAL search_path = ${path}`)
      return within(client).getRemainingCredits('u')
    })
  expect([await balance('public'), await balance('other'), await balance('public')]).toEqual([150, 0, 150])
})

test('within refuses tables of another schema than that of the connection', async () => {
  await database.sql('CREATE SCHEMA other')
  for (const table of ['"user"', 'credit', 'media_tasks', 'ai_task']) {
    await database.sql(`CREATE TABLE other.${table} (LIKE public.${table} INCLUDING ALL)`)
  }
  await database.sql(`INSERT INTO other."user" (id, name, email) VALUES ('u', 'u', 'u')`)
  const grant = (connection, path) =>
    transactions.run('pg', async (client) => {
      await client.query(`SET LOCAL search_path = ${path}`)
      return errorOf(connection.within(client).createCredit({ userId: 'u', credits: 5 }))
    })
  const of = (schema) => connect({ url: database.url, schema })
  for (const _ of [1, 2]) {
    expect(await grant(of('other'), 'other, public')).toMatchObject({ credits: 5 })
    expect(await grant(of('other, public'), 'public')).toMatchObject({ credits: 5 })
    const error = await writingNothing(database, () => grant(of('other'), 'public'))
    expect(error).toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringMatching(/"public".*"other".*search_path/),
    })
    // The URL's schema is the connection's.
    const ofUrl = connect({ url: `${database.url}?schema=other` })
    expect(await grant(ofUrl, 'other, public')).toMatchObject({ credits: 5 })
    const refused = await writingNothing(database, () => grant(ofUrl, 'public'))
    expect(refused).toMatchObject({ code: 'SCHEMA_MISMATCH' })
  }
})

test('a charge takes three round trips with a client that waits for each', async () => {
  const trips = async (work) => {
    let statements = 0
    await transactions.run('pg', async (client) => {
      const query = async (sql) => {
        statements++
        return (await client.query(sql)).rows
      }
      await work(within({ dialect: 'postgres', query }))
    })
    return statements
  }
  const call = (credits) => credits.consumeCredits({ userId: 'u', credits: 1 })
  // The first call reads the tables.
  await trips(call)
  expect(await trips(call)).toBe(3)
  expect(await trips((credits) => credits.createCredit({ userId: 'u', credits: 1 }))).toBe(2)
  expect(await trips((credits) => credits.createMediaTask(task('t', 'u'), 1))).toBe(4)
  expect(await trips((credits) => credits.getRemainingCredits('u'))).toBe(1)
})

test.each(['postgres.js', 'Drizzle', 'Drizzle 1'])(
  'a charge takes two round trips with %s, which sends the second statement before the lock is answered',
  async (kind) => {
    const proxy = await startProxy(database.url)
    const through = new Transactions({ url: proxy.url })
    try {
      // The first call reads the tables.
      await through.run(kind, charge)
      // With a delay the proxy sees whether a client waits for an answer.
      proxy.delayMs = 4
      const taken = await through.run(kind, async (tx) => {
        proxy.resetRoundTrips()
        await charge(tx)
        return proxy.roundTrips().total
      })
      expect(taken).toBe(2)
    } finally {
      await through.end()
      await proxy.stop()
    }
  },
)

test('the invariants hold for many concurrent transactions of several users', async () => {
  const users = await Promise.all(Array.from({ length: 8 }, (_, number) => database.user(`u${number}`, 20)))
  const calls = await atOnce(64, (number) =>
    transactions.run('Drizzle', async (tx) => {
      const credits = within(tx)
      const id = `t${number}`
      await credits.createMediaTask(task(id, users[number % 8]), 2)
      if (number % 3 === 0) await credits.updateMediaTaskById(id, { status: 'failed' })
      if (number % 5 === 0) throw Object.assign(new Error(), { code: 'THE_APP' })
    }),
  )
  expect(counted(calls)).toEqual({ accepted: 51, THE_APP: 13 })
})
