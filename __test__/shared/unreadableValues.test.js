'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { connection } = require('../helpers/network')
const { postgres, sqlite } = require('../helpers/storage')

const HOUR_MS = 3_600_000
const later = () => Date.now() + HOUR_MS
const before = () => Date.now() - HOUR_MS

/** Values that a script may leave in a column: SQL, and their text in a message. */
const TEXT = ["'tomorrow'", 'the text "tomorrow"']
const ISO = ["'2099-01-01T00:00:00.000Z'", 'the text "2099-01-01T00:00:00.000Z"']
const BYTES = ["x'00ff'", 'bytes']
const NO_TEXT = ["CAST(x'ff41' AS text)", 'text that is not UTF-8']
const JULIAN_DAY = ["julianday('now', '+1 day')", expect.stringMatching(/^24\d+\.\d+$/)]

/** A user with a grant that is whole, another one with 40 of 100 credits in a grant that is damaged. */
async function withDamagedGrant(column, value) {
  const database = await TestDatabase.fresh()
  await database.user('v', 100)
  await database.user('u', { id: 'bad', credits: 60, transactionNo: '1' }, { id: 'good', credits: 40 })
  await database.sql(`UPDATE credit SET ${column} = ${value} WHERE id = 'bad'`)
  return database
}

async function findings(database) {
  const found = []
  for await (const finding of database.credits.auditLedger()) found.push(finding)
  return found
}

/** The balance is exactly what can be charged, and all functions that return it agree. */
async function expectBalance({ credits }, balance) {
  expect(await credits.getRemainingCredits('u')).toBe(balance)
  expect((await credits.getBalance('u')).credits).toBe(balance)
  expect((await credits.quoteCredits('u', 1)).available).toBe(balance)
  const statement = await credits.getStatement('u')
  expect(statement.entries.at(-1).balance).toBe(balance)
  const charge = (amount) => credits.consumeCredits({ userId: 'u', credits: amount })
  // In one batch with a user whose rows can be read.
  const others = credits.consumeCredits({ userId: 'v', credits: 1 })
  await expect(charge(balance + 1)).rejects.toMatchObject({
    code: 'INSUFFICIENT_CREDITS',
    available: balance,
  })
  await Promise.all([charge(balance), others])
  expect(await credits.getRemainingCredits('u')).toBe(0)
}

sqlite.describe(
  'a grant with unreadable remaining credits or expiry is not spendable, and affects no other row:',
  () => {
    const DAMAGED = [
      ['remaining_credits', 'remainingCredits', ...TEXT],
      ['remaining_credits', 'remainingCredits', ...BYTES],
      ['remaining_credits', 'remainingCredits', '59.5', '59.5'],
      ['remaining_credits', 'remainingCredits', '1e300', expect.any(String)],
      ['remaining_credits', 'remainingCredits', '9e999', 'inf'],
      ['expires_at', 'expiresAt', ...TEXT],
      ['expires_at', 'expiresAt', ...ISO],
      ['expires_at', 'expiresAt', ...BYTES],
      ['expires_at', 'expiresAt', ...JULIAN_DAY],
      ['id', 'id', ...BYTES],
      ['id', 'id', ...NO_TEXT],
      ['status', 'status', ...BYTES],
      ['transaction_type', 'transactionType', ...BYTES],
    ]

    test.each(DAMAGED)(
      'a row with %s (%s) = %s affects no other row',
      async (column, field, value, found) => {
        const database = await withDamagedGrant(column, value)
        expect((await database.credits.getCredits({ userId: 'u' })).length).toBe(2)
        expect(
          (await findings(database)).map(({ kind, userId, message }) => [kind, userId, message]),
        ).toContainEqual([
          'value-unreadable',
          'u',
          expect.stringMatching(new RegExp(`^${field} of credit .* holds `)),
        ])
        const { unreadable } = await database.credits.getStatement('u')
        expect(unreadable).toMatchObject([{ field, found }])
        await expectBalance(database, 40)
      },
    )

    test.each([
      ['a fraction of a millisecond', () => `${later()}.5`, 100],
      ['a fraction of a millisecond in the past', () => `${before()}.5`, 40],
      ['a number after all times', () => '9e999', 100],
      ['the largest number', () => '9223372036854775807', 100],
      ['the smallest number', () => '-9223372036854775808', 40],
    ])('an expiry that can be read is read: %s', async (_, value, balance) => {
      const database = await withDamagedGrant('expires_at', value())
      expect(
        (await database.credits.getCredits({ userId: 'u' })).every(
          ({ expiresAt }) => expiresAt >= new Date(-8.64e15),
        ),
      ).toBe(true)
      expect(await findings(database)).toEqual([])
      await expectBalance(database, balance)
    })

    test.each(["'many'", "x'00'", '60.5'])(
      'if the granted credits are %s, the remaining credits still count',
      async (value) => {
        const database = await withDamagedGrant('credits', value)
        expect(await database.credits.getRemainingCredits('u')).toBe(100)
        const charge = await database.credits.consumeCredits({ userId: 'u', credits: 50 })
        expect(await database.credits.getRemainingCredits('u')).toBe(50)
        const { refund } = await database.credits.refundCredits(charge.id)
        // If the granted credits can't be read, nothing is refunded.
        expect(refund.credits + refund.skipped.reduce((sum, { credits }) => sum + credits, 0)).toBe(50)
        expect(await database.credits.getRemainingCredits('u')).toBe(50 + refund.spendable)
      },
    )

    test('seconds with a fraction are read', async () => {
      const database = await TestDatabase.fresh()
      await database.user('v', 100)
      await database.user('u', { id: 'bad', credits: 60 }, { id: 'good', credits: 40 })
      await database.credits.close()
      await database.run(
        ...['created_at', 'updated_at', 'expires_at'].map(
          (column) => `UPDATE credit SET ${column} = ${column} / 1000`,
        ),
        ...['created_at', 'updated_at'].map((column) => `UPDATE "user" SET ${column} = ${column} / 1000`),
        `UPDATE credit SET expires_at = ${later() / 1000} WHERE id = 'bad'`,
      )
      const credits = connection(database.url, { timestampUnit: 's' })
      await expectBalance({ credits }, 100)
    })
  },
)

