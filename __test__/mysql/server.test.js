'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { atOnce, counted } = require('../helpers/calls')
const { until } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { describeWithOwnServer, describeWithMysql, ownServer } = require('../helpers/mariadb')
const { clientOf } = require('../helpers/mysql')
const { connection } = require('../helpers/network')

// A server that accepts no writes, no more connections, no larger packets, or that is stopped.

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE', retryable: true }

const withUser = async (server, options) => {
  const database = await server.database(options)
  await database.user('u', 60, 40)
  return database
}

describeWithOwnServer('a server that is read-only', () => {
  const server = ownServer()
  afterEach(() => server.admin('SET GLOBAL read_only = OFF'))

  test('refuses charges with the cause, answers reads, and accepts all calls when it is writable again', async () => {
    const database = await withUser(server)
    const { consumeCredits, createMediaTask, getRemainingCredits } = database.credits
    await server.admin('SET GLOBAL read_only = ON')
    for (const call of [
      () => consumeCredits({ userId: 'u', credits: 5 }),
      () => createMediaTask(task('t', 'u'), 5),
      () => createMediaTask(task('free', 'u'), 0),
    ]) {
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1290', retryable: false })
      expect(error.message).toMatch(/read-only/)
    }
    expect(await getRemainingCredits('u')).toBe(100)
    await server.admin('SET GLOBAL read_only = OFF')
    await consumeCredits({ userId: 'u', credits: 5 })
    expect(await violations(database)).toEqual([])
  })
})

describeWithOwnServer('a server with a maximum packet of 64 KB', () => {
  const server = ownServer({ 'max-allowed-packet': 65_536 })

  test('gets calls one after the other that are larger together', async () => {
    const database = await withUser(server)
    const title = 'x'.repeat(20_000)
    const settled = await atOnce(20, (at) =>
      database.credits.createMediaTask(task(`t${at}`, 'u', { title }), 1),
    )
    expect(counted(settled)).toEqual({ accepted: 20 })
    expect(await database.credits.getRemainingCredits('u')).toBe(80)
    expect(await violations(database)).toEqual([])
  })

  test('refuses a call with a larger value, and other calls succeed', async () => {
    const database = await withUser(server)
    const { createMediaTask, getRemainingCredits } = database.credits
    const large = createMediaTask(task('large', 'u', { subtitleRaw: 'x'.repeat(100_000) }), 1)
    const settled = await Promise.allSettled([
      createMediaTask(task('a', 'u'), 1),
      large,
      createMediaTask(task('b', 'u'), 1),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(settled[1].reason).toMatchObject({ retryable: false })
    expect(settled[1].reason.message).toMatch(/max_allowed_packet/)
    expect(await getRemainingCredits('u')).toBe(98)
    expect(await violations(database)).toEqual([])
  })
})

describeWithOwnServer('a server with few connections', () => {
  const server = ownServer({ 'max-connections': 10 })

  test('is waited for or refuses calls, and no write is lost', async () => {
    const database = await withUser(server)
    const others = Array.from({ length: 4 }, () => connection(database.url, { maxConnections: 10 }))
    const settled = await atOnce(80, (at) =>
      [database.credits, ...others][at % 5].createMediaTask(task(`t${at}`, 'u'), 1),
    )
    const { accepted = 0, ...refused } = counted(settled)
    for (const { reason } of settled) {
      if (reason) expect(reason).toMatchObject({ retryable: true })
    }
    expect(accepted + Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(80)
    expect(await database.credits.getRemainingCredits('u')).toBe(100 - accepted)
    expect(await violations(database)).toEqual([])
  })
})

describeWithOwnServer('a server whose connections are all in use', () => {
  const server = ownServer({ 'max-connections': 10 })

  test('is DATABASE_UNAVAILABLE (1040) without a write, and the same call succeeds when a connection is free', async () => {
    const database = await withUser(server)
    // The connections of this package's pool are free.
    await database.credits.close()
    const held = []
    const full = await (async () => {
      for (;;) held.push(await clientOf(database.url))
    })().catch((error) => error)
    expect(full.errno).toBe(1040)
    const credits = connection(database.url)
    const charge = () => credits.consumeCredits({ userId: 'u', credits: 1 })
    const error = await refusal(database, charge)
    expect(error).toMatchObject(UNAVAILABLE)
    expect(error.message).toMatch(/too many connections/i)
    await Promise.all(held.map((client) => client.end()))
    const read = () => credits.getRemainingCredits('u').catch(() => undefined)
    await until(async () => (await read()) === 100, 'one is free')
    await charge()
    expect(await credits.getRemainingCredits('u')).toBe(99)
  })
})

describeWithOwnServer('a server', () => {
  const server = ownServer()

  test('that ended an idle connection makes the next call use another one', async () => {
    const database = await withUser(server)
    for (let round = 0; round < 3; round++) {
      for (const id of await server.sessions(database)) await server.admin(`KILL ${id}`)
      await database.credits.consumeCredits({ userId: 'u', credits: 5 })
      expect(await database.credits.getRemainingCredits('u')).toBe(95 - 5 * round)
    }
    expect(await violations(database)).toEqual([])
  })

  test('whose operator kills connections under load loses no write', async () => {
    const database = await withUser(server)
    let goesOn = true
    const killing = (async () => {
      let killed = 0
      while (goesOn) {
        for (const id of await server.sessions(database)) {
          await server.admin(`KILL ${id}`).then(
            () => killed++,
            // It has ended meanwhile.
            () => {},
          )
        }
      }
      return killed
    })()
    const told = []
    const caller = async (number) => {
      for (let at = 0; at < 10; at++) {
        const id = `${number}-${at}`
        const end = await database.credits.createMediaTask(task(id, 'u'), 1).then(
          () => 'done',
          (error) => error,
        )
        told.push([id, end])
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, number) => caller(number)))
    goesOn = false
    expect(await killing).toBeGreaterThan(0)
    const there = new Set((await database.sql('SELECT id FROM media_tasks')).map(({ id }) => id))
    for (const [id, end] of told) {
      if (end === 'done') expect(there).toContain(id)
      else if (end.code !== 'OUTCOME_UNKNOWN') {
        expect(end).toMatchObject(UNAVAILABLE)
        expect(there).not.toContain(id)
      }
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(100 - there.size)
    expect(await violations(database)).toEqual([])
  })

  test.each(['fast', 'crash'])('that is restarted (%s) is used again', async (how) => {
    const database = await withUser(server)
    await database.store.disconnect()
    database.store.client = undefined
    await server.down(how)
    const error = await database.credits.consumeCredits({ userId: 'u', credits: 1 }).catch((error) => error)
    expect(error).toMatchObject(UNAVAILABLE)
    await server.up()
    await server.forget()
    await database.credits.consumeCredits({ userId: 'u', credits: 5 })
    expect(await database.credits.getRemainingCredits('u')).toBe(95)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('three processes and 16 callers of one user', () => {
  test('never overdraw, and no call fails with a deadlock', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 30, 30, 30, 30, 30)
    const { inProcesses } = require('../helpers/calls')
    const calls = Array.from({ length: 80 }, () => ['consumeCredits', { userId: 'u', credits: 1 }])
    const lines = (await inProcesses(database, calls, calls, calls)).flat()
    expect(lines.filter((line) => line === 'accepted')).toHaveLength(150)
    expect(lines.filter((line) => line === 'INSUFFICIENT_CREDITS')).toHaveLength(90)
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })
})
