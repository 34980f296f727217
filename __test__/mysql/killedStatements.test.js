'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const mysql = require('mysql2/promise')
const { within } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { describeWithMysql } = require('../helpers/mysql')
const { throughProxy } = require('../helpers/network')
const { TRANSACTIONS } = require('../helpers/transactions')

const ER_QUERY_INTERRUPTED = 1317
/** A normal answer takes a thousandth of this. */
const SILENCE_MS = 1000

const clients = []

afterEach(() => {
  jest.restoreAllMocks()
  for (const client of clients.splice(0)) client.destroy()
})

/** Another client of the server, with an account that may kill statements. */
async function clientOf(uri) {
  const client = await mysql.createConnection({ uri, multipleStatements: true })
  clients.push(client)
  return client
}

/** A user with 10 credits. */
async function open() {
  const database = await TestDatabase.fresh()
  await database.user('u', 10)
  return database
}

/** The statement after a draw, as a client of `within` gets it. */
async function guardOf(database) {
  const transactions = new TRANSACTIONS.mysql(database)
  const statements = []
  await transactions.run('a client of the app', async (tx) => {
    const query = (sql, values) => {
      statements.push(sql)
      return tx.query(sql, values)
    }
    await within({ ...tx, query }).consumeCredits({ userId: 'u', credits: 1 })
  })
  await transactions.end()
  const draw = statements.findIndex((sql) => sql.startsWith('UPDATE') && sql.includes('remaining_credits'))
  expect(draw).toBeGreaterThan(0)
  return statements[draw + 1]
}

/**
 * The number of each outcome while statements are killed: sometimes MariaDB omits an answer, and a new client continues. A
 * busy machine takes more attempts until one is interrupted.
 */
async function endsOf(database, statements, { attempts }) {
  const ends = { stopped: 0, refused: 0, silent: 0, wentOn: 0 }
  const killer = await clientOf(database.store.adminUrl)
  // When the test's time is over, its clients are no longer there.
  const isEnough = () =>
    ends.wentOn > 0 || !clients.includes(killer) || (attempts <= 0 && ends.stopped + ends.silent > 0)
  while (!isEnough()) {
    const client = await clientOf(database.url)
    const kills = Array.from({ length: 50 }, () => `KILL QUERY ${client.threadId}`).join('; ')
    let end
    const killing = (async () => {
      while (end !== 'silent' && !isEnough()) await killer.query(kills)
    })()
    do {
      end = await Promise.race([endOf(client.query(statements)), sleep(SILENCE_MS, 'silent', { ref: false })])
      ends[end]++
      attempts--
    } while (end !== 'silent' && !isEnough())
    await killing
    client.destroy()
  }
  return ends
}

const endOf = (query) =>
  query.then(
    () => 'wentOn',
    ({ errno }) => (errno === ER_QUERY_INTERRUPTED ? 'stopped' : 'refused'),
  )

describeWithMysql('a statement that is killed', () => {
  test('never hides a draw that was not made', async () => {
    const database = await open()
    // The app's client reports each omitted answer that arrives late.
    jest.spyOn(console, 'error').mockImplementation(() => {})
    const guard = await guardOf(database)
    const statements = `UPDATE user SET name = 'x' WHERE id = 'another'; ${guard}; SELECT 7 AS seven`
    const { refused, wentOn, stopped, silent } = await endsOf(database, statements, { attempts: 500 })
    expect([wentOn, refused > 0, stopped + silent > 0]).toEqual([0, true, true])
  })
})

