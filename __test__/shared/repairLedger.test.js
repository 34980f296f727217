'use strict'

const {
  addRows,
  charge,
  exactEntries,
  findings,
  forTask,
  grant,
  kinds,
  refunded,
  taskRow,
} = require('../helpers/books')
const { DAMAGES } = require('../helpers/damages')
const { TestDatabase, refusal, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { creditRow, remaining } = require('../helpers/rows')
const { byStorage, postgres, sqlite } = require('../helpers/storage')

TestDatabase.reuse()

const APPLY = { apply: true }
const NEXT_YEAR = new Date(Math.floor(Date.now() / 1000) * 1000 + 365 * DAY_MS)
/** The same time, read as seconds. */
const IN_SECONDS = new Date(NEXT_YEAR.getTime() / 1000)

/** What can be repaired: the rows, and each change as `[row, column, before, after, message]`. */
const REPAIRS = {
  'refunded-more-than-once': {
    credits: [grant('g', 100, 110), refunded('r', 10, [['g', 10]]), charge('c', 20, [['g', 20]])],
    changes: [
      [
        ...['g', 'remainingCredits', 110, 80],
        'takes 30 credits back from grant g, to which they were refunded more than once',
      ],
    ],
    balance: [110, 80],
  },
  'failed-task-charged': {
    credits: [
      grant('g', 10, 6),
      grant('h', 5, 3),
      charge(
        'c',
        6,
        [
          ['g', 4],
          ['h', 2],
        ],
        forTask('t'),
      ),
    ],
    tasks: [taskRow('t', 'failed', 'c')],
    changes: [
      ['c', 'status', 'active', 'deleted', 'refunds charge c of 6 credits, whose task has failed'],
      ['g', 'remainingCredits', 6, 10, 'gives 4 credits back to grant g'],
      ['h', 'remainingCredits', 3, 5, 'gives 2 credits back to grant h'],
    ],
    balance: [9, 15],
  },
  'wrong-time-unit': {
    credits: [grant('g', 9, 9, { expires_at: IN_SECONDS })],
    changes: [
      [
        ...['g', 'expiresAt', IN_SECONDS, NEXT_YEAR],
        `sets expiresAt of credit g to ${NEXT_YEAR.toISOString()}, which was ${IN_SECONDS.toISOString()} in another unit`,
      ],
    ],
    balance: [0, 9],
  },
}

/** User `u` with such rows, and user `v` with a grant `v`. */
async function withRows({ credits = [], tasks = [] }) {
  // Times in another unit would make the unit unclear.
  const database = await TestDatabase.fresh({ timestampUnit: 'ms' })
  for (const id of ['u', 'v']) await database.user(id)
  await addRows(database, 'credit', [grant('v', 1, 1, { user_id: 'v' })])
  for (const row of credits) await addRows(database, 'credit', [row])
  for (const row of tasks) await addRows(database, 'media_tasks', [row])
  return database
}

const metadataOf = async (database, id) => JSON.parse((await creditRow(database, id)).metadata)

/** A time in the form of a row's metadata. */
const written = (value) => (value instanceof Date ? value.toISOString() : value)

describe.each(Object.entries(REPAIRS))('repairLedger: %s', (kind, { credits, tasks, changes, balance }) => {
  const expected = changes.map(([id, column, before, after, message]) => ({
    ...{ kind, userId: 'u', table: 'credit', id, column, before, after, message },
  }))

  test('is listed, and nothing is written', async () => {
    const database = await withRows({ credits, tasks })
    const before = await database.everything()
    for (const options of [undefined, {}, { apply: false }, { userId: 'u' }]) {
      expect(await database.credits.repairLedger(options)).toEqual({ applied: false, changes: expected })
    }
    expect(await database.credits.repairLedger({ userId: 'v' })).toEqual({ applied: false, changes: [] })
    expect(await database.everything()).toEqual(before)
  })

  test.each([
    ['all users', APPLY],
    ['this user', { userId: 'u', apply: true }],
  ])('is put right, once, with the books of %s', async (_, options) => {
    const database = await withRows({ credits, tasks })
    const { repairLedger, getRemainingCredits } = database.credits
    expect(await getRemainingCredits('u')).toBe(balance[0])
    const start = Date.now()
    expect(await repairLedger(options)).toEqual({ applied: true, changes: expected })
    expect(await getRemainingCredits('u')).toBe(balance[1])
    expect(await findings(database.credits)).toEqual([])
    expect(await violations(database)).toEqual([])
    await exactEntries(database.credits, 'u')
    for (const id of new Set(changes.map(([row]) => row))) {
      const { repaired, ...others } = await metadataOf(database, id)
      const of = changes.filter(([row]) => row === id)
      expect(repaired).toEqual(
        of.map(([, column, before, after]) => ({
          ...{ kind, column, before: written(before), after: written(after) },
          at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        })),
      )
      expect(Date.parse(repaired[0].at)).toBeGreaterThanOrEqual(start)
      expect((await creditRow(database, id)).updated_at).toBe(Date.parse(repaired[0].at))
      expect(others).toEqual(JSON.parse(credits.find((row) => row.id === id).metadata ?? '{}'))
    }
    const after = await database.everything()
    expect(await repairLedger(options)).toEqual({ applied: true, changes: [] })
    expect(await repairLedger()).toEqual({ applied: false, changes: [] })
    expect(await database.everything()).toEqual(after)
  })

  test('is not changed for another user', async () => {
    const database = await withRows({ credits, tasks })
    const before = await database.everything()
    expect(await database.credits.repairLedger({ userId: 'v', apply: true })).toEqual({
      applied: true,
      changes: [],
    })
    expect(await database.everything()).toEqual(before)
  })

  test.each([
    [
      'JSON',
      '{"b":1,"n":12345678901234567890123,"a":[{}]}',
      /^\{"b":1,"n":12345678901234567890123,"a":\[\{\}\],"rep/,
    ],
    ['plain text', 'plain "text"', /^\{"metadata":"plain \\"text\\"","repaired":/],
    ['an empty text', '', /^\{"metadata":"","repaired":/],
    ['a list', '[1, 2]', /^\{"metadata":\[1,2\],"repaired":/],
    ['an earlier repair', '{"repaired":[{"at":"2025"}],"a":1}', /^\{"repaired":\[\{"at":"2025"\},\{"kind":/],
    ["the app's own key repaired", '{"repaired":"yes","a":1}', /^\{"repaired":\["yes",\{"kind":/],
  ])('keeps what a row had in its metadata: %s', async (_, metadata, expectedText) => {
    const [id] = changes[0]
    const database = await withRows({
      credits: credits.map((row) => (row.id === id ? { ...row, metadata } : row)),
      tasks,
    })
    await database.credits.repairLedger(APPLY)
    const { metadata: text } = await creditRow(database, id)
    expect(text).toMatch(expectedText)
    expect(() => JSON.parse(text)).not.toThrow()
  })

  sqlite.test('keeps metadata that is a BLOB', async () => {
    const database = await withRows({ credits, tasks })
    await database.sql('UPDATE credit SET metadata = CAST(? AS BLOB)', '{"mine":"é"}')
    await database.credits.repairLedger(APPLY)
    expect(await metadataOf(database, changes[0][0])).toMatchObject({ mine: 'é', repaired: [{ kind }] })
    expect(await findings(database.credits)).toEqual([])
  })

  postgres.test.each(['json', 'jsonb'])('keeps metadata that is %s', async (type) => {
    const database = await withRows({ credits, tasks })
    await database.sql(`UPDATE credit SET metadata = '{"mine":"é"}'`)
    for (const column of ['consumed_detail', 'metadata']) {
      await database.sql(`ALTER TABLE credit ALTER ${column} TYPE ${type} USING ${column}::${type}`)
    }
    await database.credits.repairLedger(APPLY)
    expect(await metadataOf(database, changes[0][0])).toMatchObject({ mine: 'é', repaired: [{ kind }] })
    expect(await findings(database.credits)).toEqual([])
  })
})

describe('repairLedger does not change', () => {
  const uncertain = Object.entries(DAMAGES).filter(([kind]) => !(kind in REPAIRS))

  test.each(uncertain)('%s', async (_, damage) => {
    const database = await withRows(damage)
    const before = await database.everything()
    expect(await findings(database.credits)).toHaveLength(1)
    expect(await database.credits.repairLedger(APPLY)).toEqual({ applied: true, changes: [] })
    expect(await database.everything()).toEqual(before)
  })

  const failed = [taskRow('t', 'failed', 'c')]

  test.each([
    [
      'credits that were refunded twice to a user with an unreadable charge',
      {
        credits: [
          ...REPAIRS['refunded-more-than-once'].credits,
          charge('x', 1, [], { consumed_detail: 'junk' }),
        ],
      },
    ],
    [
      'a grant whose charges drew more than was granted',
      { credits: [grant('g', 5, 10), refunded('r', 5, [['g', 5]]), charge('c', 8, [['g', 8]])] },
    ],
    [
      'a failed task whose charge drew less than it took',
      { credits: [grant('g', 10, 6), charge('c', 6, [['g', 4]])], tasks: failed },
    ],
    [
      'a failed task whose grant does not add up',
      { credits: [grant('g', 10, 1), charge('c', 6, [['g', 6]])], tasks: failed },
    ],
    [
      'a failed task whose grant was deleted',
      {
        credits: [
          grant('g', 10, 7),
          charge('c', 6, [
            ['g', 3],
            ['x', 3],
          ]),
        ],
        tasks: failed,
      },
    ],
    [
      'credits that were refunded twice to a grant that does not hold more than was granted',
      DAMAGES['refunded-more-than-once'],
    ],
    [
      'a grant with excess credits that no refund explains',
      { credits: [grant('g', 100, 115), refunded('r', 1, [['g', 1]])] },
    ],
    [
      'a grant with excess credits and a charge that does not add up',
      { credits: [grant('g', 100, 110), refunded('r', 10, [['g', 10]]), charge('c', 16, [['g', 20]])] },
    ],
    [
      'a task that failed a moment ago, whose refund may be under way',
      {
        credits: [grant('g', 10, 4), charge('c', 6, [['g', 6]])],
        tasks: [taskRow('t', 'failed', 'c', { updated_at: new Date() })],
      },
    ],
    [
      'a failed task whose charge a delivered task names too',
      {
        credits: [grant('g', 10, 4), charge('c', 6, [['g', 6]])],
        tasks: [...failed, taskRow('other', 'completed', 'c')],
      },
    ],
    [
      'a failed task whose charge was made for another one',
      {
        credits: [grant('g', 10, 4), charge('c', 6, [['g', 6]], forTask('other'))],
        tasks: [...failed, taskRow('other', 'completed', null)],
      },
    ],
    [
      'a time that is wrong but not in another unit',
      { credits: [grant('g', 9, 9, { expires_at: new Date(0) })] },
    ],
    ['a time of a task', { tasks: [taskRow('t', 'completed', null, { created_at: IN_SECONDS })] }],
  ])('%s', async (_, rows) => {
    const database = await withRows(rows)
    const before = await database.everything()
    expect(await database.credits.repairLedger(APPLY)).toEqual({ applied: true, changes: [] })
    expect(await database.everything()).toEqual(before)
  })
})

describe('repairLedger', () => {
  test('repairs all three kinds for one user, one after the other', async () => {
    const database = await withRows({
      credits: [
        // with excess credits, and drawn on by a task that failed
        grant('g', 100, 105, { expires_at: IN_SECONDS }),
        refunded('r', 10, [['g', 10]]),
        charge('c', 6, [['g', 6]], forTask('t')),
        charge('d', 9, [['g', 9]]),
      ],
      tasks: [taskRow('t', 'failed', 'c')],
    })
    const { changes } = await database.credits.repairLedger(APPLY)
    const told = changes.map(({ id, column, before, after }) => [id, column, before, after])
    expect(told).toEqual([
      ['g', 'remainingCredits', 105, 85],
      ['c', 'status', 'active', 'deleted'],
      ['g', 'remainingCredits', 85, 91],
      ['g', 'expiresAt', IN_SECONDS, NEXT_YEAR],
    ])
    expect(await remaining(database)).toEqual({ g: 91, v: 1 })
    expect((await metadataOf(database, 'g')).repaired).toHaveLength(3)
    expect(await findings(database.credits)).toEqual([])
    expect(await violations(database)).toEqual([])
    expect((await exactEntries(database.credits, 'u')).at(-1).balance).toBe(91)
  })

  test('repairs some findings of a user and leaves others', async () => {
    const { credits } = REPAIRS['refunded-more-than-once']
    const database = await withRows({
      credits: [...credits, grant('odd', 5, 4)],
      tasks: [taskRow('t', 'completed', 'gone')],
    })
    const odd = await creditRow(database, 'odd')
    expect((await database.credits.repairLedger(APPLY)).changes).toMatchObject([{ id: 'g', after: 80 }])
    expect(await kinds(database.credits)).toEqual({ 'grant-draws-differ': 1, 'task-without-charge': 1 })
    expect(await creditRow(database, 'odd')).toEqual(odd)
  })

  test('repairs a row again that was damaged again, and records both repairs', async () => {
    const { credits } = REPAIRS['refunded-more-than-once']
    const database = await withRows({ credits })
    for (const times of [1, 2, 3]) {
      await database.sql("UPDATE credit SET remaining_credits = 110 WHERE id = 'g'")
      await database.credits.repairLedger(APPLY)
      const { repaired } = await metadataOf(database, 'g')
      expect(repaired.map(({ before, after }) => [before, after])).toEqual(Array(times).fill([110, 80]))
    }
  })

  test('repairs a user whose id is too long for other calls', async () => {
    // Too long for other calls; on MySQL the mail address must fit its column.
    const userId = 'u'.repeat(byStorage({ sqlite: 300, postgres: 300, mysql: 280 }))
    const { credits } = REPAIRS['refunded-more-than-once']
    const database = await withRows({})
    await addRows(database, 'user', [{ id: userId }])
    for (const row of credits) await addRows(database, 'credit', [{ ...row, user_id: userId }])
    expect((await database.credits.repairLedger(APPLY)).changes).toMatchObject([{ userId, after: 80 }])
    expect(await findings(database.credits)).toEqual([])
  })

  test('refunds a failed task, which later calls report as refunded', async () => {
    const { credits, tasks } = REPAIRS['failed-task-charged']
    const database = await withRows({ credits, tasks })
    await database.credits.repairLedger(APPLY)
    const { refund } = await database.credits.updateMediaTaskById('t', { status: 'failed' })
    expect(refund.credits).toBe(0)
    const error = await refusal(database, () =>
      database.credits.updateMediaTaskById('t', { status: 'completed' }),
    )
    expect(error.code).toBe('TASK_REFUNDED')
    expect(await database.credits.getRemainingCredits('u')).toBe(15)
    const entries = await exactEntries(database.credits, 'u')
    expect(entries.map(({ type, credits: moved }) => `${type} ${moved}`).sort()).toEqual(
      ['grant 10', 'grant 5', 'charge -6', 'refund 6'].sort(),
    )
  })

  test('converts each time of a row', async () => {
    const times = {
      created_at: IN_SECONDS,
      updated_at: IN_SECONDS,
      deleted_at: IN_SECONDS,
      expires_at: IN_SECONDS,
    }
    const database = await withRows({ credits: [grant('g', 9, 9), grant('h', 9, 9, times)] })
    const { changes } = await database.credits.repairLedger(APPLY)
    expect(changes.map(({ column }) => column).sort()).toEqual([
      'createdAt',
      'deletedAt',
      'expiresAt',
      'updatedAt',
    ])
    const row = await creditRow(database, 'h')
    for (const name of ['created_at', 'deleted_at', 'expires_at', 'updated_at']) {
      expect(row[name]).toBe(NEXT_YEAR.getTime())
    }
    expect(await findings(database.credits)).toEqual([])
  })

  sqlite.test('converts milliseconds in a table of seconds', async () => {
    const database = await TestDatabase.fresh({ timestampUnit: 's' })
    await database.user('u', { id: 'g', credits: 9 })
    await database.sql('UPDATE credit SET expires_at = ?', NEXT_YEAR.getTime())
    const { changes } = await database.credits.repairLedger(APPLY)
    expect(changes).toMatchObject([{ kind: 'wrong-time-unit', column: 'expiresAt', after: NEXT_YEAR }])
    expect((await creditRow(database, 'g')).expires_at).toBe(NEXT_YEAR.getTime() / 1000)
    expect(await findings(database.credits)).toEqual([])
  })

  test('removes only the excess credits of a real database', async () => {
    const database = await TestDatabase.fixture()
    const before = await kinds(database.credits)
    const { changes } = await database.credits.repairLedger()
    const repaired = await database.credits.repairLedger(APPLY)
    expect(repaired).toEqual({ applied: true, changes })
    expect(changes.length).toBeGreaterThan(0)
    expect(new Set(changes.map(({ kind }) => kind))).toEqual(new Set(['refunded-more-than-once']))
    const after = await kinds(database.credits)
    expect(before).toMatchObject({ 'refunded-more-than-once': changes.length })
    expect(after).not.toHaveProperty('refunded-more-than-once')
    expect(after['charge-draws-differ']).toBe(before['charge-draws-differ'])
    for (const { id } of await database.sql('SELECT id FROM "user"')) await exactEntries(database.credits, id)
  })

  test.each([
    ['a number', 3, 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['null', null, 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['text', 'apply', 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['true', true, 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['a list', [], 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['a function', () => true, 'INVALID_ARGUMENT', 'repairLedger(options)'],
    ['an unknown option', { apply: true, force: true }, 'UNKNOWN_FIELD', 'force'],
    ['a limit', { apply: true, limit: 1 }, 'UNKNOWN_FIELD', 'limit'],
    ['a progress function', { apply: true, onProgress: () => {} }, 'UNKNOWN_FIELD', 'onProgress'],
    ...[1, 'true', {}, [true], NaN, () => true].map((apply) => [
      `${String(apply)} as apply`,
      { apply },
      'INVALID_ARGUMENT',
      'apply',
    ]),
    ['undefined as userId', { userId: undefined, apply: true }, 'INVALID_ID', 'userId'],
    ...[null, '', 5, {}, 'u'.repeat(256), 'u\0'].map((userId) => [
      `${JSON.stringify(userId).slice(0, 20)} as userId`,
      { userId, apply: true },
      'INVALID_ID',
      'userId',
    ]),
  ])('refuses %s', async (_, options, code, field) => {
    const database = await withRows(REPAIRS['refunded-more-than-once'])
    const error = await refusal(database, () => database.credits.repairLedger(options))
    expect(error).toMatchObject({ code, field, retryable: false })
  })
})
