'use strict'

const { cliOn } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')

staysSound()

/** Runs a command, which must succeed. */
async function done(database, ...args) {
  const result = await cliOn(database, ...args)
  expect(result).toMatchObject({ code: 0, errors: '' })
  return result
}

test('the command line makes the tables of an empty database, and names the server', async () => {
  const database = await TestDatabase.none()
  const { out } = await done(database, 'init')
  expect(out).toBe(`${new URL(database.url).host} has the tables user, credit, media_tasks and ai_task.`)
})

describe('the command line over a libSQL server', () => {
  test('grants credits, and shows the balance and the statement', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await done(database, 'grant', 'u', '5', '--transaction-no', 'order-1')
    expect((await done(database, 'balance', 'u', '--json')).json.credits).toBe(15)
    const { json } = await done(database, 'statement', 'u', '--json')
    expect(json.entries.map(({ credits }) => credits)).toEqual([10, 5])
  })

  test('shows the grants of a user and those that expire soon, and withdraws one', async () => {
    const database = await TestDatabase.fresh()
    const soon = new Date(Date.now() + 3_600_000)
    await database.user('u', { credits: 10, orderNo: 'order-1', expiresAt: soon }, { credits: 20 })
    const { json: expiring } = await done(database, 'expiring', '--within', '1d', '--json')
    expect(expiring.users).toMatchObject([{ userId: 'u', credits: 10, grants: 1 }])
    const { json: listed } = await done(database, 'grants', 'u', '--json')
    expect(listed.grants.map(({ remainingCredits }) => remainingCredits).sort()).toEqual([10, 20])
    const revoke = ['grants', 'u', '--revoke', '--order', 'order-1', '--transaction-no', 'dispute-1']
    expect(await cliOn(database, ...revoke)).toMatchObject({ code: 1, errors: '' })
    expect(await database.credits.getRemainingCredits('u')).toBe(30)
    await done(database, ...revoke, '--apply')
    expect(await database.credits.getRemainingCredits('u')).toBe(20)
  })

  test('finds a double refund, and repairs it', async () => {
    const database = await TestDatabase.fresh()
    const { consumeCredits, refundCredits } = database.credits
    await database.user('u', 100)
    await refundCredits((await consumeCredits({ userId: 'u', credits: 30 })).id)
    await database.sql("UPDATE credit SET remaining_credits = 130 WHERE transaction_type = 'grant'")
    expect(await cliOn(database, 'audit')).toMatchObject({ code: 1 })
    expect(await cliOn(database, 'repair', '--apply')).toMatchObject({ code: 0 })
    await done(database, 'audit')
  })

  test('reports no problem in doctor, and the kind of the server', async () => {
    const database = await TestDatabase.fresh()
    const { json } = await done(database, 'doctor', '--json')
    const found = Object.fromEntries(json.checks.map(({ name, message }) => [name, message]))
    expect(found).toMatchObject({
      server: `libSQL at ${new URL(database.url).host}; no transaction is held across the network`,
      encryption: 'the server is on this machine',
      timestamps: 'epoch milliseconds',
      connections: 'at most 10 (the default; DB_MAX_CONNECTIONS sets it)',
    })
    expect(json.diagnostics.storage).toBe('libsql')
    expect(json.checks.filter(({ status }) => status !== 'ok')).toEqual([])
  })
})