sqlite.describe('a charge that can not be read', () => {
  test.each([
    ['credits', "'ten'", 'VALUE_UNREADABLE'],
    ['credits', '-9.5', 'VALUE_UNREADABLE'],
    ['status', "x'00'", 'VALUE_UNREADABLE'],
    ['user_id', "x'00'", 'VALUE_UNREADABLE'],
    ['consumed_detail', "x'00'", 'CHARGE_CORRUPT'],
  ])('its %s is %s: only its own task is refused', async (column, value, code) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { createMediaTask, updateMediaTaskById, refundCredits } = database.credits
    const bad = await createMediaTask(task('bad', 'u'), 10)
    await createMediaTask(task('good', 'u'), 10)
    await database.run('PRAGMA foreign_keys = OFF', [
      `UPDATE credit SET ${column} = ${value} WHERE id = ?`,
      bad.creditId,
    ])
    const error = await refusal(database, () => updateMediaTaskById('bad', { status: 'failed' }))
    expect(error).toMatchObject({ code, retryable: false })
    if (code === 'VALUE_UNREADABLE') expect(error).toMatchObject({ table: 'credit', id: bad.creditId })
    expect(await refusal(database, () => refundCredits(bad.creditId))).toMatchObject({ code })
    expect((await updateMediaTaskById('good', { status: 'failed' })).refund.credits).toBe(10)
  })
})

sqlite.describe.each([
  ['MediaTask', 'media_tasks', (credits, id) => credits.createMediaTask(task(id, 'u'), 10)],
  ['AITask', 'ai_task', (credits, id) => credits.createAITask(aiTask(id, 'u', { costCredits: 10 }))],
])('a %s with an odd time', (name, table, create) => {
  /** Tasks `a` to `d`, all stuck; the time of `b` is as given. */
  async function withTasks(updatedAt) {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    for (const id of ['a', 'b', 'c', 'd']) await create(database.credits, id)
    await database.sql(`UPDATE ${table} SET updated_at = ?`, new Date(before()))
    await database.sql(`UPDATE ${table} SET updated_at = ${updatedAt} WHERE id = 'b'`)
    const { credits } = database
    return {
      database,
      update: credits[`update${name}ById`],
      find: () => credits[`findStuck${name}s`]({ olderThanMs: 60_000 }),
      sweep: (query) => credits[`failStuck${name}s`]({ olderThanMs: 60_000, ...query }),
      balance: () => credits.getRemainingCredits('u'),
    }
  }

  const ODD = [TEXT[0], ISO[0], BYTES[0], JULIAN_DAY[0]]

  test.each(ODD)('(%s) can fail, and a guard of that time is refused', async (value) => {
    const { database, update, balance } = await withTasks(value)
    const guard = { ifUpdatedBefore: new Date() }
    expect(await refusal(database, () => update('b', { status: 'failed' }, guard))).toMatchObject({
      code: 'VALUE_UNREADABLE',
      table,
      field: 'updatedAt',
      id: 'b',
    })
    const found = await findings(database)
    expect(found).toMatchObject([{ kind: 'value-unreadable', rows: [{ table, id: 'b' }] }])
    expect((await update('b', { status: 'failed' }, { ifStatus: 'pending' })).refund.credits).toBe(10)
    expect(await balance()).toBe(70)
    expect(await violations(database)).toEqual([])
  })

  test.each(ODD)('(%s) is left out by failStuckMediaTasks, and listed in errors', async (value) => {
    for (const limit of [1000, 1, 2]) {
      const { database, find, sweep, balance } = await withTasks(value)
      expect((await find()).map(({ id }) => id).sort()).toEqual(['a', 'b', 'c', 'd'])
      const { tasks, credits, errors } = await sweep({ limit })
      expect(tasks.length).toBe(Math.min(limit, 3))
      expect(credits).toBe(10 * tasks.length)
      const leftOut = errors.map(({ id, error }) => [id, error.code])
      expect([[], [['b', 'VALUE_UNREADABLE']]]).toContainEqual(leftOut)
      if (limit === 1000) expect(leftOut.length).toBe(1)
      expect(await balance()).toBe(60 + credits)
      expect(await violations(database)).toEqual([])
    }
  })

  test('with a fraction of a millisecond is read', async () => {
    const { database, sweep, balance } = await withTasks(`${before()}.25`)
    const { tasks, errors } = await sweep()
    expect([tasks.length, errors]).toEqual([4, []])
    expect(await balance()).toBe(100)
    expect(await violations(database)).toEqual([])
  })
})

