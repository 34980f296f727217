'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { counted } = require('../helpers/calls')
const { addUsers, until } = require('../helpers/callers')
const { task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { afterwards, connection } = require('../helpers/network')
const { startProxy } = require('../helpers/proxy')
const { caughtUp, clientOn, ownPair, urlOfHosts, urlOn } = require('../helpers/standby')

// A URL that names a primary and its standby, in each order, also after the standby was promoted.

const pair = ownPair()
const { primary, standby } = pair

/** A database with a user who has 200 credits. */
async function open() {
  const database = await primary.database()
  await addUsers(database, 1)
  await caughtUp(pair)
  return database
}

const charge = (credits) => credits.consumeCredits({ userId: 'u0', credits: 1 })

describe('with a standby and its primary in one URL,', () => {
  const first = (database, parameters) => connection(urlOfHosts(database, [standby, primary], parameters))

  test.each(['', '?target_session_attrs=read-write', '?target_session_attrs=primary'])(
    'the primary is charged and read, although the standby is first (%s)',
    async (parameters) => {
      const database = await open()
      const credits = first(database, parameters)
      for (let charged = 1; charged <= 10; charged++) {
        await charge(credits)
        expect(await credits.getRemainingCredits('u0')).toBe(200 - charged)
      }
      expect(await violations(database)).toEqual([])
    },
  )

  test.each(['?target_session_attrs=standby', '?target_session_attrs=prefer-standby'])(
    'the standby is read if the URL demands it (%s)',
    async (parameters) => {
      const database = await open()
      const reader = connection(urlOfHosts(database, [primary, standby], parameters))
      const client = clientOn(standby, database)
      await client`SELECT pg_wal_replay_pause()`
      try {
        await charge(database.credits)
        expect(await reader.getRemainingCredits('u0')).toBe(200)
      } finally {
        await client`SELECT pg_wal_replay_resume()`
      }
      await caughtUp(pair)
      expect(await reader.getRemainingCredits('u0')).toBe(199)
      // The URL demands it: no other server is tried, and none accepts the write.
      const error = await charge(reader).catch((error) => error)
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '25006', retryable: false })
    },
  )

  test('the primary is used when the standby before it is down', async () => {
    const database = await open()
    await standby.down()
    try {
      await charge(first(database))
    } finally {
      await standby.up()
    }
    expect(await database.credits.getRemainingCredits('u0')).toBe(199)
  })

  test('the primary is used within connectTimeoutMs when the standby before it is silent', async () => {
    const database = await open()
    const proxy = await startProxy(standby.url)
    afterwards(() => proxy.stop())
    proxy.stall()
    await charge(connection(urlOfHosts(database, [proxy, primary]), { connectTimeoutMs: 2000 }))
    expect(await database.credits.getRemainingCredits('u0')).toBe(199)
  })

  test('the primary is used when the standby before it accepts no connections (57P03)', async () => {
    const database = await open()
    const settings = path.join(standby.dataFolder, 'postgresql.conf')
    const before = fs.readFileSync(settings)
    await standby.down()
    try {
      fs.appendFileSync(settings, 'hot_standby = off\n')
      await standby.up('standby')
      const alone = connection(urlOn(standby, database))
      const error = await alone.getRemainingCredits('u0').catch((error) => error)
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
      await charge(first(database))
    } finally {
      fs.writeFileSync(settings, before)
      await standby.restart()
    }
    expect(await database.credits.getRemainingCredits('u0')).toBe(199)
  })
})

test('no call fails when the standby is promoted and the primary demoted', async () => {
  const CHARGES = 40
  const database = await open()
  const both = connection(urlOfHosts(database, [primary, standby]))
  const alone = connection(urlOn(standby, database))
  const charges = (credits) => Promise.allSettled(Array.from({ length: CHARGES }, () => charge(credits)))
  expect(counted(await charges(both))).toEqual({ accepted: CHARGES })
  await expect(charge(alone)).rejects.toMatchObject({ databaseCode: '25006' })
  await caughtUp(pair)

  const promoted = clientOn(standby, database)
  await promoted`SELECT pg_promote()`
  await primary.admin`ALTER SYSTEM SET default_transaction_read_only = on`
  await primary.admin`SELECT pg_reload_conf()`
  try {
    const isDemoted = async () =>
      (await primary.admin`SHOW transaction_read_only`)[0].transaction_read_only === 'on'
    await until(isDemoted, 'the old primary takes no writes')
    expect(counted(await charges(both))).toEqual({ accepted: CHARGES })
    expect((await both.createMediaTask(task('t', 'u0'), 1)).id).toBe('t')
    expect(await both.getRemainingCredits('u0')).toBe(200 - 2 * CHARGES - 1)
    // This server refused writes before, and its connections are the same.
    await charge(alone)
    expect(await alone.getRemainingCredits('u0')).toBe(200 - 2 * CHARGES - 2)
    const rows = async (table) => [...(await promoted.unsafe(`SELECT * FROM ${table}`))]
    const everything = async () => ({ credit: await rows('credit'), media_tasks: await rows('media_tasks') })
    expect(await violations({ everything })).toEqual([])
  } finally {
    await primary.admin`ALTER SYSTEM RESET default_transaction_read_only`
    await primary.admin`SELECT pg_reload_conf()`
    await until(
      async () => (await primary.admin`SHOW transaction_read_only`)[0].transaction_read_only === 'off',
    )
  }
})
