'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const { createClient } = require('@libsql/client')
const { connect, within } = require('../..')
const { atOnce, counted } = require('../helpers/calls')
const { aiTask, task } = require('../helpers/database')
const { EVERY, comparable, functionsFor, madeAfter } = require('../helpers/every')
const { violations } = require('../helpers/invariants')
const { Store, describeWithSqld } = require('../helpers/sqld')
const file = require('../helpers/sqlite')
const { TRANSACTIONS } = require('../helpers/transactions')

// The app's transaction runs on a server, over a network.

const Transactions = TRANSACTIONS.libsql

const LEDGER = { credit: '*', media_tasks: '*', ai_task: '*' }
const APP_ROLLS_BACK = new Error('the app rolls back')

describeWithSqld('inside a transaction on a server of libSQL', () => {
  // A server is started once, and emptied after each test.
  let store
  let transactions, filled

  const everything = () => store.snapshot(LEDGER)
  const charge = (credits, more) => ({ userId: 'u', credits, scene: 'payment', ...more })
  const errorOf = (call) => call.catch((error) => error)

  /** A store with user `u`, two grants, a task of each kind and a charge without a task, which is returned. */
  async function fill(store, transactions) {
    await store.query([["INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u')", []]])
    const filled = await transactions.run('libSQL', async (tx) => {
      const credits = within(tx)
      await credits.createCredit({ id: 'g', userId: 'u', credits: 100 })
      await credits.createCredit({ userId: 'u', credits: 50 })
      await credits.createMediaTask(task('t', 'u'), 2)
      await credits.createAITask(aiTask('a', 'u', { costCredits: 2 }))
      return credits.consumeCredits(charge(3))
    })
    const tables = ['media_tasks', 'ai_task']
    await store.query(tables.map((table) => [`UPDATE ${table} SET updated_at = updated_at - 60000`, []]))
    return filled
  }

  beforeEach(async () => {
    store ??= await Store.open('tables')
    transactions = new Transactions(store)
    filled = await fill(store, transactions)
  })

  afterEach(async () => {
    try {
      expect(await violations({ everything: (columns) => store.snapshot(columns) })).toEqual([])
    } finally {
      await transactions.end()
      await store.empty()
    }
  })

  afterAll(() => store?.remove())

  test.each(Transactions.KINDS)(
    'functions of %s do the same as on a file, and leave nothing after a rollback',
    async (kind) => {
      const other = await file.Store.open('fixture')
      await other.empty()
      const onFile = new TRANSACTIONS.sqlite(other)
      const filledOnFile = await fill(other, onFile)
      const before = await everything()
      for (const name of functionsFor(Transactions.KINDS, kind)) {
        const found = await undone(transactions, kind, name, filled)
        const there = await undone(onFile, kind, name, filledOnFile)
        expect([name, comparable(found)]).toEqual([name, comparable(there)])
      }
      expect(await everything()).toEqual(before)
      await onFile.end()
      await other.remove()
    },
  )

  /** The outcome of a call in a transaction that the app rolls back. */
  async function undone(transactions, kind, name, { id }) {
    const args = EVERY[name]().map((arg) => (arg === 'charge' ? id : arg))
    let found
    const rolledBack = transactions.run(kind, async (tx) => {
      found = await madeAfter(within(tx), name, args)
      throw APP_ROLLS_BACK
    })
    await expect(rolledBack).rejects.toBe(APP_ROLLS_BACK)
    return found
  }

  test.each(Transactions.KINDS)(
    'calls of %s are committed by the app, and a refused call has written nothing',
    async (kind) => {
      await transactions.run(kind, async (tx) => {
        const credits = within(tx)
        await credits.createMediaTask(task('new', 'u', { title: "it's \\ $1 «–» \u{1f600}" }), 10)
        expect(await errorOf(credits.consumeCredits(charge(1000)))).toMatchObject({
          code: 'INSUFFICIENT_CREDITS',
        })
        expect(await credits.getRemainingCredits('u')).toBe(150 - 2 - 2 - 3 - 10)
        await credits.updateMediaTaskById('t', { status: 'failed' })
      })
      const { media_tasks: tasks } = await everything()
      expect(tasks).toMatchObject([
        { id: 'new', title: "it's \\ $1 «–» \u{1f600}" },
        { id: 't', status: 'failed' },
      ])
    },
  )

  test.each(Transactions.KINDS)(
    'a call of %s after the end of the transaction writes nothing',
    async (kind) => {
      let late
      await transactions.run(kind, async (tx) => {
        late = within(tx)
      })
      const before = await everything()
      const error = await errorOf(late.consumeCredits(charge(1)))
      expect(error).toMatchObject({ code: 'NOT_IN_TRANSACTION', retryable: false })
      expect(await everything()).toEqual(before)
    },
  )

  test.each([
    ['over a WebSocket', (url) => ({ url: url.replace('http:', 'ws:') })],
    ['with whole numbers as bigint', (url) => ({ url, intMode: 'bigint' })],
  ])('%s a charge works the same', async (_, config) => {
    const client = createClient(config(store.url))
    const tx = await client.transaction('write')
    expect(await within(tx).consumeCredits(charge(5))).toMatchObject({ credits: -5, userId: 'u' })
    await tx.commit()
    client.close()
    const { credit } = await everything()
    expect(credit.filter(({ credits }) => credits === -5)).toHaveLength(1)
  })

  test.each(Transactions.KINDS)(
    'an error in the middle of a call of %s leaves nothing of the call to commit',
    async (kind) => {
      const refuse = "WHEN NEW.title = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
      await store.query([[`CREATE TRIGGER no_bad BEFORE INSERT ON media_tasks ${refuse}`, []]])
      const before = await everything()
      try {
        await transactions.run(kind, async (tx) => {
          const bad = within(tx).createMediaTask(task('bad', 'u', { title: 'bad' }), 10)
          expect(await errorOf(bad)).toMatchObject({ code: 'DATABASE_ERROR' })
        })
        expect(await everything()).toEqual(before)
        await transactions.run(kind, (tx) => within(tx).createMediaTask(task('good', 'u'), 5))
      } finally {
        await store.query([['DROP TRIGGER no_bad', []]])
      }
    },
  )

  test('a client that returns whole numbers as text is refused', async () => {
    const client = createClient({ url: store.url, intMode: 'string' })
    const tx = await client.transaction('write')
    const error = await errorOf(within(tx).consumeCredits(charge(5)))
    tx.close()
    client.close()
    expect(error).toMatchObject({
      code: 'DATABASE_ERROR',
      databaseCode: 'CLIENT',
      message: expect.stringContaining('intMode'),
    })
  })

  test('a transaction that the server has rolled back writes nothing, and is retryable', async () => {
    const tx = await transactions.client.transaction('write')
    await within(tx).consumeCredits(charge(5))
    // The server ends a transaction after 5 s if another one waits for it.
    await transactions.older.execute("UPDATE user SET name = 'other'")
    const before = await everything()
    expect(await errorOf(within(tx).consumeCredits(charge(5)))).toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
      message: expect.stringMatching(/TRANSACTION_TIMEOUT.*repeat the whole transaction/),
    })
    // The client's next statements would be committed one by one.
    expect(await errorOf(within(tx).consumeCredits(charge(5)))).toMatchObject({ code: 'NOT_IN_TRANSACTION' })
    tx.close()
    expect(await everything()).toEqual(before)
  })

  test('a transaction that was idle for too long writes nothing, and is retryable', async () => {
    const before = await everything()
    const tx = await transactions.client.transaction('write')
    await within(tx).consumeCredits(charge(5))
    // The server drops a stream that is idle for 10 s.
    await sleep(11_000)
    expect(await errorOf(within(tx).consumeCredits(charge(5)))).toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
      message: expect.stringMatching(/STREAM_EXPIRED.*repeat the whole transaction/),
    })
    tx.close()
    expect(await everything()).toEqual(before)
  })

  test('the engine sees the commits of a transaction, and the balance is spent once', async () => {
    const credits = connect({ url: store.url })
    try {
      const left = await credits.getRemainingCredits('u')
      // The engine remembers the grants from here on.
      for (const _ of [1, 2]) await credits.consumeCredits(charge(1))
      await transactions.run('libSQL', (tx) => within(tx).consumeCredits(charge(left - 5)))
      expect(await errorOf(credits.consumeCredits(charge(4)))).toMatchObject({ code: 'INSUFFICIENT_CREDITS' })
      await transactions.run('libSQL', (tx) => within(tx).createCredit({ userId: 'u', credits: 10 }))
      await credits.consumeCredits(charge(13))
      expect(await credits.getRemainingCredits('u')).toBe(0)
    } finally {
      await credits.close()
    }
  })

  test('the balance is spent once beside the engine', async () => {
    const credits = connect({ url: store.url })
    try {
      const outside = atOnce(20, () => credits.consumeCredits(charge(10)))
      const inside = atOnce(10, () =>
        transactions.run('libSQL', (tx) => within(tx).consumeCredits(charge(10))),
      )
      const settled = [...(await outside), ...(await inside)]
      expect(counted(settled)).toEqual({ accepted: 14, INSUFFICIENT_CREDITS: 16 })
      expect(await credits.getRemainingCredits('u')).toBe(3)
    } finally {
      await credits.close()
    }
  })

  test('a charge takes three requests', async () => {
    let requests = 0
    const counting = (...args) => {
      requests++
      return fetch(...args)
    }
    const client = createClient({ url: store.url, fetch: counting })
    const { drizzle } = require('drizzle-orm/libsql')
    const once = async (tx) => {
      await within(tx).getRemainingCredits('u')
      requests = 0
      await within(tx).consumeCredits(charge(1))
      return requests
    }
    const tx = await client.transaction('write')
    expect(await once(tx)).toBe(3)
    await tx.commit()
    expect(await drizzle(client).transaction(once)).toBe(3)
    client.close()
  })
})
