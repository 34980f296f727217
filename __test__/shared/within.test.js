'use strict'

const { isBuiltin } = require('node:module')
const { MediaCreditsError, within } = require('../..')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { EVERY, comparable, functionsFor, madeAfter } = require('../helpers/every')
const { atOnce, counted, staysSound, writingNothing } = require('../helpers/calls')
const { violations } = require('../helpers/invariants')
const { start } = require('../helpers/processes')
const { refuseRows } = require('../helpers/triggers')
const { STORAGE, byStorage, sqlite } = require('../helpers/storage')
const { TRANSACTIONS } = require('../helpers/transactions')

const Transactions = byStorage(TRANSACTIONS)

let database, transactions

/** Runs `work` with the functions inside a transaction of this kind of client. */
const run = (kind, work, level) => transactions.run(kind, (tx) => work(within(tx), tx), level)

const APP_ROLLS_BACK = new Error('the app rolls back')

/** The same, and then the app rolls back. Returns the result of `work`. */
async function undone(kind, work) {
  let value
  const rolledBack = run(kind, async (credits) => {
    value = await work(credits)
    throw APP_ROLLS_BACK
  })
  await expect(rolledBack).rejects.toBe(APP_ROLLS_BACK)
  return value
}

const charge = (credits, more) => ({ userId: 'u', credits, scene: 'payment', ...more })

const errorOf = (call) =>
  call.then(
    () => 'no error',
    (error) => error,
  )

staysSound()
TestDatabase.reuse()

/** User `u` with two grants, a task of each kind and a charge without a task, which is returned. */
async function fill() {
  await database.user('u', { id: 'g', credits: 100 }, 50)
  await database.credits.createMediaTask(task('t', 'u'), 2)
  await database.credits.createAITask(aiTask('a', 'u', { costCredits: 2 }))
  const filled = await database.credits.consumeCredits(charge(3))
  // The tasks are stuck by now on each machine.
  for (const table of ['media_tasks', 'ai_task']) {
    await database.sql(`UPDATE ${table} SET updated_at = ?`, new Date(Date.now() - 60_000))
  }
  return filled
}

beforeEach(async () => {
  database = await TestDatabase.fresh()
  await fill()
  transactions = new Transactions(database)
})

afterEach(() => transactions.end())

