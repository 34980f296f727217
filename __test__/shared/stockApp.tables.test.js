'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { exactEntries, findings, kinds } = require('../helpers/books')
const { violations } = require('../helpers/invariants')
const { stock, taskOf } = require('../helpers/stock')
const { byStorage } = require('../helpers/storage')

const NOTHING = { credits: 0, spendable: 0, skipped: [] }

/** A call is refused because `missing`, a table or a column, does not exist, and nothing is written. */
async function refusedFor(missing, database, call) {
  const error = await refusal(database, call)
  expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
  expect(error.message).toContain(missing)
}

/** The names of the tables that a connection finds. */
const tablesOf = async ({ getDiagnostics }) => (await getDiagnostics()).tables.map(({ name }) => name).sort()

describe('an app whose ai_task has no credit_id', () => {
  async function withoutColumn() {
    const made = await stock()
    const { id } = await taskOf(made.database, made.ada, 'processing')
    await made.database.sql('ALTER TABLE ai_task DROP COLUMN credit_id')
    return { ...made, id }
  }

  test('can charge for no task', async () => {
    const { database, ada, id, ...credits } = await withoutColumn()
    const refused = (call) => refusedFor('ai_task.credit_id', database, call)
    await refused(() => credits.createAITask(aiTask('t', ada, { costCredits: 2 })))
    await refused(() => credits.createAITasks([aiTask('t', ada, { costCredits: 2 })], { atomic: true }))
    await refused(() => credits.chargeAITask(id, { credits: 2 }))
    await refused(() => credits.settleAITask(id, 1))
  })

  test('can make all other calls', async () => {
    const { database, ada, id, ...credits } = await withoutColumn()
    const free = await credits.createAITask(aiTask('free', ada))
    expect(free).toMatchObject({ id: 'free', status: 'pending', costCredits: 0 })
    expect(await credits.findAITaskById('free')).toEqual(free)
    const failed = await credits.updateAITaskById(id, { status: 'failed' })
    expect(failed).toMatchObject({ status: 'failed', refund: NOTHING })
    expect(await credits.getAITasks({ userId: ada, status: 'failed' })).toHaveLength(2)
    expect(await credits.getAITasksCount({ userId: ada })).toBe(5)
    expect(await credits.findStuckAITasks({ olderThanMs: 1000, statuses: ['pending'] })).toHaveLength(2)
    expect(await credits.consumeCredits({ userId: ada, credits: 4 })).toMatchObject({ credits: -4 })
    expect(await credits.getRemainingCredits(ada)).toBe(10)
    expect(await violations(database)).toEqual([])
  })
})

describe('with media tasks and no AI tasks,', () => {
  async function mediaApp() {
    const made = await stock()
    await made.database.sql('DROP TABLE ai_task')
    await made.createTables({ tables: ['media_tasks'] })
    return made
  }

  test('the functions of media tasks work', async () => {
    const { database, ada, ...credits } = await mediaApp()
    const created = await credits.createMediaTask(task('t', ada), 10)
    expect(created).toMatchObject({ id: 't', creditId: expect.any(String) })
    await credits.updateMediaTaskById('t', { status: 'processing' })
    expect(await credits.hasActiveMediaTask(ada)).toBe(true)
    expect((await credits.getMediaTaskHistory(ada, '1', '5')).total).toBe(1)
    const failed = await credits.updateMediaTaskById('t', { status: 'failed' })
    expect(failed.refund).toEqual({ credits: 10, spendable: 10, skipped: [] })
    expect(await credits.getRemainingCredits(ada)).toBe(14)
    await refusedFor('ai_task', database, () => credits.getAITasks({ getUser: true }))
    await refusedFor('ai_task', database, () => credits.createAITask(aiTask('t', ada, { costCredits: 1 })))
    expect(await violations(database)).toEqual([])
  })
})