sqlite.describe('a task', () => {
  test.each([
    ['user_id', 'userId', BYTES[0]],
    ['status', 'status', BYTES[0]],
    ['status', 'status', NO_TEXT[0]],
    ['credit_id', 'creditId', BYTES[0]],
  ])('a task whose %s can not be read is refused by itself', async (column, field, value) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { createMediaTask, updateMediaTaskById } = database.credits
    await createMediaTask(task('bad', 'u'), 10)
    await createMediaTask(task('good', 'u'), 10)
    await database.run(
      'PRAGMA foreign_keys = OFF',
      `UPDATE media_tasks SET ${column} = ${value} WHERE id = 'bad'`,
    )
    const [bad, good] = await Promise.allSettled([
      updateMediaTaskById('bad', { status: 'failed' }),
      updateMediaTaskById('good', { status: 'failed' }),
    ])
    expect(bad.reason).toMatchObject({ code: 'VALUE_UNREADABLE', table: 'media_tasks', field, id: 'bad' })
    expect(good.value.refund.credits).toBe(10)
  })

  test.each(["'three'", "x'00'", '1.5'])(
    'is refused only as a free trial if the count of its user is %s',
    async (value) => {
      const database = await TestDatabase.fresh()
      await database.user('u', 100)
      await database.sql(`UPDATE "user" SET free_trial_used = ${value}`)
      const { createMediaTask } = database.credits
      const trial = task('t', 'u', { isFreeTrial: true })
      const error = await refusal(database, () => createMediaTask(trial, 0, { freeTrialLimit: 3 }))
      expect(error).toMatchObject({
        code: 'VALUE_UNREADABLE',
        table: 'user',
        field: 'freeTrialUsed',
        id: 'u',
      })
      expect(await createMediaTask(task('paid', 'u'), 10)).toMatchObject({ id: 'paid' })
    },
  )
})

postgres.describe('times that no Date holds', () => {
  test.each([
    ['infinity', 100],
    ['-infinity', 40],
    ['294276-12-31', 100],
    ['4713-01-01 BC', 40],
  ])('are read as an expiry: %s', async (value, balance) => {
    const database = await withDamagedGrant('expires_at', `'${value}'`)
    const [bad] = (await database.credits.getCredits({ userId: 'u' })).filter(({ id }) => id === 'bad')
    expect(Number.isNaN(bad.expiresAt.getTime())).toBe(false)
    expect(await findings(database)).toEqual([])
    await expectBalance(database, balance)
  })

  test.each(['infinity', '-infinity', '294276-12-31', '4713-01-01 BC', null])(
    "are read as the time of a task's last update: %s",
    async (value) => {
      const database = await TestDatabase.fresh()
      await database.user('u', 100)
      const { createMediaTask, failStuckMediaTasks, updateMediaTaskById } = database.credits
      for (const id of ['a', 'b']) await createMediaTask(task(id, 'u'), 10)
      await database.run(
        'ALTER TABLE media_tasks ALTER updated_at DROP NOT NULL',
        ['UPDATE media_tasks SET updated_at = ?', new Date(before())],
        `UPDATE media_tasks SET updated_at = ${value === null ? 'NULL' : `'${value}'`} WHERE id = 'b'`,
      )
      const { tasks, errors } = await failStuckMediaTasks({ olderThanMs: 60_000 })
      const isOld = ['-infinity', '4713-01-01 BC'].includes(value)
      expect(tasks.map(({ id }) => id).sort()).toEqual(isOld ? ['a', 'b'] : ['a'])
      const leftOut = errors.map(({ id, error }) => [id, error.code])
      expect(leftOut).toEqual(value === null ? [['b', 'VALUE_UNREADABLE']] : [])
      const { refund } = await updateMediaTaskById('b', { status: 'failed' })
      expect(refund.credits).toBe(isOld ? 0 : 10)
      expect(await database.credits.getRemainingCredits('u')).toBe(100)
    },
  )
})
