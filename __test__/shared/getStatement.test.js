'use strict'

const { addRows, charge, exactEntries, grant } = require('../helpers/books')
const { TestDatabase, task, DAY_MS } = require('../helpers/database')
const { FAIL, HOUR_AGO, REGRANT, afterLife, inWords } = require('../helpers/lives')
const { add, close, consume, create, createAI, expire, fail, failAI } = require('../helpers/lives')
const { mint, refund, settle, step, withdraw } = require('../helpers/lives')
const { creditRow } = require('../helpers/rows')
const { sqlite } = require('../helpers/storage')

TestDatabase.reuse()

describe('getStatement lists', () => {
  test.each([
    ['only a grant', '', ''],
    ['further grants', [add(7), add(3, { expiresAt: null })], 'grant 7, grant 3'],
    ['a task', [create(10)], 'charge -10'],
    ['a task that costs nothing', [create(0)], ''],
    ['a task that fails', [create(10), fail()], 'charge -10, refund 10'],
    ['a task that fails twice', [create(10), fail(), fail()], 'charge -10, refund 10'],
    ['a settlement', [create(10), settle(4)], 'charge -10, settlement 6'],
    ['a settlement to what it cost', [create(10), settle(10)], 'charge -10'],
    ['a settlement to nothing', [create(10), settle(0)], 'charge -10, refund 10'],
    ['a settlement, and a failure', [create(10), settle(4), fail()], 'charge -10, settlement 6, refund 4'],
    ['steps', [create(10), step(5), step(3)], 'charge -10, charge -5, charge -3'],
    ['a step that fails', [create(10), step(5), fail()], 'charge -10, charge -5, refund 5'],
    ['a charge', [consume(9)], 'charge -9'],
    ['a charge that is refunded', [consume(9), refund()], 'charge -9, refund 9'],
    ['a charge, some of it refunded', [consume(9), refund(2)], 'charge -9, settlement 2'],
    ['an AI task', [createAI, failAI], 'charge -8, refund 8'],
    ['a charge of the whole balance', [consume(100)], 'charge -100'],
    ['a grant that was expired when it was made', [add(7, { expiresAt: HOUR_AGO })], 'grant 7, expiry -7'],
    ['an expiry', [create(10), expire], 'charge -10, expiry -90'],
    ['an expiry with nothing left', [consume(100), expire], 'charge -100'],
    [
      'a refund to a grant that has expired',
      [create(10), expire, fail()],
      'charge -10, expiry -90, refund 10, expiry -10',
    ],
    [
      'a settlement of a grant that has expired',
      [create(10), expire, settle(4)],
      'charge -10, expiry -90, settlement 6, expiry -6',
    ],
    ['a refund before an expiry', [create(10), fail(), expire], 'charge -10, refund 10, expiry -100'],
    ['a grant that is withdrawn', [create(10), withdraw], 'charge -10, revocation -90'],
    ['a grant that is marked as expired', [create(10), close], 'charge -10, revocation -90'],
    [
      'a refund to a grant that was withdrawn',
      [create(10), withdraw, fail()],
      'charge -10, revocation -90, refund 10, revocation -10',
    ],
    [
      'a refund with regrantDays to a grant that was withdrawn',
      [create(10), withdraw, fail(REGRANT)],
      'charge -10, revocation -90, refund 10, revocation -10',
    ],
    ['credits that no row explains', [create(10), mint], 'charge -10, adjustment 5'],
  ])('%s', async (_, life, expected) => {
    const { entries } = await afterLife(...life)
    expect(inWords(entries)).toEqual(['grant 100', ...expected.split(', ').filter(Boolean)])
  })

  test('a refund to a new grant', async () => {
    const { database, entries } = await afterLife(create(10), expire, fail(REGRANT))
    const moved = inWords(entries)
    expect(moved.slice(0, 3)).toEqual(['grant 100', 'charge -10', 'expiry -90'])
    // All with one time: the refund to the old grant, and the new grant in its place.
    expect(moved.slice(3).sort()).toEqual(['expiry -10', 'grant 10', 'refund 10'])
    expect(await database.credits.getRemainingCredits('u')).toBe(10)
  })

  test('each entry with the fields of its row', async () => {
    const { database, entries } = await afterLife(create(10), createAI, consume(3), fail())
    const rows = await Promise.all(entries.map(({ creditId }) => creditRow(database, creditId)))
    expect(entries).toEqual(
      [
        ['grant', 100, 100, null],
        ['charge', -10, 90, { kind: 'media', id: 't' }],
        ['charge', -8, 82, { kind: 'ai', id: 'a' }],
        ['charge', -3, 79, null],
        ['refund', 10, 89, { kind: 'media', id: 't' }],
      ].map(([type, credits, balance, of], at) => ({
        type,
        at: new Date(type === 'refund' ? rows[at].updated_at : rows[at].created_at),
        credits,
        balance,
        creditId: rows[at].id,
        transactionNo: rows[at].transaction_no,
        scene: rows[at].transaction_scene,
        description: rows[at].description,
        task: of,
      })),
    )
    expect(entries[0]).toMatchObject({ transactionNo: 'no g', scene: 'gift', description: 'welcome' })
    expect(entries[2].scene).toBe('text-to-image')
  })

  test.each([
    ['an object', (metadata) => metadata],
    ['text', JSON.stringify],
    ['text with escapes', (metadata) => JSON.stringify(metadata).replace('settled', '\\u0073ettled')],
  ])("what was charged, whatever a caller's metadata says was settled: as %s", async (_, passed) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { chargeMediaTask, consumeCredits, createCredit, createMediaTask } = database.credits
    const mine = { settled: { charged: 1_000_000_000, credits: 10 }, given: true, repaired: [], a: 1 }
    const { metadata } = await consumeCredits({ userId: 'u', credits: 10, metadata: passed(mine) })
    expect(JSON.parse(metadata)).toEqual({ a: 1 })
    const granted = await createCredit({ userId: 'u', credits: 5, metadata: passed(mine) })
    expect(JSON.parse(granted.metadata)).toEqual({ a: 1 })
    await createMediaTask(task('t', 'u'), 0)
    const { creditId } = await chargeMediaTask('t', { credits: 10, metadata: passed(mine) })
    const step = { a: 1, taskId: 't', type: 'media-task-step' }
    expect(JSON.parse((await creditRow(database, creditId)).metadata)).toEqual(step)
    const entries = await exactEntries(database.credits, 'u')
    expect(entries.map(({ credits }) => credits).sort()).toEqual([-10, -10, 100, 5])
  })

  test('the real charge if other code has written a larger settlement than was ever granted', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    const metadata = JSON.stringify({ settled: { charged: 1_000_000_000, credits: 10 } })
    const rows = [grant('g', 100, 90), charge('c', 10, [['g', 10]], { metadata })]
    for (const row of rows) await addRows(database, 'credit', [row])
    const entries = await exactEntries(database.credits, 'u')
    expect(entries.map(({ type, credits }) => [type, credits])).toEqual([
      ['grant', 100],
      ['charge', -10],
    ])
  })

  test('nothing for an unknown user, or without rows', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await database.user('v', 5)
    for (const userId of ['u', 'nobody', "v' OR '1'='1"]) {
      const nothing = { entries: [], openingBalance: 0, cursor: null }
      expect(await database.credits.getStatement(userId)).toEqual(nothing)
    }
  })

  sqlite.test('times of tables in seconds', async () => {
    const database = await TestDatabase.fresh({ timestampUnit: 's' })
    await database.user('u', { id: 'g', credits: 100 })
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await database.credits.updateMediaTaskById('t', FAIL)
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", Math.floor(Date.now() / 1000) - 5)
    const entries = await exactEntries(database.credits, 'u')
    expect(entries.map(({ credits }) => credits).reduce((sum, credits) => sum + credits)).toBe(0)
    for (const { at } of entries) {
      expect(at.getTime() % 1000).toBe(0)
      expect(Math.abs(at - Date.now())).toBeLessThan(60_000)
    }
  })
})

