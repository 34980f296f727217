'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { appConsume } = require('../helpers/app')
const { COST, Callers, addUsers, until } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { appClient, connection } = require('../helpers/network')
const { start } = require('../helpers/processes')

const INSUFFICIENT = 'INSUFFICIENT_CREDITS'

/** A database with this isolation level for all clients. */
async function open(isolation, options) {
  const database = await TestDatabase.fresh(options)
  const name = database.store.name
  await database.sql(`ALTER DATABASE ${name} SET default_transaction_isolation = '${isolation}'`)
  return database
}

async function balances(database, users) {
  return Promise.all(users.map((user) => database.credits.getRemainingCredits(user)))
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

describe.each(['read committed', 'serializable'])('with the default isolation %s', (isolation) => {
  test('64 callers charge 1000 users, and the invariants hold', async () => {
    const database = await open(isolation)
    const users = await addUsers(database, 1000)
    const callers = await new Callers(database.credits, users).run(64, 6)
    expect(callers.codes).toEqual({})
    expect(await callers.untrue(database)).toEqual([])
    const kept = callers.count('created') - callers.count('failed')
    const expected = 1000 * 2 * 100 - COST * kept - callers.count('charged') + callers.count('granted')
    expect(sum(await balances(database, users))).toBe(expected)
    expect(await violations(database)).toEqual([])
  })

  test('16 callers of one user charge exactly the balance, and none starves', async () => {
    const [CALLERS, BALANCE] = [16, 160]
    const database = await open(isolation)
    await addUsers(database, 1, { grants: 4, credits: BALANCE / 4 })
    const callers = Array.from({ length: CALLERS }, async (_, number) => {
      for (let at = 0; ; at++) {
        const { code } = await database.credits
          .createMediaTask(task(`${number}-${at}`, 'u0'), 1)
          .catch((error) => error)
        if (code) return { code, accepted: at }
      }
    })
    const ends = await Promise.all(callers)
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([INSUFFICIENT]))
    expect(sum(ends.map(({ accepted }) => accepted))).toBe(BALANCE)
    expect(Math.min(...ends.map(({ accepted }) => accepted))).toBeGreaterThan(BALANCE / CALLERS / 2)
    expect(await violations(database)).toEqual([])
  })

  test('several processes create as many tasks of the same users as their credits allow', async () => {
    const [USERS, BALANCE, PROCESSES] = [2, 60, 3]
    const database = await open(isolation)
    const users = await addUsers(database, USERS, { grants: 3, credits: BALANCE / 3 })
    const running = Array.from({ length: PROCESSES }, (_, at) =>
      start('remote-submitter.js', [database.url, `p${at}`, USERS, 8, 10]),
    )
    const lines = (await Promise.all(running.map(({ ended }) => ended))).flatMap(({ lines }) => lines)
    const count = (what) => lines.filter((line) => line.startsWith(what)).length
    expect(count('created') + count(`refused ${INSUFFICIENT}`)).toBe(PROCESSES * 8 * 10)
    expect(count('created')).toBe(USERS * BALANCE)
    expect(await balances(database, users)).toEqual(users.map(() => 0))
    expect(await violations(database)).toEqual([])
  })

  test("the invariants hold for the app's own transactions beside charges", async () => {
    const ROUNDS = 30
    const database = await open(isolation)
    await addUsers(database, 1, { grants: 40, credits: 10 })
    const app = [appClient(database), appClient(database)].map(async (client) => {
      for (let at = 0; at < ROUNDS; at++) await appConsume(client, 'u0', 3)
    })
    const own = new Callers(database.credits, ['u0']).run(2, ROUNDS / 2)
    const [callers] = await Promise.all([own, ...app])
    expect(callers.codes).toEqual({})
    const kept = callers.count('created') - callers.count('failed')
    const left = 400 - 2 * ROUNDS * 3 - COST * kept - callers.count('charged') + callers.count('granted')
    expect(await database.credits.getRemainingCredits('u0')).toBe(left)
    expect(await callers.untrue(database)).toEqual([])
    expect(await violations(database)).toEqual([])
  })

  test('a task that fails eight times at once is refunded once', async () => {
    const database = await open(isolation)
    const [user] = await addUsers(database, 1, { grants: 5, credits: 10 })
    const second = connection(database.url)
    const { createMediaTask } = database.credits
    for (let round = 0; round < 5; round++) {
      await createMediaTask(task(`t${round}`, user), 33)
      const updates = Array.from({ length: 8 }, (_, at) =>
        [database.credits, second][at % 2].updateMediaTaskById(`t${round}`, { status: 'failed' }),
      )
      const refunds = (await Promise.all(updates)).map(({ refund }) => refund.credits)
      expect(refunds.sort()).toEqual([...Array(7).fill(0), 33])
    }
    expect(await balances(database, [user])).toEqual([50])
    expect(await violations(database)).toEqual([])
  })

  test('the invariants hold for concurrent refunds and charges of one user', async () => {
    const TASKS = 20
    const database = await open(isolation)
    const [user] = await addUsers(database, 1, { grants: TASKS, credits: 10 })
    const { createMediaTask, updateMediaTaskById, consumeCredits } = database.credits
    for (let at = 0; at < TASKS; at++) await createMediaTask(task(`t${at}`, user), 7)
    const refunds = Array.from({ length: TASKS }, (_, at) =>
      updateMediaTaskById(`t${at}`, { status: 'failed' }),
    )
    const charges = Array.from({ length: TASKS }, () => consumeCredits({ userId: user, credits: 3 }))
    await Promise.all([...refunds, ...charges])
    expect(await balances(database, [user])).toEqual([TASKS * 7])
    expect(await violations(database)).toEqual([])
  })
})

test('32 callers share ten connections', async () => {
  const database = await TestDatabase.fresh()
  const users = await addUsers(database, 32)
  const credits = connection(database.url)
  const connections = `SELECT count(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`
  const seen = []
  const callers = new Callers(credits, users)
  let done = false
  const load = callers.run(32, 15).finally(() => (done = true))
  await until(async () => {
    seen.push((await database.sql(connections))[0].count)
    return done
  })
  await load
  expect(callers.codes).toEqual({})
  expect(Math.max(...seen)).toBe(10)
  expect(await callers.untrue(database)).toEqual([])
  expect(await violations(database)).toEqual([])
})
