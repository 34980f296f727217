'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { TestDatabase, refusal, task } = require('../helpers/database')
const { Callers, addUsers, until } = require('../helpers/callers')
const { NO_DISK, emptyFolder, mount, unmount } = require('../helpers/disk')
const { violations } = require('../helpers/invariants')
const { afterwards, connection, foreignTransaction, ownServer } = require('../helpers/network')

const BROKEN = ['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']
const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE', retryable: true }

const server = ownServer({ restart_after_crash: 'on' })

/** Changes a part of a URL. */
function changed(url, parts) {
  return Object.assign(new URL(url), parts).href
}

/** Runs a load, breaks something in the middle of it, and continues until it has recovered. */
async function loadWhile(database, breakIt) {
  const users = await addUsers(database, 20)
  const callers = new Callers(database.credits, users)
  let goesOn = true
  const load = callers.run(16, Infinity, () => goesOn)
  const more = async () => {
    const before = callers.count('created')
    await until(() => callers.count('created') > before + 50, 'calls succeed')
  }
  try {
    await more()
    await breakIt()
    await more()
  } finally {
    goesOn = false
    await load
  }
  return callers
}

describe('under load each call has a correct answer when', () => {
  test.each([
    ['the server is restarted', () => server.restart('fast')],
    ['the server is restarted without a shutdown', () => server.restart('immediate')],
    ['the server crashes', () => server.restart('crash')],
    ['a connection is ended by an administrator', terminate],
    ['a process of the server is killed', killBackend],
  ])('%s', async (_, breakIt) => {
    const database = await server.database()
    const callers = await loadWhile(database, () => breakIt(database))
    expect(BROKEN).toEqual(expect.arrayContaining(Object.keys(callers.codes)))
    // A call whose connection breaks before its commit is repeated on another one.
    if (breakIt !== terminate) expect(callers.refusals.length).toBeGreaterThan(0)
    for (const { code, retryable } of callers.refusals) expect(retryable).toBe(code !== 'OUTCOME_UNKNOWN')
    expect(await callers.untrue(database)).toEqual([])
    expect(await violations(database)).toEqual([])
  })

  const others = `FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'`

  /** Ends the connections that are in a transaction, until there was one. */
  async function terminate(database) {
    await until(async () => (await database.sql(`SELECT pg_terminate_backend(pid) ${others}`)).length > 0)
  }

  /** Then the server ends all other connections too, and recovers. */
  async function killBackend(database) {
    let busy = []
    await until(async () => (busy = await database.sql(`SELECT pid ${others}`)).length > 0)
    process.kill(busy[0].pid, 'SIGKILL')
    await until(() => database.sql('SELECT 1').catch(() => undefined), 'the server takes connections again')
  }
})

describe('a call that gets no connection rejects with the cause:', () => {
  test.each([
    ['a wrong password', (url) => changed(url, { password: 'wrong' }), false, '28P01'],
    ['an unknown user', (url) => changed(url, { username: 'nobody' }), false, '28P01'],
    ['an unknown database', (url) => changed(url, { pathname: '/nowhere' }), false, '3D000'],
    ['a host that does not exist', (url) => changed(url, { hostname: 'nowhere.invalid' }), true, ''],
    ['a port where no server listens', (url) => changed(url, { port: 1 }), true, ''],
  ])('%s', async (_, urlOf, retryable, reason) => {
    const credits = connection(urlOf(server.url))
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable })
    expect(error.message).toContain(reason)
  })

  test('the server is stopped, and later started', async () => {
    const database = await server.database()
    await database.user('u', 10)
    await server.down('fast')
    const { getRemainingCredits, createMediaTask } = database.credits
    try {
      await expect(getRemainingCredits('u')).rejects.toMatchObject(UNAVAILABLE)
      await expect(createMediaTask(task('t', 'u'), 1)).rejects.toMatchObject(UNAVAILABLE)
    } finally {
      await server.up()
    }
    // Without a pause.
    expect((await createMediaTask(task('t', 'u'), 1)).id).toBe('t')
    expect(await violations(database)).toEqual([])
  })

  test('connections of the pool that died while they were idle are not used', async () => {
    const database = await server.database()
    const users = await addUsers(database, 20)
    expect((await new Callers(database.credits, users).run(20, 2)).codes).toEqual({})
    await server.restart('immediate')
    const callers = await new Callers(database.credits, users, 'after').run(20, 2)
    expect(callers.codes).toEqual({})
    expect(await violations(database)).toEqual([])
  })

  test('the server has no connection left for this user', async () => {
    const database = await server.database()
    await server.admin.unsafe(`CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 0`)
    afterwards(() => server.admin.unsafe('DROP ROLE limited'))
    const credits = connection(changed(database.url, { username: 'limited', password: 'limited' }))
    await expect(credits.getRemainingCredits('u')).rejects.toMatchObject(UNAVAILABLE)
    await server.admin.unsafe('ALTER ROLE limited CONNECTION LIMIT 5')
    const { databaseCode, retryable } = await credits.getRemainingCredits('u').catch((error) => error)
    expect({ databaseCode, retryable }).toEqual({ databaseCode: '42501', retryable: false })
  })

  test('all connections of this process are in use for connectTimeoutMs', async () => {
    const CONNECT_TIMEOUT_MS = 300
    const database = await TestDatabase.fresh({ maxConnections: 1, connectTimeoutMs: CONNECT_TIMEOUT_MS })
    const [u, v] = await addUsers(database, 2)
    const { createMediaTask, getRemainingCredits } = database.credits
    await getRemainingCredits(u)
    const foreign = await foreignTransaction(database, `SELECT 1 FROM "user" WHERE id = '${u}' FOR UPDATE`)
    const first = createMediaTask(task('first', u), 1)
    const before = Date.now()
    const error = await refusal(database, () => createMediaTask(task('second', v), 1))
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    expect(error.message).toContain('waited too long for other calls of this process')
    expect(error.message).toContain('maxConnections')
    expect(Date.now() - before).toBeGreaterThanOrEqual(CONNECT_TIMEOUT_MS)
    expect(Date.now() - before).toBeLessThan(CONNECT_TIMEOUT_MS + 2000)
    await foreign.commit()
    expect((await first).id).toBe('first')
    expect((await createMediaTask(task('second', v), 1)).id).toBe('second')
    expect(await violations(database)).toEqual([])
  })
})

