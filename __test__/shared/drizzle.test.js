'use strict'

const { TestDatabase } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')
const { byStorage } = require('../helpers/storage')

// Each version of Drizzle reads and writes the same rows as this package.

const [CORE, CLIENT] = byStorage({
  sqlite: ['sqlite-core', 'libsql'],
  postgres: ['pg-core', 'postgres-js'],
  mysql: ['mysql-core', 'mysql2'],
})
const OPEN = byStorage({
  sqlite: `require(${JSON.stringify(require.resolve('@libsql/client'))})
    .createClient({ url: process.env.DATABASE_URL, timeout: 5000 })`,
  postgres: `require(${JSON.stringify(require.resolve('postgres'))})(process.env.DATABASE_URL, { max: 1 })`,
  mysql: `require(${JSON.stringify(require.resolve('mysql2/promise'))}).createPool(process.env.DATABASE_URL)`,
})

/** Drizzle grants credits, the package spends and refunds some of them, and Drizzle reads the result. */
const source = (orm) => {
  const part = (name) => `require(${JSON.stringify(require.resolve(`${orm}${name}`))})`
  return `(async () => {
    const { eq } = ${part('')}
    const core = ${part(`/${CORE}`)}
    const { text, timestamp } = core
    const table = core.${byStorage({ sqlite: 'sqliteTable', postgres: 'pgTable', mysql: 'mysqlTable' })}
    const integer = core.integer ?? core.int
    const time = (name) => timestamp ? timestamp(name) : integer(name, { mode: 'timestamp_ms' })
    const credit = table('credit', {
      id: text('id').primaryKey(),
      userId: text('user_id').notNull(),
      transactionNo: text('transaction_no').notNull(),
      transactionType: text('transaction_type').notNull(),
      credits: integer('credits').notNull(),
      remainingCredits: integer('remaining_credits').notNull(),
      status: text('status').notNull(),
      expiresAt: time('expires_at'),
      createdAt: time('created_at').notNull(),
      updatedAt: time('updated_at').notNull(),
    })
    const client = ${OPEN}
    const db = ${part(`/${CLIENT}`)}.drizzle({ client })
    const now = new Date()
    const expiresAt = new Date(${byStorage({ sqlite: 4102444800000, postgres: 4102444800000, mysql: 2114380800000 })})
    await db.transaction((tx) => tx.insert(credit).values({
      id: 'g', userId: 'u', transactionNo: 'n', transactionType: 'grant', credits: 100, remainingCredits: 100,
      status: 'active', expiresAt, createdAt: now, updatedAt: now,
    }))
    const task = { id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' }
    const { creditId } = await credits.createMediaTask(task, 30)
    const read = (id) => db.select().from(credit).where(eq(credit.id, id)).then(([row]) => row)
    const [charge, drawn] = [await read(creditId), await read('g')]
    await credits.updateMediaTaskById('t', { status: 'failed' })
    const refunded = await read('g')
    await (client.end ?? client.close).call(client)
    console.log(JSON.stringify([
      charge.credits, charge.status, charge.createdAt instanceof Date && charge.createdAt >= now - (now % ${byStorage({ sqlite: 1, postgres: 1, mysql: 1000 })}),
      drawn.remainingCredits, refunded.remainingCredits, refunded.expiresAt.getTime() === expiresAt.getTime(),
    ]))
  })()`
}

test.each([
  ['0.45', 'drizzle-orm'],
  ['1.0', 'drizzle-orm-1'],
])('Drizzle %s and the package read and write the same rows', async (_, orm) => {
  const database = await TestDatabase.fresh()
  await database.user('u')
  const env = { DATABASE_URL: database.url, DATABASE_PROVIDER: database.store.provider }
  const { out } = await evaluate(source(orm), env)
  expect(out).toBe(JSON.stringify([-30, 'active', true, 70, 100, true]))
  expect(await violations(database)).toEqual([])
})