describeWithMysql('a list that MariaDB interrupts, and answers with no rows and no error,', () => {
  const DAY_MS = 86_400_000
  test.each([
    ['getCredits', ({ getCredits }) => getCredits({ userId: 'u', limit: 20 }), 2],
    ['getMediaTaskHistory', async ({ getMediaTaskHistory }) => (await getMediaTaskHistory('u')).list, 1],
    ['listExpiring', async ({ listExpiring }) => (await listExpiring({ within: 90 * DAY_MS })).users, 1],
    ['findStuckMediaTasks', ({ findStuckMediaTasks }) => findStuckMediaTasks({ olderThanMs: 1000 }), 1],
  ])('is read again: %s', async (_, call, expected) => {
    const database = await open()
    const { proxy, credits } = await throughProxy(database)
    await credits.createMediaTask(task('t', 'u'), 1)
    await database.sql('UPDATE media_tasks SET updated_at = created_at - INTERVAL 1 MINUTE')
    let altered = 0
    proxy.onClientData = (bytes) => {
      const limit = /(ORDER BY .* LIMIT )(\d+)/.exec(bytes.toString('latin1'))
      if (!limit || altered++) return true
      bytes.write('0'.repeat(limit[2].length), limit.index + limit[1].length, 'latin1')
      return true
    }
    expect(await call(credits)).toHaveLength(expected)
    expect(altered).toBe(2)
  })
})

describeWithMysql('a server or a pooler that omits an answer', () => {
  test('has not acknowledged the commit, and the call looks for its rows', async () => {
    const database = await open()
    const { proxy, credits } = await throughProxy(database)
    await credits.getRemainingCredits('u')
    let isAltered = false
    // The first time nothing is committed, and the answers end before that of COMMIT.
    proxy.onClientData = (bytes, connection) => {
      const at = bytes.indexOf('\nCOMMIT;')
      if (at < 0 || isAltered) return true
      isAltered = true
      bytes.write('\nDO 1+1;', at)
      bytes.write('0', bytes.lastIndexOf('autocommit = 1') + 'autocommit = '.length)
      connection.answered = endingEarly(connection)
      return true
    }
    const before = await database.everything()
    const charge = () => credits.consumeCredits({ userId: 'u', credits: 4, transactionNo: 'once' })
    await expect(charge()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
    expect(isAltered).toBe(true)
    expect(await database.everything()).toEqual(before)
    await charge()
    expect(await credits.getRemainingCredits('u')).toBe(6)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('an error of the statement after COMMIT', () => {
  test('does not hide that the calls were committed', async () => {
    const database = await open()
    const { proxy, credits } = await throughProxy(database)
    await credits.getRemainingCredits('u')
    let altered = 0
    // The server does not know this value (1231).
    proxy.onClientData = (bytes) => {
      if (!bytes.includes('INSERT INTO')) return true
      bytes.write('x', bytes.lastIndexOf('autocommit = 1') + 'autocommit = '.length)
      altered++
      return true
    }
    const charge = (transactionNo) => credits.consumeCredits({ userId: 'u', credits: 1, transactionNo })
    const charges = await Promise.all(['a', 'b', 'c', 'd'].map(charge))
    expect(altered).toBeGreaterThan(0)
    expect(charges.map(({ transactionNo }) => transactionNo)).toEqual(['a', 'b', 'c', 'd'])
    expect(await credits.getRemainingCredits('u')).toBe(6)
    proxy.onClientData = () => {}
    // The next calls get sessions that commit.
    await charge('e')
    expect(await database.credits.getRemainingCredits('u')).toBe(5)
    expect(await violations(database)).toEqual([])
  })
})

const MORE_RESULTS = 8
const OK_LENGTH = 7

/** Holds a server's answers back until they are complete, and then marks the third last as the last one. */
function endingEarly({ client }) {
  let whole = Buffer.alloc(0)
  return (bytes) => {
    whole = Buffer.concat([whole, bytes])
    const flags = flagsOf(whole)
    if (flags.length < 3 || whole[flags.at(-1)] & MORE_RESULTS) return false
    expect(whole[flags.at(-3)] & MORE_RESULTS).toBe(MORE_RESULTS)
    whole[flags.at(-3)] &= ~MORE_RESULTS
    client.write(whole)
    return false
  }
}

/** The positions of the flags of each answer without rows: after its header and two numbers of one byte each. */
function flagsOf(bytes) {
  const found = []
  for (let at = 0; at + 4 < bytes.length; at += 4 + bytes.readUIntLE(at, 3)) {
    if (bytes.readUIntLE(at, 3) === OK_LENGTH && bytes[at + 4] === 0) found.push(at + 4 + 3)
  }
  return found
}