describe('an error has the cause when the server can not run a call:', () => {
  const SLOW = `
    CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON credit FOR EACH ROW EXECUTE FUNCTION sleeps()`

  test('a statement takes longer than statementTimeoutMs', async () => {
    const database = await TestDatabase.fresh({ statementTimeoutMs: 300, maxConnections: 1 })
    await database.user('u', 10)
    await database.sql(SLOW)
    const before = Date.now()
    const error = await refusal(database, () => database.credits.createMediaTask(task('t', 'u'), 1))
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    expect(error.message).toContain('the server took too long')
    expect(Date.now() - before).toBeLessThan(3000)
    await database.sql('DROP TRIGGER slow ON credit')
    expect((await database.credits.createMediaTask(task('t', 'u'), 1)).id).toBe('t')
    expect(await violations(database)).toEqual([])
  })

  test('a server that is read-only', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u'), 1)
    const { name } = database.store
    await database.sql(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    const credits = connection(database.url, { maxConnections: 2 })
    await database.credits.close()
    const { createMediaTask, consumeCredits, createCredit, updateMediaTaskById } = credits
    for (const call of [
      () => createMediaTask(task('new', 'u'), 1),
      () => consumeCredits({ userId: 'u', credits: 1 }),
      () => createCredit({ userId: 'u', credits: 1 }),
      () => updateMediaTaskById('t', { status: 'failed' }),
    ]) {
      expect(await refusal(database, call)).toMatchObject({
        code: 'DATABASE_ERROR',
        databaseCode: '25006',
        retryable: false,
      })
    }
    expect(await credits.getRemainingCredits('u')).toBe(9)
    expect((await credits.getMediaTaskHistory('u')).total).toBe(1)
    expect(await violations(database)).toEqual([])
  })

  const testWithDisk = NO_DISK ? test.skip : test
  testWithDisk(`the disk is full${NO_DISK}`, async () => {
    const folder = smallDisk()
    await server.admin.unsafe(`CREATE TABLESPACE small LOCATION '${folder}'`)
    afterwards(() => server.admin.unsafe('DROP TABLESPACE small'))
    const database = await server.database({}, { where: 'TABLESPACE small' })
    afterwards(TestDatabase.closeAll)
    const users = await addUsers(database, 5)
    const ballast = path.join(folder, 'ballast')
    const { bavail, bsize } = fs.statfsSync(folder)
    fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    const callers = new Callers(database.credits, users)
    await callers.run(4, Infinity, () => callers.refusals.length === 0)
    for (const error of callers.refusals) {
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '53100', retryable: true })
    }
    expect(await database.credits.getRemainingCredits(users[0])).toBeGreaterThan(0)
    fs.rmSync(ballast)
    const after = await new Callers(database.credits, users, 'after').run(4, 5)
    expect(after.codes).toEqual({})
    for (const told of [callers, after]) expect(await told.untrue(database)).toEqual([])
    expect(await violations(database)).toEqual([])
  })
})

/** A file system of a few megabytes that belongs to the server's account. */
function smallDisk() {
  const folder = emptyFolder()
  const { uid, gid } = fs.statSync(server.dataFolder)
  try {
    mount(`size=16m,mode=700,uid=${uid},gid=${gid}`, folder)
  } catch (error) {
    fs.rmdirSync(folder)
    throw error
  }
  afterwards(() => {
    try {
      unmount(folder)
    } finally {
      fs.rmdirSync(folder)
    }
  })
  return folder
}

test('a commit that no standby has confirmed, and whose connection ends, is not reported as a success', async () => {
  const database = await server.database({
    statementTimeoutMs: 500,
    busyTimeoutMs: 500,
    connectTimeoutMs: 500,
  })
  await database.user('u', 100)
  const standbys = async (names) => {
    await server.admin.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
    await server.admin.unsafe('SELECT pg_reload_conf()')
  }
  // Ends the session whose commit waits.
  const waiting = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
  await standbys('not_there')
  try {
    await until(
      async () => (await database.sql('SHOW synchronous_standby_names'))[0].synchronous_standby_names,
    )
    const charged = database.credits.consumeCredits({ userId: 'u', credits: 5 }).catch((error) => error)
    await until(async () => (await server.admin.unsafe(waiting)).length > 0, 'the commit waits for a standby')
    expect(await charged).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  } finally {
    await standbys('')
    // The waiting commits continue.
    await until(async () => (await server.admin.unsafe(waiting)).length === 0, 'no commit waits')
  }
  expect(await database.credits.getRemainingCredits('u')).toBe(95)
  expect(await violations(database)).toEqual([])
})
