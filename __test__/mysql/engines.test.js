'use strict'

/** Tables and settings with which half of a charge could be written, or none. */

const { TestDatabase } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')
const { describeWithMysql, ownServer } = require('../helpers/mariadb')
const { connection } = require('../helpers/network')
const { TRANSACTIONS } = require('../helpers/transactions')
const { within } = require('../..')

const CHARGE = { userId: 'u', credits: 10 }

const errorOf = (call) => call.catch((error) => error)

/** What doctor says of one thing. */
async function checked(database, name) {
  const { json } = await cliOn(database, 'doctor', '--json')
  return json.checks.find((check) => check.name === name)
}

describeWithMysql('a table whose engine knows no transactions', () => {
  test('nothing is charged, and the error says what to run', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    // No foreign keys lead to it, and a copy has none either.
    const table = 'media_tasks'
    await database.run(
      `CREATE TABLE copy LIKE ${table}`,
      `DROP TABLE ${table}`,
      `ALTER TABLE copy RENAME ${table}`,
    )
    await database.sql(`ALTER TABLE "${table}" ENGINE = Aria`)
    // It has seen the tables as they were.
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

describeWithMysql('a server that logs statements', () => {
  const server = ownServer({ 'log-bin': 'log', 'binlog-format': 'STATEMENT' })

  test('takes no charge, and says why', async () => {
    const database = await server.database()
    await database.sql(`INSERT INTO "user" (id, name, email) VALUES ('u', 'u', 'u')`)
    const error = await errorOf(database.credits.createCredit(CHARGE))
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1665', retryable: false })
    expect(error.message).toContain("set the server's binlog_format to ROW or MIXED")
    const { status, message } = await checked(database, 'writes')
    expect([status, message]).toEqual(['problem', expect.stringContaining('ROW or MIXED')])
    await server.admin('SET GLOBAL binlog_format = MIXED')
    // A session keeps the format that it began with.
    for (const id of await server.sessions(database)) await server.admin(`KILL ${id}`)
    await database.credits.createCredit(CHARGE)
    expect(await checked(database, 'writes')).toBeUndefined()
  })
})

describeWithMysql('a server that is read-only', () => {
  const server = ownServer()

  test('doctor says that it takes no writes', async () => {
    const database = await server.database()
    await server.admin('SET GLOBAL read_only = ON')
    expect(await checked(database, 'writes')).toMatchObject({ status: 'problem' })
    await server.admin('SET GLOBAL read_only = OFF')
  })
})
