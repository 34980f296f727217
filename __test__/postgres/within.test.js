'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { atOnce, counted, staysSound } = require('../helpers/calls')
const { startProxy } = require('../helpers/proxy')
const { TRANSACTIONS } = require('../helpers/transactions')
const { within } = require('../..')

// What is not so on SQLite: isolation levels, and a search path.

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

/** What comes of a call that is repeated as a whole as long as it is told so. */
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

const LEVELS = ['read committed', 'repeatable read', 'serializable']

test.each(LEVELS.flatMap((level) => ['pg', 'Prisma'].map((kind) => [kind, level])))(
  'callers of %s that meet at %s are told to repeat the whole transaction, and the balance is spent once',
  async (kind, level) => {
    const callers = Array.from({ length: 20 }, () => repeated(() => transactions.run(kind, charge, level)))
    const ends = await Promise.all(callers)
    expect(ends.filter((end) => end === 'accepted')).toHaveLength(15)
    expect(ends.filter((end) => end === 'INSUFFICIENT_CREDITS')).toHaveLength(5)
  },
)

test('a deadlock with the app is told as such', async () => {
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

test('the tables are those of the search path', async () => {
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

test('a charge takes three round trips of a client that waits for each', async () => {
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
  // The first one looks at the tables.
  await trips(call)
  expect(await trips(call)).toBe(3)
  expect(await trips((credits) => credits.createCredit({ userId: 'u', credits: 1 }))).toBe(2)
  expect(await trips((credits) => credits.createMediaTask(task('t', 'u'), 1))).toBe(4)
  expect(await trips((credits) => credits.getRemainingCredits('u'))).toBe(1)
})

test.each(['postgres.js', 'Drizzle', 'Drizzle 1'])(
  'a charge takes two round trips of %s, which sends the question behind the lock before the lock is answered',
  async (kind) => {
    const proxy = await startProxy(database.url)
    const through = new Transactions({ url: proxy.url })
    try {
      // The first one looks at the tables.
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

test('many transactions of several users at once leave the ledger whole', async () => {
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
