'use strict'

/** Tables and settings with which a charge could be written in part, or not at all. */

const { TestDatabase } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')
const { describeWithOwnServer, describeWithMysql, ownServer } = require('../helpers/mariadb')
const { Store, given } = require('../helpers/mysql')
const { connection } = require('../helpers/network')
const { TRANSACTIONS } = require('../helpers/transactions')
const { within } = require('../..')

const CHARGE = { userId: 'u', credits: 10 }

const errorOf = (call) => call.catch((error) => error)

/** One check of doctor's report. */
async function checked(database, name) {
  const { json } = await cliOn(database, 'doctor', '--json')
  return json.checks.find((check) => check.name === name)
}

describeWithMysql('a table whose engine has no transactions', () => {
  test('is not charged, and the error has the statement to run', async () => {
    const database = new TestDatabase(await Store.on(given, 'app'))
    await database.user('u', 100)
    // No foreign keys refer to it, and a copy has none either.
    const table = 'media_tasks'
    await database.run(
      `CREATE TABLE copy LIKE ${table}`,
      `DROP TABLE ${table}`,
      `ALTER TABLE copy RENAME ${table}`,
    )
    await database.sql(`ALTER TABLE "${table}" ENGINE = MyISAM`)
    // This connection knows the tables as they were.
    await database.credits.close()
    const credits = connection(database.url)
    const expected = {
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining(`ALTER TABLE \`${table}\` ENGINE = InnoDB;`),
    }
    expect(await errorOf(credits.consumeCredits(CHARGE))).toMatchObject(expected)
    const transactions = new TRANSACTIONS.mysql(database)
    const inside = transactions.run('Drizzle', (tx) => within(tx).consumeCredits(CHARGE))
    expect(await errorOf(inside)).toMatchObject(expected)
    await transactions.end()
    expect(await checked(database, 'schema')).toMatchObject({ status: 'problem' })
    await database.sql(`ALTER TABLE "${table}" ENGINE = InnoDB`)
    await credits.consumeCredits(CHARGE)
  })
})

describeWithOwnServer('a server that logs statements', () => {
  const server = ownServer({ 'log-bin': 'log', 'binlog-format': 'STATEMENT' })

  test('refuses charges with the cause', async () => {
    const database = await server.database()
    await database.sql(`INSERT INTO "user" (id, name, email) VALUES ('u', 'u', 'u')`)
    const error = await errorOf(database.credits.createCredit(CHARGE))
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1665', retryable: false })
    expect(error.message).toContain("set the server's binlog_format to ROW or MIXED")
    const { status, message } = await checked(database, 'writes')
    expect([status, message]).toEqual(['problem', expect.stringContaining('ROW or MIXED')])
    await server.admin('SET GLOBAL binlog_format = MIXED')
    // A session keeps the format of its start.
    for (const id of await server.sessions(database)) await server.admin(`KILL ${id}`)
    await database.credits.createCredit(CHARGE)
    expect(await checked(database, 'writes')).toBeUndefined()
  })
})

describeWithOwnServer('a server that is read-only', () => {
  const server = ownServer()

  test('is reported by doctor', async () => {
    const database = await server.database()
    await server.admin('SET GLOBAL read_only = ON')
    expect(await checked(database, 'writes')).toMatchObject({ status: 'problem' })
    await server.admin('SET GLOBAL read_only = OFF')
  })
})
