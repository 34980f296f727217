'use strict'

/**
 * The app's transactions in MySQL's isolation levels: its default, REPEATABLE READ, shows the rows at the time when the transaction
 * first read. A call decides by the current rows.
 */

const mysql = require('mysql2/promise')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { atOnce, counted, staysSound } = require('../helpers/calls')
const { until } = require('../helpers/callers')
const { TRANSACTIONS } = require('../helpers/transactions')
const { within } = require('../..')

TestDatabase.reuse()

const Transactions = TRANSACTIONS.mysql
const LEVELS = ['read committed', 'repeatable read', 'serializable']

let database, transactions

staysSound()

beforeEach(async () => {
  database = await TestDatabase.fresh()
  await database.user('u', 100, 50)
  transactions = new Transactions(database)
})

afterEach(() => transactions.end())

const charge = (credits, more) => ({ userId: 'u', credits, ...more })

/** The outcome of a transaction that is repeated while its errors are retryable, and how often it was. */
async function repeated(run) {
  for (let times = 0; ; times++) {
    const end = await run().then(
      () => 'accepted',
      (error) => error,
    )
    if (end.code !== 'DATABASE_BUSY') return { end: end.code ?? end, times }
    expect(end).toMatchObject({ retryable: true })
  }
}

/** The fields of an error that tell the outcome of its call. */
const errorOf = (call) =>
  call.then(
    () => 'accepted',
    (error) => error.code ?? error,
  )

/** Runs `work` in a transaction that read the tables before `other` changed them. */
const after = (other, work, level = 'repeatable read') =>
  transactions.run(
    'Drizzle',
    async (tx) => {
      await tx.execute('SELECT (SELECT COUNT(*) FROM credit), (SELECT COUNT(*) FROM media_tasks)')
      await other(database.credits)
      return work(within(tx))
    },
    level,
  )

describe.each(LEVELS)('at %s', (level) => {
  test.each(['mysql2', 'Drizzle'])(
    'callers of %s and an engine together spend a balance once',
    async (kind) => {
      const inside = () => transactions.run(kind, (tx) => within(tx).consumeCredits(charge(10)), level)
      const ends = await Promise.all([
        ...Array.from({ length: 10 }, () => repeated(inside)),
        ...Array.from({ length: 10 }, () => repeated(() => database.credits.consumeCredits(charge(10)))),
      ])
      expect(ends.filter(({ end }) => end === 'accepted')).toHaveLength(15)
      expect(ends.filter(({ end }) => end === 'INSUFFICIENT_CREDITS')).toHaveLength(5)
      expect(await database.credits.getRemainingCredits('u')).toBe(0)
    },
  )

  test('each kind of change succeeds beside an engine that makes the same changes for the same users', async () => {
    const USERS = 4
    for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 500, 500)
    const life = async (credits, id, userId) => {
      await credits.createMediaTask(task(id, userId), 10)
      await credits.chargeMediaTask(id, { credits: 5 })
      await credits.consumeCredits({ userId, credits: 3 })
      await credits.updateMediaTaskById(id, { status: 'failed' })
    }
    const made = Array.from({ length: 24 }, (_, at) => {
      const userId = `u${at % USERS}`
      if (at % 2) return life(database.credits, `t${at}`, userId).then(() => ({ end: 'accepted' }))
      const inside = (tx) => life(within(tx), `t${at}`, userId)
      return repeated(() => transactions.run('Drizzle', inside, level))
    })
    const ends = await Promise.all(made)
    expect(ends.map(({ end }) => end)).toEqual(ends.map(() => 'accepted'))
    for (let at = 0; at < USERS; at++) {
      expect(await database.credits.getRemainingCredits(`u${at}`)).toBeLessThan(1000)
    }
  })
})

