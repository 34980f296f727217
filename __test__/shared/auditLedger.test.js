'use strict'

const { addRows, charge, detail, findings, forTask, grant, kinds, taskRow } = require('../helpers/books')
const { DAMAGES } = require('../helpers/damages')
const { TestDatabase, aiTask, task, DAY_MS } = require('../helpers/database')
const { STORAGE, postgres, sqlite } = require('../helpers/storage')

TestDatabase.reuse()

async function withUsers(...ids) {
  const database = await TestDatabase.fresh()
  for (const id of ids) await database.user(id)
  return database
}

/** User `u` with such rows, and user `v` with a grant `v`. */
async function withRows({ credits = [], tasks = [] }) {
  const database = await withUsers('u', 'v')
  await addRows(database, 'credit', [grant('v', 1, 1, { user_id: 'v' })])
  for (const row of credits) await addRows(database, 'credit', [row])
  for (const row of tasks) await addRows(database, 'media_tasks', [row])
  return database
}

describe('auditLedger finds', () => {
  test.each(Object.entries(DAMAGES))('%s, with its rows and numbers', async (kind, damage) => {
    const database = await withRows(damage)
    const before = await database.everything()
    const { rows, numbers, message } = damage
    expect(await findings(database.credits)).toEqual([{ kind, userId: 'u', rows, numbers, message }])
    expect(await findings(database.credits, { userId: 'u' })).toHaveLength(1)
    expect(await findings(database.credits, { userId: 'v' })).toEqual([])
    expect(await database.everything()).toEqual(before)
  })

  test('the damage of concurrent requests in a real database, and nothing else', async () => {
    const database = await TestDatabase.fixture()
    const { credit, media_tasks: before } = await database.everything()
    const users = await database.sql('SELECT id, name FROM "user"')
    const nameOf = new Map(users.map(({ id, name }) => [id, name]))
    const found = await findings(database.credits)
    const names = new Set(found.map(({ userId }) => nameOf.get(userId)))
    expect([...names].sort()).toEqual(['racer 0', 'racer 1', 'twice'])
    const ids = new Set([...credit, ...before].map(({ id }) => id))
    for (const { rows } of found) for (const { id } of rows) expect(ids).toContain(id)
    for (const { id, name } of users) {
      const alone = await findings(database.credits, { userId: id })
      expect(alone).toEqual(found.filter(({ userId }) => userId === id))
      if (name === 'twice') expect(alone.map(({ kind }) => kind)).toContain('refunded-more-than-once')
      if (name.startsWith('racer')) expect(alone.map(({ kind }) => kind)).toContain('charge-draws-differ')
    }
  })

  test('nothing in an empty database, and of an unknown user', async () => {
    const database = await TestDatabase.fresh()
    expect(await findings(database.credits)).toEqual([])
    expect(await findings(database.credits, { userId: 'nobody' })).toEqual([])
  })

  test('nothing in a ledger that this package wrote', async () => {
    const { credits, ...database } = await withUsers('u')
    const inTime = [new Date(0), new Date(Date.now() - DAY_MS), new Date(Date.now() + DAY_MS), null]
    // "never", as some apps say it; a `datetime` of MySQL ends before the last of them.
    inTime.push(new Date('9999-12-31T23:59:59.999Z'))
    if (STORAGE !== 'mysql') inTime.push(new Date(8.64e15))
    for (const expiresAt of inTime) await credits.createCredit({ userId: 'u', credits: 50, expiresAt })
    const policy = { refundPolicy: { regrantDays: 30 } }
    for (const [id, end] of [
      ['failed', (id) => credits.updateMediaTaskById(id, { status: 'failed' })],
      ['regranted', (id) => credits.updateMediaTaskById(id, { status: 'failed' }, policy)],
      ['settled', (id) => credits.settleMediaTask(id, 2)],
      ['settled to nothing', (id) => credits.settleMediaTask(id, 0)],
      ['step', (id) => credits.chargeMediaTask(id, { credits: 4 })],
      ['free step', (id) => credits.chargeMediaTask(id, { credits: 0 })],
      ['deleted', (id) => credits.updateMediaTaskById(id, { deletedAt: new Date() })],
      ['detached', (id) => credits.updateMediaTaskById(id, { creditId: null })],
    ]) {
      await credits.createMediaTask(task(id, 'u'), 10)
      await end(id)
    }
    await credits.createMediaTask(task('free', 'u'), 0)
    await credits.createAITask(aiTask('a', 'u', { costCredits: 5 }))
    await credits.updateAITaskById('a', { status: 'failed' })
    const { id } = await credits.consumeCredits({ userId: 'u', credits: 9, metadata: { any: 'thing' } })
    await credits.refundCredits(id, 3)
    expect(await findings(credits)).toEqual([])
    expect(database.url).toBeDefined()
  })

  test('several kinds for one user, and two findings of one cause', async () => {
    const credits = [grant('g', 100, 130), charge('r', 30, [['g', 30]], { status: 'deleted' })]
    const database = await withRows({ credits })
    expect(await kinds(database.credits)).toEqual({ 'grant-out-of-range': 1, 'refunded-more-than-once': 1 })
    await addRows(database, 'media_tasks', [taskRow('t', 'failed', 'gone', { user_id: 'v' })])
    expect(await kinds(database.credits)).toEqual({
      'grant-out-of-range': 1,
      'refunded-more-than-once': 1,
      'task-without-charge': 1,
    })
  })

  test('an error between two users for the right user', async () => {
    const database = await withRows({
      credits: [grant('g', 5, 0), charge('c', 5, [['g', 5]], forTask('tv'))],
      tasks: [taskRow('tv', 'completed', 'c', { user_id: 'v' })],
    })
    expect(await findings(database.credits)).toMatchObject([
      { kind: 'charge-without-task', userId: 'u', message: expect.stringContaining("user v's") },
      { kind: 'task-without-charge', userId: 'v', message: expect.stringContaining("user u's") },
    ])
  })

  test.each([
    ['only a media task', 'media_tasks'],
    ['only an AI task', 'ai_task'],
  ])('a user who has %s', async (_, table) => {
    const database = await withUsers('u')
    await addRows(database, table, [{ id: 't', status: 'pending', credit_id: 'gone' }])
    expect(await findings(database.credits)).toMatchObject([
      {
        kind: 'task-without-charge',
        userId: 'u',
        rows: [
          { table, id: 't' },
          { table: 'credit', id: 'gone' },
        ],
      },
    ])
  })

  test('the same without the table ai_task', async () => {
    const database = await TestDatabase.fixture()
    const expected = await kinds(database.credits)
    await database.sql('DROP TABLE ai_task')
    await database.user('u')
    const charged = charge('c', 1, [['g', 1]], forTask('a', 'ai-task'))
    for (const row of [grant('g', 1, 0), charged]) await addRows(database, 'credit', [row])
    expect(await kinds(database.credits)).toEqual({ ...expected, 'charge-without-task': 1 })
  })
})

