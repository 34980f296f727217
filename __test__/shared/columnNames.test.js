'use strict'

const { TestDatabase, aiTask, task } = require('../helpers/database')
const { postgres } = require('../helpers/storage')
const { connection } = require('../helpers/network')

/** The error of a call. */
const refused = (promise) => promise.catch((error) => error)

describe('two columns with one name in JavaScript are refused, and named:', () => {
  test.each([
    ['credit', 'credits', 'user_id', 'userId'],
    ['credit', 'credits', 'remaining_credits', 'remainingCredits'],
    ['credit', 'credits', 'remaining_credits', 'remaining__credits'],
    ['credit', 'credits', 'id', 'id_'],
    ['"user"', 'credits', 'free_trial_used', 'freeTrialUsed'],
    ['media_tasks', 'media tasks', 'credit_id', 'creditId'],
    ['media_tasks', 'media tasks', 'updated_at', 'updatedAt'],
    ['ai_task', 'AI tasks', 'credit_id', 'creditId'],
  ])('%s (%s): %s and %s', async (table, about, one, other) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await database.sql(`ALTER TABLE ${table} ADD COLUMN "${other}" text`)
    const before = await database.everything()
    // The known tables are checked again: on SQLite at once, on PostgreSQL after a minute.
    await database.credits.close()
    const credits = connection(database.url)
    const call = {
      credits: () => credits.consumeCredits({ userId: 'u', credits: 10 }),
      'media tasks': () => credits.createMediaTask(task('t', 'u'), 10),
      'AI tasks': () => credits.createAITask(aiTask('t', 'u', { costCredits: 10 })),
    }[about]
    const error = await refused(call())
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    const bare = table.replaceAll('"', '')
    expect(error.message).toContain(`${bare}.${one} and ${bare}.${other} are both`)
    expect(await database.everything()).toEqual(before)
  })

  test('two columns of a task table with one name block only the functions about that table', async () => {
    const database = await TestDatabase.fresh()
    await database.sql('ALTER TABLE ai_task ADD COLUMN "creditId" text')
    await database.user('u', 100)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test('two columns with one name that the ledger does not use are refused when the field is passed', async () => {
    const database = await TestDatabase.fresh()
    await database.sql('ALTER TABLE credit ADD COLUMN foo_bar text')
    await database.sql('ALTER TABLE credit ADD COLUMN "fooBar" text')
    const error = await refused(database.credits.getRemainingCredits('u'))
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
    expect(error.message).toContain('credit.foo_bar and credit.fooBar are both fooBar')
  })

  postgres.test('a column name in capitals is a different name in JavaScript too', async () => {
    const database = await TestDatabase.fresh()
    await database.sql('ALTER TABLE media_tasks ADD COLUMN "CREDIT_ID" text')
    await database.user('u', 100)
    const row = await database.credits.createMediaTask(task('t', 'u'), 10)
    expect(row).toMatchObject({ creditId: expect.any(String), CREDITID: null })
    expect((await database.credits.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(10)
  })
})