describe('the last balance of getStatement is the balance', () => {
  test('for each user of a real database', async () => {
    const database = await TestDatabase.fixture()
    const users = await database.sql('SELECT id FROM "user"')
    expect(users.length).toBe(27)
    for (const { id } of users) await exactEntries(database.credits, id)
  })

  test.each([
    ['minted', [grant('g', 100, 130)]],
    ['overdrawn', [grant('g', 5, -5), charge('c', 10, [['g', 10]])]],
    ['a charge that drew nothing', [grant('g', 10, 10), charge('c', 10, [])]],
    ['a detail that is not JSON', [grant('g', 10, 4), charge('c', 6, [], { consumed_detail: 'junk' })]],
    ['a draw on nothing', [grant('g', 10, 10), charge('c', 6, [['x', 6]])]],
    ['a negative grant', [grant('g', -10, -10)]],
    ['a negative charge', [grant('g', 10, 12), charge('c', -2, [['g', -2]])]],
    ['numbers as large as can be', [grant('g', 2_147_483_647, 2_147_483_647), grant('h', 2_147_483_647, 5)]],
    ['a row of the app’s own kind', [{ ...grant('x', 7, 7), transaction_type: 'note' }, grant('g', 3, 3)]],
    ['a time in seconds', [grant('g', 9, 9, { expires_at: new Date(1_900_000_000) })]],
    ['a grant of tomorrow', [grant('g', 9, 9, { created_at: new Date(Date.now() + DAY_MS) })]],
  ])('however books are damaged: %s', async (_, rows) => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    for (const row of rows) await addRows(database, 'credit', [row])
    await exactEntries(database.credits, 'u')
  })

  test('for a user with 10,000 charges', async () => {
    const CHARGES = 10_000
    const database = await TestDatabase.fresh()
    await database.user('u')
    await addRows(database, 'credit', [grant('g', CHARGES, CHARGES / 2)])
    const start = Date.now() - CHARGES
    const charges = Array.from({ length: CHARGES }, (_, at) =>
      charge(`c${at}`, 1, [['g', 1]], {
        status: at % 2 ? 'active' : 'deleted',
        created_at: new Date(start + at),
        updated_at: new Date(start + at),
      }),
    )
    await addRows(database, 'credit', charges)
    const entries = await exactEntries(database.credits, 'u')
    expect(entries.length).toBe(1 + CHARGES + CHARGES / 2)
    const { entries: some, cursor } = await database.credits.getStatement('u')
    expect(some).toEqual(entries.slice(0, 100))
    expect(cursor).not.toBeNull()
  })
})