describe('auditLedger trusts nothing:', () => {
  const UNREADABLE = { 'detail-unreadable': 1 }
  const deep = '['.repeat(100_000)

  test.each([
    ['no JSON', 'junk', UNREADABLE],
    ['an empty text', '', UNREADABLE],
    ['a list that has no end', '[{"creditId":"g"', UNREADABLE],
    ['an object', '{}', UNREADABLE],
    ['a number', '7', UNREADABLE],
    ['a list of numbers', '[7]', UNREADABLE],
    ['lists in lists', deep, UNREADABLE],
    ['text for a number', '[{"creditId":"g","creditsConsumed":"7"}]', UNREADABLE],
    ['a number that fits nowhere', '[{"creditId":"g","creditsConsumed":1e400}]', UNREADABLE],
    ['nothing', null, expect.anything()],
    ['an empty list', '[]', { 'charge-draws-differ': 1, 'grant-draws-differ': 1 }],
    ['a negative draw', detail([['g', -7]]), expect.anything()],
    ['the largest draw', detail([['g', Number.MAX_SAFE_INTEGER]]), expect.anything()],
  ])('a consumed_detail that is %s', async (_, text, expected) => {
    const database = await withRows({
      credits: [grant('g', 10, 3), charge('c', 7, [], { consumed_detail: text })],
    })
    const found = await kinds(database.credits)
    expect(Object.keys(found)).not.toEqual([])
    expect(found).toEqual(expected)
  })

  test.each([
    ['no JSON', 'junk'],
    ['a number', '7'],
    ['a list', '[1]'],
    ['lists in lists', deep],
    ['a task that is not text', '{"type":"media-task","taskId":7}'],
    ['a number that fits nowhere', '{"n":1e400}'],
    ['an empty text', ''],
    ['a settlement with invalid numbers', '{"settled":{"charged":1e400,"credits":{}}}'],
  ])('metadata that is %s is not looked at', async (_, metadata) => {
    const credits = [grant('g', 10, 3), charge('c', 7, [['g', 7]], { metadata })]
    const database = await withRows({ credits })
    expect(await findings(database.credits)).toEqual([])
  })

  sqlite.test('text as a BLOB is read as text', async () => {
    const database = await withRows({
      credits: [grant('g', 10, 3), charge('c', 7, [['g', 7]], forTask('gone'))],
    })
    await database.sql('UPDATE credit SET consumed_detail = CAST(consumed_detail AS BLOB)')
    await database.sql('UPDATE credit SET metadata = CAST(metadata AS BLOB)')
    expect(await kinds(database.credits)).toEqual({ 'charge-without-task': 1 })
    await database.sql("UPDATE credit SET consumed_detail = x'ff00' WHERE id = 'c'")
    expect(await kinds(database.credits)).toEqual({ 'charge-without-task': 1, ...UNREADABLE })
  })

  sqlite.test.each([
    ['remaining_credits', "'many'"],
    ['remaining_credits', '3.5'],
    ['remaining_credits', "x'00'"],
    ['remaining_credits', '9223372036854775807'],
    ['remaining_credits', '-9223372036854775808'],
    ['credits', '-9223372036854775808'],
    ['credits', '1e300'],
    ['expires_at', "'tomorrow'"],
    ['expires_at', '-9223372036854775808'],
    ['expires_at', '1e300'],
  ])('%s that is %s stops no audit', async (column, value) => {
    const database = await withRows(DAMAGES['task-without-charge'])
    await addRows(database, 'credit', [grant('g', 5, 5)])
    await database.sql(`UPDATE credit SET ${column} = ${value} WHERE id = 'g'`)
    expect(await kinds(database.credits)).toMatchObject({ 'task-without-charge': 1 })
  })

  postgres.test.each([
    ['expires_at', "'infinity'"],
    ['expires_at', "'-infinity'"],
    ['expires_at', "'4713-01-01 BC'"],
    ['expires_at', "'294276-12-31'"],
    ['deleted_at', "'infinity'"],
  ])('%s that is %s is no finding', async (column, value) => {
    const database = await withRows({ credits: [grant('g', 5, 5)] })
    await database.sql(`UPDATE credit SET ${column} = ${value}`)
    expect(await findings(database.credits)).toEqual([])
    expect((await database.credits.getStatement('u')).entries.at(-1).balance).toBe(
      await database.credits.getRemainingCredits('u'),
    )
  })

  postgres.test.each(['json', 'jsonb'])('details that are %s', async (type) => {
    const database = await withRows(DAMAGES['charge-draws-differ'])
    for (const column of ['consumed_detail', 'metadata']) {
      await database.sql(`ALTER TABLE credit ALTER ${column} TYPE ${type} USING ${column}::${type}`)
    }
    expect(await kinds(database.credits)).toEqual({ 'charge-draws-differ': 1 })
    await database.sql(`UPDATE credit SET consumed_detail = '{"a":1}' WHERE id = 'd'`)
    expect(await kinds(database.credits)).toEqual(UNREADABLE)
  })
})