describe.each(Transactions.KINDS)('inside a transaction of %s', (kind) => {
  test('functions do the same as outside, and leave nothing after a rollback', async () => {
    for (const name of functionsFor(Transactions.KINDS, kind)) {
      await database.store.empty()
      const { id } = await fill()
      const args = EVERY[name]().map((arg) => (arg === 'charge' ? id : arg))
      const found = await writingNothing(database, () =>
        undone(kind, (credits) => madeAfter(credits, name, args)),
      )
      const outside = await madeAfter(database.credits, name, args)
      expect([name, comparable(found)]).toEqual([name, comparable(outside)])
    }
  })

  test('the task and its charge are committed with the rows of the app', async () => {
    await run(kind, async (credits) => {
      await credits.createCredit({ userId: 'u', credits: 7, transactionNo: 'order' })
      await credits.createMediaTask(task('new', 'u', { title: "it's \\ $1 «–» \u{1f600}" }), 10)
      await credits.updateMediaTaskById('t', { status: 'failed' })
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 3 + 7 - 10)
    expect((await database.credits.findMediaTaskById('new')).title).toBe("it's \\ $1 «–» \u{1f600}")
    expect((await database.credits.findMediaTaskById('t')).status).toBe('failed')
  })

  test('a refused call has written nothing, and the transaction can go on', async () => {
    await run(kind, async (credits) => {
      const error = await errorOf(credits.consumeCredits(charge(1000)))
      expect(error).toBeInstanceOf(MediaCreditsError)
      expect(error).toMatchObject({ code: 'INSUFFICIENT_CREDITS', retryable: false })
      expect(error.stack).toContain('within.test.js')
      expect(await errorOf(credits.consumeCredits(charge(-1)))).toMatchObject({ code: 'INVALID_AMOUNT' })
      expect(await errorOf(credits.createMediaTask(task('t', 'u'), 1))).toMatchObject({ code: 'TASK_EXISTS' })
      await credits.consumeCredits(charge(1))
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 1)
  })

  test('a database error in the middle of a call leaves nothing of the call to commit', async () => {
    await refuseRows(database, { table: 'media_tasks', condition: "NEW.title = 'bad'", message: 'no' })
    const before = await database.credits.getRemainingCredits('u')
    const codes = []
    const call = async (made) =>
      codes.push(
        await made.then(
          () => 'accepted',
          ({ code }) => code,
        ),
      )
    const end = run(kind, async (credits) => {
      await call(credits.consumeCredits(charge(1)))
      await call(credits.createMediaTask(task('bad', 'u', { title: 'bad' }), 10))
      await call(credits.createMediaTask(task('good', 'u'), 5))
    })
    // PostgreSQL commits nothing after an error, and some clients report it.
    const goesOn = STORAGE !== 'postgres'
    await (goesOn ? end : end.catch(() => {}))
    expect(codes).toEqual(['accepted', 'DATABASE_ERROR', goesOn ? 'accepted' : 'DATABASE_ERROR'])
    expect(await database.credits.getRemainingCredits('u')).toBe(goesOn ? before - 6 : before)
  })

  test('a call with the key of an earlier one returns its row', async () => {
    const call = (credits) => credits.consumeCredits(charge(5, { transactionNo: 'key' }), { replay: true })
    const first = await run(kind, call)
    const again = await run(kind, call)
    expect([again.id, again.replayed, first.replayed]).toEqual([first.id, true, undefined])
  })

  test('a call runs in the transaction that is passed as an argument', async () => {
    const calls = [
      ['consumeCredits', charge(5)],
      ['createCredit', { userId: 'u', credits: 5 }],
      ['createAITask', aiTask('new', 'u', { costCredits: 5 })],
      ['grantCreditsForUser', { user: { id: 'u', email: 'u' }, credits: 5 }],
    ]
    for (const [name, parameters] of calls) {
      const joined = () =>
        transactions.run(kind, async (tx) => {
          const row = await database.credits[name]({ ...parameters, tx })
          expect(row).toMatchObject({ userId: 'u' })
          throw APP_ROLLS_BACK
        })
      await writingNothing(database, () => expect(joined()).rejects.toBe(APP_ROLLS_BACK))
    }
    await transactions.run(kind, (tx) => database.credits.consumeCredits({ ...charge(5), tx }))
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 5)
    const refused = transactions.run(kind, (tx) => database.credits.consumeCredits({ ...charge(500), tx }))
    await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS' })
  })

  test('concurrent calls in one transaction run one after the other', async () => {
    const settled = await run(kind, (credits) => atOnce(20, () => credits.consumeCredits(charge(10))))
    expect(counted(settled)).toEqual({ accepted: 14, INSUFFICIENT_CREDITS: 6 })
  })

  test('the balance is spent once beside the engine', async () => {
    const outside = atOnce(20, () => database.credits.consumeCredits(charge(10)))
    const inside = atOnce(20, () => run(kind, (credits) => credits.consumeCredits(charge(10))))
    const settled = [...(await outside), ...(await inside)]
    expect(counted(settled)).toEqual({ accepted: 14, INSUFFICIENT_CREDITS: 26 })
    expect(await database.credits.getRemainingCredits('u')).toBe(3)
  })

  test('a call after the end of its transaction writes nothing', async () => {
    let late
    await run(kind, async (credits) => {
      late = credits
    })
    const error = await writingNothing(database, () => errorOf(late.consumeCredits(charge(1))))
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error.code).toMatch(/^(NOT_IN_TRANSACTION|DATABASE_ERROR)$/)
  })
})

