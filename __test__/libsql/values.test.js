'use strict'

/** Values of a libSQL server that do not fit their column, one of each kind; the tests of files have all of them. */

const { TestDatabase, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

/** Users `v`, and `u` whose grant `bad` of 60 credits holds this. */
async function withDamagedGrant(column, value) {
  const database = await TestDatabase.fresh()
  await database.user('v', 100)
  await database.user('u', { id: 'bad', credits: 60 }, { id: 'good', credits: 40 })
  await database.sql(`UPDATE credit SET ${column} = ${value} WHERE id = 'bad'`)
  return database
}

test.each([
  ['remaining_credits', 'remainingCredits', "x'00ff'", 'bytes'],
  ['remaining_credits', 'remainingCredits', '59.5', '59.5'],
  ['expires_at', 'expiresAt', "'tomorrow'", 'the text "tomorrow"'],
])(
  'a grant whose %s (%s) is %s can not be spent, and affects no other',
  async (column, field, value, found) => {
    const { credits } = await withDamagedGrant(column, value)
    expect(await credits.getRemainingCredits('u')).toBe(40)
    expect((await credits.getStatement('u')).unreadable).toMatchObject([{ field, found }])
    const charge = (userId, amount) => credits.consumeCredits({ userId, credits: amount })
    const [tooMuch, other] = await Promise.allSettled([charge('u', 41), charge('v', 1)])
    expect(tooMuch.reason).toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 40 })
    expect(other.status).toBe('fulfilled')
    await charge('u', 40)
    expect(await credits.getRemainingCredits('u')).toBe(0)
    const kinds = []
    for await (const { kind, userId } of credits.auditLedger()) kinds.push([kind, userId])
    expect(kinds).toContainEqual(['value-unreadable', 'u'])
  },
)

test('a task with an unreadable time can fail, and a guard of that time is refused', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const { createMediaTask, updateMediaTaskById } = database.credits
  await createMediaTask(task('t', 'u'), 10)
  await database.sql("UPDATE media_tasks SET updated_at = 'tomorrow' WHERE id = 't'")
  const guard = { ifUpdatedBefore: new Date() }
  const error = await refusal(database, () => updateMediaTaskById('t', { status: 'failed' }, guard))
  expect(error).toMatchObject({ code: 'VALUE_UNREADABLE', table: 'media_tasks', field: 'updatedAt', id: 't' })
  expect((await updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(10)
  expect(await violations(database)).toEqual([])
})

test('a charge that can not be read blocks only its own task', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const { createMediaTask, updateMediaTaskById } = database.credits
  const bad = await createMediaTask(task('bad', 'u'), 10)
  await createMediaTask(task('good', 'u'), 10)
  await database.sql("UPDATE credit SET consumed_detail = x'00' WHERE id = ?", bad.creditId)
  const error = await refusal(database, () => updateMediaTaskById('bad', { status: 'failed' }))
  expect(error).toMatchObject({ code: 'CHARGE_CORRUPT', retryable: false })
  expect((await updateMediaTaskById('good', { status: 'failed' })).refund.credits).toBe(10)
})