describe('an app with user and credit alone', () => {
  async function alone() {
    const database = await TestDatabase.stock({ empty: true })
    await database.sql('DROP TABLE ai_task')
    await database.user('u', { credits: 40, transactionNo: '71' })
    return { database, ...database.credits }
  }

  test('has a working ledger', async () => {
    const { database, ...credits } = await alone()
    const charge = await credits.consumeCredits({ userId: 'u', credits: 15, metadata: { type: 'chat' } })
    expect(charge).toMatchObject({ credits: -15, status: 'active' })
    expect(await credits.createCredit({ userId: 'u', credits: 5 })).toMatchObject({ remainingCredits: 5 })
    expect(await credits.getRemainingCredits('u')).toBe(30)
    expect(await credits.getCredits({ userId: 'u' })).toHaveLength(3)
    expect((await credits.getBalance('u')).credits).toBe(30)
    expect(await credits.quoteCredits('u', 31)).toMatchObject({ sufficient: false, available: 30 })
    expect((await credits.refundCredits(charge.id)).refund.credits).toBe(15)
    const entries = await exactEntries(credits, 'u')
    // MySQL's tables do not store the order within a second.
    const types = byStorage({
      sqlite: ['grant', 'charge', 'grant', 'refund'],
      postgres: ['grant', 'charge', 'grant', 'refund'],
      mysql: expect.arrayContaining(['grant', 'charge', 'refund']),
    })
    expect(entries.map(({ type }) => type)).toEqual(types)
    expect(entries).toHaveLength(4)
    expect(await findings(credits)).toEqual([])
    expect(await violations(database)).toEqual([])
  })

  test('can repair a ledger that the old code damaged', async () => {
    const { database, consumeCredits, refundCredits, repairLedger, ...credits } = await alone()
    await refundCredits((await consumeCredits({ userId: 'u', credits: 15 })).id)
    await database.sql('UPDATE credit SET remaining_credits = 55 WHERE credits = 40')
    expect(await kinds(credits)).toEqual({ 'grant-out-of-range': 1, 'refunded-more-than-once': 1 })
    const { changes } = await repairLedger({ apply: true })
    expect(changes).toMatchObject([{ before: 55, after: 40 }])
    expect(await credits.getRemainingCredits('u')).toBe(40)
    expect(await violations(database)).toEqual([])
  })

  test('refuses tasks of both kinds, and names their table', async () => {
    const { database, createMediaTask, createAITask } = await alone()
    await refusedFor('media_tasks', database, () => createMediaTask(task('t', 'u'), 10))
    await refusedFor('ai_task', database, () => createAITask(aiTask('t', 'u', { costCredits: 10 })))
  })
})

describe('createTables({ tables })', () => {
  test('makes the named tables, and those that they refer to', async () => {
    const { credits, store } = await TestDatabase.none()
    await credits.createTables({ tables: ['ai_task'] })
    expect(await tablesOf(credits)).toEqual(['ai_task', 'credit', 'user'])
    const schema = await store.schema()
    await credits.createTables({ tables: ['user', 'credit', 'ai_task'] })
    expect(await store.schema()).toEqual(schema)
    await credits.createTables({ tables: ['media_tasks'] })
    expect(await tablesOf(credits)).toEqual(['ai_task', 'credit', 'media_tasks', 'user'])
  })

  test('makes a working ledger without tasks', async () => {
    const database = await TestDatabase.none()
    await database.credits.createTables({ tables: ['credit'] })
    expect(await tablesOf(database.credits)).toEqual(['credit', 'user'])
    await database.user('u', 10)
    await database.credits.consumeCredits({ userId: 'u', credits: 4 })
    expect(await database.credits.getRemainingCredits('u')).toBe(6)
    expect(await violations(database)).toEqual([])
  })

  test('makes the same tables as without the option', async () => {
    const [some, all] = [await TestDatabase.none(), await TestDatabase.none()]
    await some.credits.createTables({ tables: ['ai_task'] })
    await all.credits.createTables({ tables: undefined })
    const schema = await all.store.schema()
    const shared = schema.filter(({ owner }) => owner !== 'media_tasks')
    expect(await some.store.schema()).toEqual(shared)
  })

  test.each([
    ['an unknown table', ['orders']],
    ['a name and a wrong one', ['ai_task', 'AI_TASK']],
    ['text', 'ai_task'],
    ['an object', { ai_task: true }],
    ['a number', [1]],
    ['nothing', [null]],
  ])('refuses %s', async (_, tables) => {
    const { credits, store } = await TestDatabase.stock({ empty: true })
    const before = await store.schema()
    const error = await credits.createTables({ tables }).catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'tables' })
    expect(await store.schema()).toEqual(before)
  })
})