test('within passes values that look like SQL as values', async () => {
  const names = ['is_text(id)', "'; DROP TABLE credit; --", '$1 ?1 ?', '"user"', '\\', 'a\nb -- c']
  const [kind] = Transactions.KINDS
  for (const name of names) {
    await database.user(name, 10)
    const charged = await run(kind, async (credits) => {
      await credits.consumeCredits({ userId: name, credits: 1, description: name, transactionNo: name })
      return [await credits.getRemainingCredits(name), await credits.getCredits({ userId: name })]
    })
    expect(charged).toMatchObject([9, [{ description: name, transactionNo: name }, { credits: 10 }]])
  }
})

test.each(['charge', 'grant', 'task', 'failure', 'batch'])(
  'the writes of a process that is killed between write and commit are all there or not at all: a %s',
  async (what) => {
    const KEYS = `SELECT transaction_no AS written FROM credit WHERE transaction_no LIKE '${what}-%'
      UNION ALL SELECT id FROM media_tasks WHERE id LIKE '${what}-%'`
    // Before a commit, and after a commit.
    for (const [round, last] of ['written', 'committed'].entries()) {
      const [from, third] = [20 * round, 20 * round + 2]
      const kill = (line, child) => line === `${last} ${third}` && child.kill('SIGKILL')
      const { ended } = start('transactor.js', [STORAGE, database.url, 'u', from, from + 20, what], kill)
      const { lines, signal } = await ended
      expect(signal).toBe('SIGKILL')
      const keys = new Set((await database.sql(KEYS)).map(({ written }) => written))
      const committed = lines.filter((line) => line.startsWith('committed'))
      const said = committed.map((line) => `${what}-${line.split(' ')[1]}`)
      expect(said.filter((key) => !keys.has(key))).toEqual([])
      if (what === 'batch') {
        const whole = Array.from(keys, (key) => (key.endsWith('-pair') ? key.slice(0, -5) : `${key}-pair`))
        expect(whole.filter((key) => !keys.has(key))).toEqual([])
      }
      expect(await violations(database)).toEqual([])
    }
    expect(
      await database.sql("SELECT id FROM media_tasks WHERE id LIKE 'failure-%' AND status <> 'failed'"),
    ).toEqual([])
  },
)

/** How each client rolls back a part of its transaction. */
const NESTED = {
  'postgres.js': (tx, work) => tx.savepoint(work),
  Drizzle: (tx, work) => tx.transaction(work),
  'Drizzle 1': (tx, work) => tx.transaction(work),
  'Drizzle on pg': (tx, work) => tx.transaction(work),
  pg: onSavepoint((tx, sql) => tx.query(sql)),
  libSQL: onSavepoint((tx, sql) => tx.execute(sql)),
  'a client of the app': onSavepoint((tx, sql) => tx.query(sql, [])),
}

function onSavepoint(query) {
  return async (tx, work) => {
    await query(tx, 'SAVEPOINT part')
    try {
      await work(tx)
      await query(tx, 'RELEASE SAVEPOINT part')
    } catch (error) {
      await query(tx, 'ROLLBACK TO SAVEPOINT part')
      throw error
    }
  }
}

test.each(Transactions.KINDS.filter((kind) => NESTED[kind]))(
  'the writes in a part of the transaction of %s are undone with only that part',
  async (kind) => {
    const nested = NESTED[kind]
    await run(kind, async (credits, tx) => {
      await credits.consumeCredits(charge(5))
      const undone = nested(tx, async (part) => {
        await within(part).consumeCredits(charge(7))
        expect(await within(part).getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 12)
        throw APP_ROLLS_BACK
      })
      await expect(undone).rejects.toBe(APP_ROLLS_BACK)
      await nested(tx, (part) => within(part).createMediaTask(task('part', 'u'), 20))
      await credits.consumeCredits(charge(1))
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 5 - 20 - 1)
  },
)

test('two processes and the engine spend a balance once', async () => {
  await database.user('v', 60)
  const processes = [0, 1].map((at) =>
    start('transactor.js', [STORAGE, database.url, 'v', 40 * at, 40 * at + 40, 'charge']),
  )
  const outside = await atOnce(40, () => database.credits.consumeCredits(charge(1, { userId: 'v' })))
  const ends = await Promise.all(processes.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code)).toEqual([0, 0])
  const inside = (word) => ends.flatMap(({ lines }) => lines.filter((line) => line.startsWith(word))).length
  const { accepted = 0, INSUFFICIENT_CREDITS: refused = 0 } = counted(outside)
  expect([inside('committed') + accepted, inside('INSUFFICIENT_CREDITS') + refused]).toEqual([60, 60])
  expect(await database.credits.getRemainingCredits('v')).toBe(0)
})