describe('a transaction that began before another one', () => {
  /** The change of the other transaction, the call of this one, and its outcome. */
  const CHANGES = {
    'spends the balance': [
      (credits) => credits.consumeCredits(charge(145)),
      (credits) => credits.consumeCredits(charge(10)),
      'INSUFFICIENT_CREDITS',
    ],
    'spends a part of the balance': [
      (credits) => credits.consumeCredits(charge(140)),
      (credits) => credits.consumeCredits(charge(10)),
      'accepted',
    ],
    'grants the missing credits': [
      (credits) => credits.createCredit(charge(100)),
      (credits) => credits.consumeCredits(charge(200)),
      'accepted',
    ],
    'makes the task that gets a step': [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      (credits) => credits.chargeMediaTask('t', { credits: 5 }),
      'accepted',
    ],
    'makes the task that fails': [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      async (credits) => {
        const { refund } = await credits.updateMediaTaskById('t', { status: 'failed' })
        expect(refund).toMatchObject({ credits: 10, spendable: 10 })
      },
      'accepted',
    ],
    'makes the task that is settled': [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      (credits) => credits.settleMediaTask('t', 4),
      'accepted',
    ],
    'makes the charge that is refunded': [
      (credits) => credits.consumeCredits(charge(10, { transactionNo: 'n' })),
      async (credits) => {
        const [{ id }] = await database.sql("SELECT id FROM credit WHERE transaction_no = 'n'")
        expect(await credits.refundCredits(id)).toMatchObject({ refund: { credits: 10 } })
      },
      'accepted',
    ],
    "takes the task's id": [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      'TASK_EXISTS',
    ],
    'takes the transaction number': [
      (credits) => credits.consumeCredits(charge(10, { transactionNo: 'n' })),
      (credits) => credits.consumeCredits(charge(10, { transactionNo: 'n' })),
      'CREDIT_EXISTS',
    ],
    'takes the number of a grant': [
      (credits) => credits.createCredit(charge(10, { transactionNo: 'n' })),
      (credits) => credits.createCredit(charge(10, { transactionNo: 'n' })),
      'CREDIT_EXISTS',
    ],
    'makes the same task': [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      async (credits) => {
        const made = await credits.createMediaTask(task('t', 'u'), 10, { replay: true })
        expect(made).toMatchObject({ id: 't', replayed: true })
      },
      'accepted',
    ],
    'makes the same charge': [
      (credits) => credits.consumeCredits(charge(10, { transactionNo: 'n' })),
      async (credits) => {
        const made = await credits.consumeCredits(charge(10, { transactionNo: 'n' }), { replay: true })
        expect(made).toMatchObject({ transactionNo: 'n', replayed: true })
      },
      'accepted',
    ],
    'creates the only task that maxActive allows': [
      (credits) => credits.createMediaTask(task('t', 'u'), 10),
      (credits) => credits.createMediaTask(task('v', 'u'), 10, { maxActive: 1 }),
      'TOO_MANY_ACTIVE_TASKS',
    ],
  }
  test.each(Object.entries(CHANGES))('%s decides by the current rows', async (_, [other, work, expected]) => {
    expect(await errorOf(after(other, work))).toBe(expected)
  })
})

test('callers of different users do not conflict at REPEATABLE READ', async () => {
  const USERS = 8
  for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 100, 100)
  const one = async (at) => {
    let times = 0
    for (let round = 0; round < 6; round++) {
      const id = `t${round}-${at}`
      const made = await repeated(() =>
        transactions.run(
          'Drizzle',
          async (tx) => {
            await within(tx).createMediaTask(task(id, `u${at}`), 7)
            await within(tx).createAITask(aiTask(id, `u${at}`, { costCredits: 3 }))
          },
          'repeatable read',
        ),
      )
      expect(made.end).toBe('accepted')
      times += made.times
    }
    return times
  }
  const times = await Promise.all(Array.from({ length: USERS }, (_, at) => one(at)))
  expect(times).toEqual(Array(USERS).fill(0))
})

test('twenty transactions at REPEATABLE READ with one key create one task', async () => {
  const call = () =>
    transactions.run(
      'Drizzle',
      (tx) => within(tx).createMediaTask(task('t', 'u'), 10, { replay: true }),
      'repeatable read',
    )
  expect(counted(await atOnce(20, call))).toEqual({ accepted: 1, replayed: 19 })
  expect(await database.credits.getRemainingCredits('u')).toBe(140)
})

test('a changed table is detected within a second, and a column that each update sets does not change', async () => {
  await database.user('w', 1_000_000)
  const [grant] = await database.sql("SELECT id, expires_at AS ends FROM credit WHERE user_id = 'w'")
  const charged = async () => {
    await transactions.run('Drizzle', (tx) => within(tx).consumeCredits(charge(1, { userId: 'w' })))
    const [{ ends }] = await database.sql('SELECT expires_at AS ends FROM credit WHERE id = ?', grant.id)
    if (ends === grant.ends) return true
    // Its tables are not known yet.
    await database.sql('UPDATE credit SET expires_at = ? WHERE id = ?', new Date(grant.ends), grant.id)
    return false
  }
  expect(await charged()).toBe(true)
  await database.run(
    'ALTER TABLE credit MODIFY expires_at datetime(3) DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(3)',
  )
  const began = Date.now()
  await until(charged, 'the table is looked at')
  expect(Date.now() - began).toBeLessThan(30_000)
})

describe('a connection that does not transfer every character', () => {
  test.each(['utf8', 'latin1', 'gbk'])('in %s is refused, and nothing is written', async (charset) => {
    const client = await mysql.createConnection({ uri: database.url, charset })
    const before = await database.everything()
    try {
      await client.query(`SET NAMES ${charset}`)
      await client.beginTransaction()
      const refused = within(client).consumeCredits(charge(1, { metadata: { title: '\u{1f3ac}' } }))
      await expect(refused).rejects.toMatchObject({ code: 'TRANSACTION_NOT_SUPPORTED', field: 'tx' })
      await client.commit()
    } finally {
      await client.end()
    }
    expect(await database.everything()).toEqual(before)
  })
})
