'use strict'

const { addUsers } = require('../helpers/callers')
const {
  CHANGES_OF_GRANTS,
  INSERTS,
  UNKNOWN,
  atCommit,
  testInsert,
  testRefund,
  testRepeats,
} = require('../helpers/commits')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { describeWithMysql } = require('../helpers/mysql')
const { throughProxy } = require('../helpers/network')

// A connection breaks while it commits. The caller gets the true outcome, or OUTCOME_UNKNOWN.

/** A user with two grants of 100, a task that cost 10, a charge, and an open connection behind a proxy. */
async function open(options) {
  const database = await TestDatabase.fresh()
  await addUsers(database, 1)
  const through = await throughProxy(database, options)
  await through.credits.createMediaTask(task('t', 'u0'), 10)
  // A charge without a task, and a grant of the same amount.
  await through.credits.createCredit({ userId: 'u0', credits: 10 })
  const { id: creditId } = await through.credits.consumeCredits({ userId: 'u0', credits: 10 })
  return { database, creditId, ...through }
}

describeWithMysql.each(INSERTS)('%s', (_, call, find) => {
  testInsert(open, call, find)

  test('rejects with OUTCOME_UNKNOWN if no server can be reached', async () => {
    const { database, proxy, credits, creditId } = await open({ connectTimeoutMs: 1000 })
    let stopped
    atCommit(proxy, () => {
      stopped = proxy.stop()
      return false
    })
    await expect(call(credits, creditId)).rejects.toMatchObject(UNKNOWN)
    await stopped
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql.each(CHANGES_OF_GRANTS)('%s', (_, call, change) => {
  testRepeats(open, call, change)
})

describeWithMysql('a refund', () => testRefund(open))

describeWithMysql('a server that stops answering', () => {
  test('is given up, and the call looks for its rows on a new connection', async () => {
    const { database, proxy, credits } = await open({
      statementTimeoutMs: 500,
      busyTimeoutMs: 500,
      connectTimeoutMs: 1000,
    })
    proxy.stall()
    const error = await credits.consumeCredits({ userId: 'u0', credits: 5 }).catch((error) => error)
    expect(['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']).toContain(error.code)
    proxy.killConnections()
    proxy.resume()
    await credits.consumeCredits({ userId: 'u0', credits: 5 })
    expect(await violations(database)).toEqual([])
  })
  test('is given up while tables are made too', async () => {
    const database = await TestDatabase.none()
    const times = { statementTimeoutMs: 500, busyTimeoutMs: 500, connectTimeoutMs: 1000 }
    const { proxy, credits } = await throughProxy(database, times)
    await expect(credits.getRemainingCredits('u')).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    proxy.stall()
    await expect(credits.createTables()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    proxy.killConnections()
    proxy.resume()
    await credits.createTables()
    expect(await violations(database)).toEqual([])
  })
})