test.each([
  ['grant', 1],
  ['task', -1],
  ['failure', 0],
  ['batch', -2],
])('two processes and the engine write for one user at once: a %s', async (what, effect) => {
  await database.user('v', 200)
  const processes = [0, 1].map((at) =>
    start('transactor.js', [STORAGE, database.url, 'v', 15 * at, 15 * at + 15, what]),
  )
  const outside = await atOnce(15, () => database.credits.consumeCredits(charge(1, { userId: 'v' })))
  const ends = await Promise.all(processes.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code)).toEqual([0, 0])
  expect(counted(outside)).toEqual({ accepted: 15 })
  expect(await database.credits.getRemainingCredits('v')).toBe(200 - 15 + 30 * effect)
})

sqlite.test(
  'a transaction that read before another connection wrote is refused with the advice to begin as a writer',
  async () => {
    const tx = await transactions.client.transaction('deferred')
    await tx.execute('SELECT * FROM credit')
    await database.credits.consumeCredits(charge(1))
    const error = await writingNothing(database, () => errorOf(within(tx).consumeCredits(charge(1))))
    tx.close()
    expect(error).toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
      message: expect.stringContaining('BEGIN IMMEDIATE'),
    })
  },
)

describe('a value that is not a transaction', () => {
  const notOne = (give) =>
    writingNothing(database, () => errorOf((async () => within(give()).consumeCredits(charge(1)))()))

  test('is refused if this can be detected', async () => {
    for (const client of transactions.none()) {
      const error = await notOne(() => client)
      expect(error).toBeInstanceOf(MediaCreditsError)
      expect(error).toMatchObject({ code: 'NOT_IN_TRANSACTION', retryable: false })
    }
  })

  test('is refused if it throws when it is read', async () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error('do not look')
        },
      },
    )
    expect(await notOne(() => hostile)).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'tx' })
  })

  test.each([
    ['mssql', { dialect: 'mssql', query: async () => [] }],
    ['Prisma on sqlite', { $queryRawUnsafe: async () => [], _activeProvider: 'sqlite' }],
  ])('is refused if its database is of another kind: %s', async (kind, tx) => {
    expect(await notOne(() => tx)).toMatchObject({
      code: 'TRANSACTION_NOT_SUPPORTED',
      message: expect.stringContaining(kind),
    })
  })

  test.each([undefined, null, 5, 'tx', {}, [], () => {}, { query: 5, dialect: 'postgres' }])(
    '%p is refused as an argument',
    async (tx) => {
      const error = await notOne(() => tx)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'tx' })
    },
  )
})

