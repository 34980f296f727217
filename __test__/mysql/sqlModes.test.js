'use strict'

const { refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { describeWithOwnServer, ownServer } = require('../helpers/mariadb')
const { isMysql } = require('../helpers/mysql')

// Settings of an operator or a service: the server's SQL modes, its isolation, its binary log.

const HOSTILE = `'; DROP TABLE credit; -- "\\' \\\\ \`a\` é 🎬 %_ \n\r\t\b\x1a ? $1`

/** Grants, charges, fails and lists, with texts that some SQL modes read in another way. */
async function goesRight(database) {
  const { createMediaTask, updateMediaTaskById, consumeCredits, getRemainingCredits } = database.credits
  await database.user('u', 60, 40)
  const made = await createMediaTask(task('t', 'u', { title: HOSTILE }), 70)
  expect(made.title).toBe(HOSTILE)
  const charge = await consumeCredits({
    userId: 'u',
    credits: 5,
    description: HOSTILE,
    transactionNo: HOSTILE,
  })
  expect(charge).toMatchObject({ description: HOSTILE, transactionNo: HOSTILE })
  const failed = await updateMediaTaskById('t', { status: 'failed', errorMessage: HOSTILE })
  expect(failed).toMatchObject({ title: HOSTILE, errorMessage: HOSTILE, refund: { credits: 70 } })
  expect(await database.credits.findMediaTaskById('t')).toMatchObject({
    title: HOSTILE,
    errorMessage: HOSTILE,
  })
  expect(await database.credits.getCredits({ userId: HOSTILE })).toEqual([])
  expect(await getRemainingCredits('u')).toBe(95)
  expect(await violations(database)).toEqual([])
}

const STRICT = 'STRICT_TRANS_TABLES'

/** Modes that only one of the servers has. */
const OWN_MODES = isMysql
  ? [['TIME_TRUNCATE_FRACTIONAL']]
  : [['ORACLE'], ['TIME_ROUND_FRACTIONAL'], ['EMPTY_STRING_IS_NULL']]
/** The names of variables in MariaDB 10.11 and MySQL. */
const ISOLATION = isMysql ? 'transaction_isolation' : 'tx_isolation'
const READ_ONLY = isMysql ? 'transaction_read_only' : 'tx_read_only'

describeWithOwnServer('the ledger works the same', () => {
  const server = ownServer()

  test.each([
    [''],
    [STRICT],
    ['ANSI_QUOTES'],
    ['NO_BACKSLASH_ESCAPES'],
    ['PIPES_AS_CONCAT,IGNORE_SPACE'],
    ['ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ZERO_DATE,ONLY_FULL_GROUP_BY'],
    ...OWN_MODES,
  ])('with sql_mode %p', async (mode) => {
    await server.admin(`SET GLOBAL sql_mode = '${mode}'`)
    await goesRight(await server.database())
  })

  test.each(['READ-UNCOMMITTED', 'READ-COMMITTED', 'REPEATABLE-READ', 'SERIALIZABLE'])(
    'with transactions that are %s by default',
    async (isolation) => {
      await server.admin(`SET GLOBAL sql_mode = '${STRICT}', ${ISOLATION} = '${isolation}'`)
      await goesRight(await server.database())
    },
  )

  test('with sessions without autocommit and in another time zone', async () => {
    await server.admin(`SET GLOBAL autocommit = 0, time_zone = '-11:00', ${ISOLATION} = 'REPEATABLE-READ'`)
    await goesRight(await server.database())
  })

  test('with sessions that limit rows and joins, chain transactions and only read', async () => {
    await server.admin(
      `SET GLOBAL sql_select_limit = 2, completion_type = 1, max_join_size = 1, sql_big_selects = 0, ${READ_ONLY} = 1`,
    )
    try {
      await goesRight(await server.database())
    } finally {
      await server.admin(
        `SET GLOBAL sql_select_limit = DEFAULT, completion_type = 0, max_join_size = DEFAULT, sql_big_selects = 1, ${READ_ONLY} = 0`,
      )
    }
  })

  test('with sessions in latin1', async () => {
    await server.admin(
      `SET GLOBAL autocommit = 1, character_set_client = latin1, character_set_results = latin1`,
    )
    await goesRight(await server.database())
  })
})

describeWithOwnServer.each(['ROW', 'MIXED'])('with a binary log of the format %s', (format) => {
  const server = ownServer({ 'log-bin': 'log', 'binlog-format': format })

  test('the ledger works the same', async () => {
    await goesRight(await server.database())
  })
})

describeWithOwnServer('a binary log of the format STATEMENT', () => {
  const server = ownServer({ 'log-bin': 'log', 'binlog-format': 'STATEMENT' })

  // The server accepts it only with a higher isolation, where a transaction would not see what the holder of a lock wrote.
  test('makes the server refuse READ COMMITTED, with its error and without a write', async () => {
    const database = await server.database()
    await database.sql("INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u')")
    const error = await refusal(database, () => database.credits.createCredit({ userId: 'u', credits: 5 }))
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1665', retryable: false })
    expect(error.message).toContain('BINLOG_FORMAT')
  })
})
