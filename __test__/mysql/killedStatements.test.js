'use strict'

const mysql = require('mysql2/promise')
const { within } = require('../..')
const { TestDatabase } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { describeWithMysql } = require('../helpers/mysql')
const { throughProxy } = require('../helpers/network')

const clients = []

afterEach(() => Promise.all(clients.splice(0).map((client) => client.destroy())))

/** Another client of the server, of an account that may stop others. */
async function clientOf(uri) {
  const client = await mysql.createConnection({ uri, multipleStatements: true })
  clients.push(client)
  return client
}

/** A user who has 10 credits. */
async function open() {
  const database = await TestDatabase.fresh()
  await database.user('u', 10)
  return database
}

/** The statement after a draw, as a client of `within` is given it. */
async function guardOf(database) {
  const client = await clientOf(database.url)
  const statements = []
  await client.query('START TRANSACTION')
  const tx = within({
    dialect: 'mysql',
    query: async (sql) => {
      statements.push(sql)
      const [rows] = await client.query(sql)
      return Array.isArray(rows) ? rows : []
    },
  })
  await tx.consumeCredits({ userId: 'u', credits: 1 })
  await client.query('ROLLBACK')
  const guards = statements.join(';\n').match(/^SELECT.*ROW_COUNT\(\) <> 1.*?(?=;?$)/gm)
  expect(guards).not.toBeNull()
  return guards[0]
}

/** How often a client is stopped, and whether its server went on after a statement that changed no row of one. */
async function whileKilled(database, guard, isEnough) {
  const { adminUrl } = database.store
  const ends = { stopped: 0, refused: 0, wentOn: 0 }
  const statements = `UPDATE user SET name = 'x' WHERE id = 'another'; ${guard}; SELECT 7 AS seven`
  const client = await clientOf(database.url)
  const killer = await clientOf(adminUrl)
  let isOver = false
  const kills = Array.from({ length: 50 }, () => `KILL QUERY ${client.threadId}`).join('; ')
  const killing = (async () => {
    while (!isOver) await killer.query(kills)
  })()
  while (!isEnough(ends)) {
    const errno = await client.query(statements).then(
      () => 0,
      (error) => error.errno,
    )
    if (errno === 0) ends.wentOn++
    else if (errno === ER_QUERY_INTERRUPTED) ends.stopped++
    else ends.refused++
  }
  isOver = true
  await killing
  return ends
}

const ER_QUERY_INTERRUPTED = 1317

describeWithMysql('a statement that is killed', () => {
  test('never leaves a draw that was not made unnoticed', async () => {
    const database = await open()
    const guard = await guardOf(database)
    const ends = await whileKilled(database, guard, ({ stopped, wentOn }) => stopped >= 10 || wentOn > 0)
    expect(ends).toMatchObject({ wentOn: 0, refused: expect.any(Number) })
  })
})

describeWithMysql('a server, or a pooler before it, that leaves an answer out', () => {
  test('has not said that it committed: what was written is looked for', async () => {
    const database = await open()
    const { proxy, credits } = await throughProxy(database)
    await credits.getRemainingCredits('u')
    let isAltered = false
    // Once: nothing is committed, and the answers end before that of COMMIT.
    proxy.onClientData = (bytes, connection) => {
      const at = bytes.indexOf('\nCOMMIT;')
      if (at < 0 || isAltered) return true
      isAltered = true
      bytes.write('\nDO 1+1;', at)
      bytes.write('0', bytes.lastIndexOf('autocommit = 1') + 'autocommit = '.length)
      connection.answered = endEarly
      return true
    }
    await credits.consumeCredits({ userId: 'u', credits: 4, transactionNo: 'once' })
    expect(isAltered).toBe(true)
    expect(await database.rows("SELECT transaction_no AS no FROM credit WHERE transaction_type = 'consume'")).toEqual([
      { no: 'once' },
    ])
    expect(await credits.getRemainingCredits('u')).toBe(6)
    expect(await violations(database)).toEqual([])
  })
})

const MORE_RESULTS = 8

/** Says of the third last of a server's answers that it is the last one, and drops the others. */
function endEarly(bytes) {
  const packets = []
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUIntLE(at, 3)) packets.push(at)
  // An OK: its mark, two numbers of one byte each, and its flags.
  const flags = packets.at(-3) + 4 + 3
  expect(bytes[flags] & MORE_RESULTS).toBe(MORE_RESULTS)
  bytes[flags] &= ~MORE_RESULTS
}
