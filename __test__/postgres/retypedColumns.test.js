'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

/** A database with a task, whose tables this process has read, and whose `own` column has got another type since. */
async function retyped(before, type, using) {
  const database = await TestDatabase.fresh()
  await database.sql(`ALTER TABLE media_tasks ADD COLUMN own ${before[0]}`)
  await database.user('u', 10)
  const { createMediaTask } = database.credits
  expect((await createMediaTask(task('t', 'u', { own: before[1] }), 1)).own).toEqual(before[1])
  await database.sql(`ALTER TABLE media_tasks ALTER own TYPE ${type} USING ${using ?? `own::${type}`}`)
  return database
}

const TIME = new Date('2026-11-28T10:20:30.000Z')

const CHANGES = [
  ['text', '{"a":1}', 'jsonb', { a: 1 }],
  ['jsonb', { a: 1 }, 'text', '{"a": 1}'],
  ['jsonb', { a: 1 }, 'json', { a: 1 }],
  ['text', '5', 'integer', 5],
  ['integer', 5, 'text', '5'],
  ['integer', 5, 'bigint', 5],
  ['integer', 5, 'numeric', 5],
  ['integer', 5, 'double precision', 5],
  ['numeric', 12.5, 'text', '12.5'],
  ['numeric', 12, 'integer', 12],
  ['timestamp', TIME, 'date', '2026-11-28'],
  ['date', '2026-11-28', 'timestamp', new Date('2026-11-28T00:00:00.000Z')],
  ['timestamp', TIME, 'text', '2026-11-28 10:20:30'],
  ['timestamp', TIME, 'bigint', TIME.getTime(), '(extract(epoch FROM own) * 1000)::bigint'],
  ['boolean', true, 'text', 'true'],
  ['boolean', true, 'integer', 1],
  ['text', 'a', 'text[]', '{a}', 'ARRAY[own]'],
  ['real', 0.5, 'double precision', 0.5],
]

describe('a column that gets another type while the app runs', () => {
  const CALLS = [
    ({ findMediaTaskById }) => findMediaTaskById('t'),
    ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' }),
  ]

  test.each(CHANGES.map((change) => [change]))(
    'is read and written with its new type: %j',
    async ([before, stored, type, expected, using]) => {
      for (const call of CALLS) {
        const database = await retyped([before, stored], type, using)
        expect((await call(database.credits)).own).toEqual(expected)
        expect(await violations(database)).toEqual([])
      }
    },
  )

  test('does not make a committed call fail, although no other can follow', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u'), 1)
    await database.sql('ALTER TABLE media_tasks ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE date')
    const { createMediaTask } = database.credits
    expect(await createMediaTask(task('new', 'u'), 1)).toMatchObject({ id: 'new', status: 'pending' })
    await expect(createMediaTask(task('next', 'u'), 1)).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    expect(await database.sql('SELECT id FROM media_tasks ORDER BY id')).toEqual([{ id: 'new' }, { id: 't' }])
  })

  test.each([
    ['credits', 'numeric(10,2)', 'credits + 0.5'],
    ['remaining_credits', 'numeric(10,2)', 'remaining_credits + 0.5'],
    ['expires_at', 'date', 'expires_at::date'],
    ['expires_at', 'bigint', 'extract(epoch FROM expires_at)::bigint'],
  ])('one that the ledger can not use is named at once: %s, since %s', async (column, type, using) => {
    const calls = [
      ({ getRemainingCredits }) => getRemainingCredits('u'),
      ({ getBalance }) => getBalance('u'),
      ({ consumeCredits }) => consumeCredits({ userId: 'u', credits: 1 }),
      ({ refundCredits }, charge) => refundCredits(charge.id),
      ({ getStatement }) => getStatement('u'),
    ]
    // A balance reads only one column.
    for (const call of calls.slice(column === 'remaining_credits' ? 0 : 1)) {
      const database = await TestDatabase.fresh()
      await database.user('u', 10)
      const charge = await database.credits.consumeCredits({ userId: 'u', credits: 2 })
      await database.sql(
        `ALTER TABLE credit ALTER ${column} DROP DEFAULT, ALTER ${column} TYPE ${type} USING ${using}`,
      )
      const before = await database.everything()
      await expect(call(database.credits, charge)).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
        message: expect.stringContaining(`credit.${column} is ${type}`),
      })
      expect(await database.everything()).toEqual(before)
    }
  })
})

describe('under load', () => {
  test('each call is answered as before while a schema is made again in one transaction', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    let done = false
    let answered = 0
    const load = Array.from({ length: 4 }, async () => {
      while (!done) {
        await database.credits.consumeCredits({ userId: 'u', credits: 1 })
        answered++
      }
    })
    const copies = ['credit', 'media_tasks', 'ai_task'].flatMap((table) => [
      `CREATE TABLE app.${table} (LIKE public.${table} INCLUDING ALL)`,
      `INSERT INTO app.${table} SELECT * FROM public.${table}`,
    ])
    // In the order in which a charge locks its rows, so that there is no deadlock.
    const tables = ['"user"', 'credit', 'media_tasks', 'ai_task']
    for (let time = 0; time < 3; time++) {
      await database.run(
        'BEGIN',
        `LOCK TABLE ${tables.map((table) => `public.${table}`).join(', ')}`,
        'CREATE SCHEMA app',
        'CREATE TABLE app."user" (LIKE public."user" INCLUDING ALL)',
        'INSERT INTO app."user" SELECT * FROM public."user"',
        ...copies,
        'DROP SCHEMA public CASCADE',
        'ALTER SCHEMA app RENAME TO public',
        'COMMIT',
      )
    }
    done = true
    await Promise.all(load)
    expect(answered).toBeGreaterThan(0)
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - answered)
    expect(await violations(database)).toEqual([])
  })
})