sqlite.describe('a synchronous client', () => {
  const { BetterSQLiteSession } = require('drizzle-orm/better-sqlite3/session')
  const { SQLiteSyncDialect } = require('drizzle-orm/sqlite-core')

  const refused = (call) => {
    expect(call).toThrow(MediaCreditsError)
    expect(call).toThrow(/does not support .* BEGIN IMMEDIATE, pass { dialect: 'sqlite', query/)
  }

  test('is refused with the advice what works', () => refused(() => within(transactions.database)))

  test('is refused with the advice what works if it is the client of Drizzle', () => {
    const session = new BetterSQLiteSession(transactions.database, new SQLiteSyncDialect())
    const inside = () => session.transaction((tx) => within(tx))
    refused(inside)
    expect(transactions.database.inTransaction).toBe(false)
  })

  // Node 20 has no such client.
  if (isBuiltin('node:sqlite')) {
    test('is refused with the advice what works if it is the client of Node', () => {
      const { DatabaseSync } = require('node:sqlite')
      const client = new DatabaseSync(':memory:')
      refused(() => within(client))
      client.close()
    })
  }
})

describe('a client that misbehaves', () => {
  const wrapped = (query) =>
    errorOf(
      transactions.run('a client of the app', async ({ dialect, query: rows }) => {
        const asked = (sql) => query(sql, (text) => rows(text, []))
        await within({ dialect, query: asked }).consumeCredits(charge(1))
        throw APP_ROLLS_BACK
      }),
    )

  test.each([
    ['no rows', () => []],
    ['nothing', () => undefined],
    ['a number', () => 5],
    ['rows without columns', () => [{}]],
    ['a row of null', () => [null]],
    ['text that is not JSON', () => [{ a: '{' }]],
    ['JSON of another shape', () => [{ a: '[]' }]],
    ['an object in place of text', () => [{ a: { rows: [] } }]],
    ['a Map in place of a row', () => [new Map([['a', '{}']])]],
    ['rows in an object', () => ({ rows: { 0: { a: '{}' }, length: 1 } })],
  ])('and returns %s is refused, and nothing is written', async (_, query) => {
    const error = await writingNothing(database, () => wrapped(query))
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: 'CLIENT' })
  })

  test.each(['ECONNRESET', 'EPIPE', 'PROTOCOL_CONNECTION_LOST', 'CONNECTION_CLOSED', 'HRANA_CLOSED_ERROR'])(
    'and has lost its connection (%s) is refused with the advice to repeat the whole transaction',
    async (code) => {
      const lost = Object.assign(new Error('gone'), { code })
      for (const thrown of [lost, new Error('failed', { cause: lost })]) {
        const error = await writingNothing(database, () =>
          wrapped(() => {
            throw thrown
          }),
        )
        expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
        expect(error.message).toContain('repeat the whole transaction')
      }
    },
  )

  test.each([
    ['an error', new Error('broken')],
    ['a text', 'broken'],
    ['nothing', undefined],
  ])('and throws %s leaves nothing, at whichever statement', async (_, thrown) => {
    for (let [at, isOver] = [0, false]; !isOver; at++) {
      let calls = 0
      const error = await writingNothing(database, () =>
        wrapped((sql, rows) => {
          // A BEGIN is requested to be refused.
          if (sql === 'BEGIN' || calls++ !== at) return rows(sql)
          throw thrown
        }),
      )
      isOver = calls <= at
      expect(error).toMatchObject(isOver ? APP_ROLLS_BACK : { code: 'DATABASE_ERROR' })
      if (isOver) expect(at).toBeGreaterThan(2)
    }
  })
})

describe('a client that returns rows in another shape', () => {
  test.each([
    ['arrays of values', (rows) => rows.map(Object.values)],
    ['frozen', (rows) => Object.freeze(rows.map((row) => Object.freeze({ ...row })))],
    ['without a prototype', (rows) => rows.map((row) => Object.assign(Object.create(null), row))],
    ['in an object', (rows) => ({ rows, rowCount: rows.length })],
  ])('is as good: %s', async (_, shaped) => {
    await transactions.run('a client of the app', ({ dialect, query }) => {
      const other = async (sql, params) => shaped(await query(sql, params))
      return within({ dialect, query: other }).consumeCredits(charge(1))
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 1)
  })

  test('is supported: a thenable that starts when it is awaited', async () => {
    await transactions.run('a client of the app', ({ dialect, query }) => {
      const lazy = (sql, params) => ({ then: (...settle) => query(sql, params).then(...settle) })
      return within({ dialect, query: lazy }).consumeCredits(charge(1))
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 1)
  })
})

test('within reads tables again that have changed since the last call', async () => {
  const [kind] = Transactions.KINDS
  await run(kind, (credits) => credits.createMediaTask(task('one', 'u'), 1))
  await database.sql('ALTER TABLE media_tasks ADD COLUMN studio text')
  await run(kind, (credits) => credits.createMediaTask(task('two', 'u', { studio: 'Nord' }), 1))
  expect(await database.sql("SELECT studio FROM media_tasks WHERE id = 'two'")).toEqual([{ studio: 'Nord' }])
})
