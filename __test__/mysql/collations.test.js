'use strict'

const { refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { Store, given } = require('../helpers/mysql')
const { TestDatabase } = require('../helpers/database')
const { describeWithMysql } = require('../helpers/mariadb')

// MySQL treats texts as equal that are equal in their collation. The ledger must not.

/** A database with this character set and collation, which the app's tables inherit. */
const withCollation = async (more) => new TestDatabase(await Store.on(given, 'app', { more }))

/** Texts that the default collation of most servers treats as equal, or sorts together. */
const ALIKE = [
  ['a capital', 'user', 'USER'],
  ['an accent', 'jose', 'josé'],
  ['a space at the end', 'user', 'user '],
  ['a sharp s', 'strass', 'straß'],
]

const IGNORING = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci'

describeWithMysql('an id that equals another one in the collation', () => {
  test.each(ALIKE)('is not the other id: %s', async (_, id, alike) => {
    const database = await withCollation(IGNORING)
    await database.user(id, 100)
    const { credits } = database
    await credits.createMediaTask(task(id, id), 10)
    expect(await credits.getRemainingCredits(alike)).toBe(0)
    expect(await credits.getBalance(alike)).toMatchObject({ credits: 0, grants: [] })
    expect(await credits.getCredits({ userId: alike })).toEqual([])
    expect(await credits.getCreditsCount({ userId: alike })).toBe(0)
    expect(await credits.findMediaTaskById(alike)).toBeUndefined()
    expect(await credits.hasActiveMediaTask(alike)).toBe(false)
    expect((await credits.getMediaTaskHistory(alike)).total).toBe(0)
    const calls = [
      () => credits.consumeCredits({ userId: alike, credits: 1 }),
      () => credits.createCredit({ userId: alike, credits: 1 }),
      () => credits.createMediaTask(task('new', alike), 1),
    ]
    for (const call of calls) expect(await refusal(database, call)).toMatchObject({ code: 'USER_NOT_FOUND' })
    expect(await credits.updateMediaTaskById(alike, { status: 'failed' })).toBeUndefined()
    expect(await credits.getRemainingCredits(id)).toBe(90)
    expect(await violations(database)).toEqual([])
  })

  test.each(ALIKE)('is refused as a second task by the primary key: %s', async (_, id, alike) => {
    const database = await withCollation(IGNORING)
    await database.user('u', 100)
    await database.credits.createMediaTask(task(id, 'u'), 10)
    const replayed = await refusal(database, () =>
      database.credits.createMediaTask(task(alike, 'u'), 10, { replay: true }),
    )
    expect(replayed.code).not.toBe('INTERNAL')
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test.each(ALIKE)('is not the idempotency key of an earlier call: %s', async (_, number, alike) => {
    const database = await withCollation(IGNORING)
    await database.user('u', 100)
    const charge = (transactionNo, options) =>
      database.credits.consumeCredits({ userId: 'u', credits: 10, transactionNo }, options)
    await charge(number)
    const error = await refusal(database, () => charge(alike, { replay: true }))
    expect(error).toMatchObject({ retryable: false })
    expect((await charge(number, { replay: true })).replayed).toBe(true)
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('ids that differ only in capitals', () => {
  test.each(['utf8mb4_bin', given.collation])(
    'are two users if the collation distinguishes them: %s',
    async (collation) => {
      const database = await withCollation(`CHARACTER SET utf8mb4 COLLATE ${collation}`)
      for (const id of ['a', 'A', 'é', 'e']) await database.user(id, 20)
      const settled = await Promise.all(
        ['a', 'A', 'é', 'e'].map((userId, at) =>
          database.credits.consumeCredits({ userId, credits: at + 1 }),
        ),
      )
      expect(settled.map(({ userId }) => userId)).toEqual(['a', 'A', 'é', 'e'])
      const balances = ['a', 'A', 'é', 'e'].map((id) => database.credits.getRemainingCredits(id))
      expect(await Promise.all(balances)).toEqual([19, 18, 17, 16])
      expect(await violations(database)).toEqual([])
    },
  )
})

describeWithMysql.each(['latin1', 'utf8mb3', 'ucs2', 'ascii', 'gbk'])('tables in %s', (charset) => {
  const open = async () => {
    const database = await withCollation(`CHARACTER SET ${charset}`)
    await database.user('u', 60, 40)
    return database
  }

  test('can charge, refund and list', async () => {
    const database = await open()
    const { createMediaTask, updateMediaTaskById, getCredits } = database.credits
    await createMediaTask(task('t', 'u', { title: 'plain' }), 70)
    expect(await updateMediaTaskById('t', { status: 'failed' })).toMatchObject({ refund: { credits: 70 } })
    expect(await getCredits({ userId: 'u' })).toHaveLength(3)
    expect(await violations(database)).toEqual([])
  })

  test('store the characters that they can, and refuse others before credits move', async () => {
    const database = await open()
    const { createMediaTask, findMediaTaskById } = database.credits
    for (const [at, title] of ['é', '中', '🎬'].entries()) {
      const row = await createMediaTask(task(`t${at}`, 'u', { title }), 1).catch((error) => error)
      if (row instanceof Error) {
        expect(row).toMatchObject({
          code: expect.stringMatching(/^(INVALID_VALUE|DATABASE_ERROR)$/),
          retryable: false,
        })
        expect(await findMediaTaskById(`t${at}`)).toBeUndefined()
      } else {
        expect(row.title).toBe(title)
        expect((await findMediaTaskById(`t${at}`)).title).toBe(title)
      }
    }
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('tables with bytes in place of text', () => {
  test('are refused with the name of each such column', async () => {
    const database = await withCollation('CHARACTER SET binary')
    const error = await database.credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    expect(error.message).toMatch(/user\.id is varbinary/)
  })
})
