'use strict'

/** The app's transactions with each option of mysql2 that changes statements or rows. */

const { TestDatabase, task } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { TRANSACTIONS } = require('../helpers/transactions')
const { within } = require('../..')

const Transactions = TRANSACTIONS.mysql

TestDatabase.reuse()
staysSound()

/** Texts in which a client could find a placeholder. */
const TITLE = "it's :id :1 ? ?? é🎬 2026-01-01 10:20:30"

const OPTIONS = [
  { nestTables: true },
  { nestTables: '_' },
  { nestTables: true, rowsAsArray: true },
  { rowsAsArray: true },
  { typeCast: false },
  { typeCast: (field, next) => (field.type === 'VAR_STRING' ? field.buffer() : next()) },
  { namedPlaceholders: true },
  { dateStrings: true },
  { supportBigNumbers: true, bigNumberStrings: true },
  { decimalNumbers: true, jsonStrings: true, stringifyObjects: true },
  {
    queryFormat: (sql, values) => (values ? sql.replace(/:(\w+)/g, (all, name) => values[name] ?? all) : sql),
  },
  { disableEval: true },
  { multipleStatements: true, timezone: '-11:00' },
]

const CLIENTS = Transactions.KINDS.filter((kind) => kind !== 'a client of the app')

async function withPool(options, use) {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const transactions = new Transactions(database, options)
  try {
    await use(transactions, database)
  } finally {
    await transactions.end()
  }
}

describe.each(CLIENTS)('a transaction of %s', (kind) => {
  test.each(OPTIONS)('with %p makes, reads and refunds what it should', async (options) => {
    await withPool(options, async (transactions, database) => {
      const inside = (work) => transactions.run(kind, (tx) => work(within(tx)))
      const made = await inside((credits) => credits.createMediaTask(task('t', 'u', { title: TITLE }), 30))
      expect(made).toMatchObject({ id: 't', title: TITLE })
      expect(await database.credits.findMediaTaskById('t')).toEqual(made)
      const [found, balance] = await inside(async (credits) => [
        await credits.findMediaTaskById('t'),
        await credits.getBalance('u'),
      ])
      expect(found).toEqual(made)
      expect(balance.credits).toBe(70)
      const refused = inside((credits) => credits.consumeCredits({ userId: 'u', credits: 71 }))
      await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 70 })
      const failed = await inside((credits) => credits.updateMediaTaskById('t', { status: 'failed' }))
      expect(failed.refund).toMatchObject({ credits: 30 })
      expect(await database.credits.getRemainingCredits('u')).toBe(100)
    })
  })
})

test('a transaction of Kysely whose client returns other values is refused, and nothing is written', async () => {
  await withPool({ typeCast: () => 7 }, async (transactions, database) => {
    const before = await database.everything()
    const charge = (tx) => within(tx).consumeCredits({ userId: 'u', credits: 1 })
    await expect(transactions.run('Kysely', charge)).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringContaining("the transaction's client returned other rows"),
    })
    expect(await database.everything()).toEqual(before)
  })
})

// A change of a row to what it is already is counted only with the flag.
test.each(['mysql2', 'mysql2 by callbacks', 'Drizzle', 'Drizzle 1'])(
  'a transaction of %s without FOUND_ROWS is refused, and nothing is written',
  async (kind) => {
    await withPool({ flags: ['-FOUND_ROWS'] }, async (transactions, database) => {
      const before = await database.everything()
      const charge = (tx) => within(tx).consumeCredits({ userId: 'u', credits: 1 })
      await expect(transactions.run(kind, charge)).rejects.toMatchObject({
        code: 'TRANSACTION_NOT_SUPPORTED',
        field: 'tx',
        message: expect.stringContaining('without the flag FOUND_ROWS'),
      })
      expect(await database.everything()).toEqual(before)
    })
  },
)
