'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { cliOn } = require('../helpers/cli')

/** Makes a column again with another type. SQLite can't change the type of an existing one. */
const declare = (table, column, type) => [
  'DROP INDEX idx_credit_consume_fifo',
  `ALTER TABLE ${table} DROP COLUMN ${column}`,
  `ALTER TABLE ${table} ADD COLUMN ${column} ${type}`,
]

describe('a declared type that changes the values of the ledger', () => {
  test.each([
    ['credit', 'remaining_credits', 'real', 'integer'],
    ['credit', 'credits', 'text', 'integer'],
    ['credit', 'expires_at', 'text', 'integer'],
    ['credit', 'description', 'integer', 'text'],
    ['credit', 'consumed_detail', 'real', 'text'],
  ])('is named before any credits move: %s.%s as %s', async (table, column, type, needed) => {
    const database = await TestDatabase.fresh()
    await database.run(...declare(table, column, type))
    const { getRemainingCredits, consumeCredits } = database.credits
    for (const call of [() => getRemainingCredits('u'), () => consumeCredits({ userId: 'u', credits: 1 })]) {
      const error = await refusal(database, call)
      expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
      expect(error.message).toContain(`${table}.${column} is ${type}`)
      expect(error.message).toContain(`${table}.${column} must be ${needed}`)
    }
    const { code, json } = await cliOn(database, 'doctor', '--json')
    expect(code).toBe(1)
    expect(json.checks).toContainEqual({
      name: 'schema',
      status: 'problem',
      message: expect.stringContaining(`${table}.${column} is ${type}`),
    })
  })

  test('blocks only the functions about tasks if a task table has it', async () => {
    const database = await TestDatabase.fresh()
    await database.run(...declare('media_tasks', 'credit_id', 'integer'))
    await database.user('u', 10)
    const { consumeCredits, createMediaTask } = database.credits
    await consumeCredits({ userId: 'u', credits: 1 })
    const error = await refusal(database, () => createMediaTask(task('t', 'u'), 1))
    expect(error.code).toBe('SCHEMA_MISMATCH')
    expect(error.message).toContain('media_tasks.credit_id is integer')
  })
})
