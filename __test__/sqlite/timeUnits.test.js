'use strict'

const { TestDatabase, aiTask, task } = require('../helpers/database')
const { connection } = require('../helpers/network')

const HOUR_MS = 3_600_000

/** Converts columns of milliseconds to seconds, or the other way round, for a new connection. */
async function converted(database, factor, columns) {
  await database.credits.close()
  for (const [table, column] of columns) {
    await database.sql(`UPDATE ${table} SET ${column} = CAST(${column} * ${factor} AS integer)`)
  }
  return connection(database.url)
}

describe('times in another unit are found when the database is opened:', () => {
  test.each([
    ['seconds', 0.001],
    ['microseconds', 1000],
  ])('expires_at in %s', async (_, factor) => {
    const database = await TestDatabase.fresh()
    const expired = { credits: 50, expiresAt: new Date(Date.now() - HOUR_MS) }
    await database.user('u', 100, expired, { credits: 10, expiresAt: null })
    const credits = await converted(database, factor, [['credit', 'expires_at']])
    for (const call of [
      () => credits.getRemainingCredits('u'),
      () => credits.consumeCredits({ userId: 'u', credits: 5 }),
    ]) {
      const error = await call().catch((error) => error)
      expect(error).toMatchObject({ code: 'TIMESTAMP_UNIT_UNCLEAR', retryable: false })
      expect(error.message).toContain('credit.expires_at = ')
    }
  })

  test('expires_at in milliseconds beside seconds', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100, { credits: 50, expiresAt: new Date(Date.now() - HOUR_MS) })
    const clocks = ['credit', '"user"'].flatMap((table) => [
      [table, 'created_at'],
      [table, 'updated_at'],
    ])
    const credits = await converted(database, 0.001, clocks)
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toMatchObject({ code: 'TIMESTAMP_UNIT_UNCLEAR' })
  })

  test('a task table blocks only the functions about it', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    for (const id of ['a', 'b']) {
      await database.credits.createAITask(aiTask(id, 'u', { costCredits: 10 }))
      await database.credits.createMediaTask(task(id, 'u', { publishedAt: new Date() }), 10)
    }
    const credits = await converted(database, 0.001, [
      ['ai_task', 'created_at'],
      ['ai_task', 'updated_at'],
      ['media_tasks', 'published_at'],
    ])
    expect(await credits.getRemainingCredits('u')).toBe(60)
    await credits.consumeCredits({ userId: 'u', credits: 10 })
    for (const call of [() => credits.findAITaskById('a'), () => credits.findMediaTaskById('a')]) {
      await expect(call()).rejects.toMatchObject({ code: 'TIMESTAMP_UNIT_UNCLEAR' })
    }
  })

  test('an audit finds one row of many with a time in another unit', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100, 100, { id: 'odd', credits: 100 })
    await database.credits.close()
    await database.sql("UPDATE credit SET expires_at = expires_at / 1000 WHERE id = 'odd'")
    const credits = connection(database.url)
    expect(await credits.getRemainingCredits('u')).toBe(200)
    const found = []
    for await (const { kind, rows } of credits.auditLedger()) found.push([kind, rows[0].id])
    expect(found).toEqual([['wrong-time-unit', 'odd']])
  })
})
