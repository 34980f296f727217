'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

/** A user with exactly this balance: a new one, or one of the real database with a history. */
async function userWith(database, credits) {
  const [user] = await database.sql(`SELECT id FROM "user" WHERE name = 'user 12'`)
  if (!user) return database.user('u', credits)
  const { getRemainingCredits, consumeCredits, createCredit } = database.credits
  const balance = await getRemainingCredits(user.id)
  if (balance > 0) await consumeCredits({ userId: user.id, credits: balance })
  await createCredit({ userId: user.id, credits })
  return user.id
}

/** The status of a charge. */
async function statusOf(database, id) {
  const [charge] = await database.sql('SELECT status FROM credit WHERE id = ?', id)
  return charge.status
}

describe.each([
  ['a fresh database', TestDatabase.fresh],
  ['a copy of a real database', TestDatabase.fixture],
])('in %s', (_, open) => {
  test('a task that costs more than the balance is refused', async () => {
    const database = await open()
    const user = await userWith(database, 5)
    const before = await database.everything()
    const error = await database.credits.createMediaTask(task('t', user), 10).catch((error) => error)
    expect(error).toMatchObject({ code: 'INSUFFICIENT_CREDITS', required: 10, available: 5 })
    expect(error.message).toBe('Insufficient credits, 5 < 10')
    expect(await database.everything()).toEqual(before)
  })

  test('a task that fails is refunded', async () => {
    const database = await open()
    const damage = await violations(database)
    const user = await userWith(database, 50)
    const { createMediaTask, updateMediaTaskById, getRemainingCredits } = database.credits
    const { creditId } = await createMediaTask(task('t', user), 10)
    expect(await getRemainingCredits(user)).toBe(40)
    await updateMediaTaskById('t', { status: 'processing', progress: 10 })
    const patch = { status: 'failed', errorMessage: 'no subtitles', progress: 0, creditId }
    const failed = await updateMediaTaskById('t', patch)
    expect(failed).toMatchObject({ ...patch, refund: { credits: 10, spendable: 10, skipped: [] } })
    expect(await getRemainingCredits(user)).toBe(50)
    expect(await statusOf(database, creditId)).toBe('deleted')
    expect(await violations(database)).toEqual(damage)
  })

  test('concurrent submits are charged up to the balance', async () => {
    const database = await open()
    const damage = await violations(database)
    const user = await userWith(database, 50)
    const submits = Array.from({ length: 8 }, (_, at) =>
      database.credits.createMediaTask(task(`t${at}`, user), 10),
    )
    const settled = await Promise.allSettled(submits)
    const codes = settled.map(({ status, reason }) => reason?.code ?? status)
    expect(codes.sort()).toEqual([...Array(3).fill('INSUFFICIENT_CREDITS'), ...Array(5).fill('fulfilled')])
    expect(await database.credits.getRemainingCredits(user)).toBe(0)
    expect(await violations(database)).toEqual(damage)
  })

  test('a translation that fails is refunded', async () => {
    const database = await open()
    const damage = await violations(database)
    const user = await userWith(database, 50)
    const { createMediaTask, updateMediaTaskById, consumeCredits, getRemainingCredits } = database.credits
    const extraction = await createMediaTask(task('t', user), 10)
    await updateMediaTaskById('t', { status: 'extracted', progress: 100 })
    const charge = await consumeCredits({
      userId: user,
      credits: 5,
      scene: 'payment',
      description: 'Subtitle translation: fr',
      metadata: JSON.stringify({ type: 'media-task-translation', taskId: 't', targetLanguage: 'fr' }),
    })
    const translating = { status: 'translating', targetLang: 'fr', progress: 0, creditId: charge.id }
    expect(await updateMediaTaskById('t', translating)).toMatchObject(translating)
    expect(await getRemainingCredits(user)).toBe(35)
    const failed = await updateMediaTaskById('t', { status: 'failed', creditId: charge.id })
    expect(failed).toMatchObject({ status: 'failed', refund: { credits: 5, spendable: 5, skipped: [] } })
    expect(await getRemainingCredits(user)).toBe(40)
    expect(await statusOf(database, charge.id)).toBe('deleted')
    expect(await statusOf(database, extraction.creditId)).toBe('active')
    expect(await violations(database)).toEqual(damage)
  })
})
