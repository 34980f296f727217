'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { COST, Callers, addUsers, untilWaiting } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { afterwards, connection, foreignTransaction } = require('../helpers/network')
const { describeWithPgBouncer, startPgBouncer } = require('../helpers/pgbouncer')
const { start } = require('../helpers/processes')

// In transaction mode each transaction may use another connection of the server: it must not depend on a session.

const POOL_SIZE = 3

async function open(options, settings) {
  const database = await TestDatabase.fresh()
  const pooler = await startPgBouncer(database.url, { poolSize: POOL_SIZE, settings })
  afterwards(() => pooler.stop())
  return { database, url: pooler.url, credits: connection(pooler.url, options) }
}

describeWithPgBouncer('through PgBouncer in transaction mode', () => {
  test('32 callers charge 100 users with more connections than the pooler has', async () => {
    const { database, credits } = await open({ maxConnections: 20 })
    const users = await addUsers(database, 100)
    const callers = await new Callers(credits, users).run(32, 8)
    expect(callers.codes).toEqual({})
    expect(await callers.untrue(database)).toEqual([])
    const kept = callers.count('created') - callers.count('failed')
    const expected = 100 * 200 - COST * kept - callers.count('charged') + callers.count('granted')
    const balances = await Promise.all(users.map((user) => credits.getRemainingCredits(user)))
    expect(balances.reduce((sum, balance) => sum + balance)).toBe(expected)
    expect(await violations(database)).toEqual([])
  })

  test('concurrent charges of one user charge exactly the balance', async () => {
    const { database, credits } = await open()
    await addUsers(database, 1, { grants: 4, credits: 10 })
    const submits = Array.from({ length: 60 }, (_, at) =>
      credits.createMediaTask(task(`t${at}`, 'u0'), 1).then(
        () => 'created',
        ({ code }) => code,
      ),
    )
    const outcomes = (await Promise.all(submits)).sort()
    expect(outcomes).toEqual([...Array(20).fill('INSUFFICIENT_CREDITS'), ...Array(40).fill('created')])
    expect(await violations(database)).toEqual([])
  })

  test('several processes spend each credit once', async () => {
    const { database, url } = await open()
    await addUsers(database, 2, { grants: 3, credits: 10 })
    const running = [0, 1].map((at) => start('remote-submitter.js', [url, `p${at}`, 2, 8, 6]))
    const lines = (await Promise.all(running.map(({ ended }) => ended))).flatMap(({ lines }) => lines)
    expect(lines.filter((line) => line.startsWith('created'))).toHaveLength(60)
    expect(lines.filter((line) => line === 'refused INSUFFICIENT_CREDITS')).toHaveLength(2 * 8 * 6 - 60)
    expect(await violations(database)).toEqual([])
  })

  test('each process has its own timeouts and schema on shared connections', async () => {
    const { database, url, credits } = await open({ busyTimeoutMs: 200 })
    await addUsers(database, 1)
    await database.sql('CREATE SCHEMA app')
    await credits.createMediaTask(task('t', 'u0'), 1)
    const foreign = await foreignTransaction(database, `SELECT 1 FROM "user" FOR UPDATE`)
    const error = await refusal(database, () => credits.createMediaTask(task('new', 'u0'), 1))
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    // Another client of the same pooler still has its own timeout.
    const running = start('remote-submitter.js', [url, 'p', 1, 1, 1])
    await untilWaiting(database)
    await foreign.commit()
    expect((await running.ended).lines).toEqual(['created p-0-0'])
    expect(await violations(database)).toEqual([])
  })

  test('transactions that are refused leave nothing open', async () => {
    const { database, credits } = await open()
    await addUsers(database, 1, { grants: 1, credits: 1 })
    const refused = Array.from({ length: 30 }, (_, at) =>
      credits.createMediaTask(task(`t${at}`, 'u0'), 5).catch(({ code }) => code),
    )
    expect(new Set(await Promise.all(refused))).toEqual(new Set(['INSUFFICIENT_CREDITS']))
    await credits.createMediaTask(task('t', 'u0'), 1)
    const inTransaction = await database.sql(
      `SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
    )
    expect(inTransaction.length).toBeLessThan(POOL_SIZE)
    expect(await violations(database)).toEqual([])
  })

  test('calls succeed after the connections of the pooler were ended', async () => {
    const { database, credits } = await open()
    await addUsers(database, 1)
    await credits.createMediaTask(task('t', 'u0'), 1)
    const name = database.store.name
    await database.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND pid <> pg_backend_pid()`,
      name,
    )
    const outcomes = []
    for (let at = 0; at < 5; at++) {
      outcomes.push(await credits.createMediaTask(task(`after-${at}`, 'u0'), 1).catch((error) => error))
    }
    for (const { code } of outcomes) expect([undefined, 'DATABASE_UNAVAILABLE']).toContain(code)
    expect(outcomes.at(-1).id).toBe('after-4')
    expect(await violations(database)).toEqual([])
  })
})
