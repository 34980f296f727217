'use strict'

/** For tests in which a connection breaks while it commits: calls, faults of their COMMIT, and the expected outcome. */

const { findings } = require('./books')
const { writingNothing } = require('./calls')
const { refusal, task } = require('./database')
const { violations } = require('./invariants')
const { isCommit } = require('./network')
const { byStorage } = require('./storage')

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE', retryable: true }
const UNKNOWN = { code: 'OUTCOME_UNKNOWN', retryable: false }

const GRANT = { userId: 'u0', credits: 5, transactionNo: 'n' }
const CHARGE = { userId: 'u0', credits: 150, transactionNo: 'n' }

const CHOSEN = { exceptScenes: ['none of these'], limits: [{ credits: 180, per: 'month' }] }

/** A call that inserts a row, and how to find the row. */
const INSERTS = [
  [
    'createMediaTask',
    ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 150),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'createMediaTask without a cost',
    ({ createMediaTask }) => createMediaTask(task('new', 'u0'), 0),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'createMediaTask with an existing charge',
    ({ createMediaTask }, creditId) => createMediaTask(task('new', 'u0', { creditId }), 0),
    `SELECT id FROM media_tasks WHERE id = 'new'`,
  ],
  [
    'consumeCredits',
    ({ consumeCredits }) => consumeCredits(CHARGE),
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
  [
    'consumeCredits of some scenes, within a limit',
    ({ consumeCredits }) => consumeCredits(CHARGE, CHOSEN),
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
  [
    'createCredit',
    ({ createCredit }) => createCredit(GRANT),
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
  [
    'claimTopUp',
    async ({ claimTopUp }) => {
      const { claimed, replayed, credit } = await claimTopUp({ ...GRANT, below: 1000 })
      expect([claimed, replayed, credit.status]).toEqual([true, undefined, 'pending'])
      return credit
    },
    `SELECT id FROM credit WHERE transaction_no = 'n'`,
  ],
]

/** Whether the server reports that it is ready and in no transaction, which comes after the COMMIT. */
const isIdle = byStorage({
  sqlite: undefined,
  postgres: (bytes) => bytes.includes('Z\0\0\0\x05I'),
  // The last of the answers is OK, without the flag that more follow.
  mysql(bytes) {
    const [length, , , , isOk, , , status] = bytes.subarray(-11)
    return length === 7 && isOk === 0 && (status & MORE_FOLLOW) === 0
  },
})
const MORE_FOLLOW = 8

/** Does something with the next COMMIT of a transaction that has written. */
function atCommit(proxy, act) {
  proxy.onClientData = (bytes, connection) => {
    if (!isCommit(bytes) || bytes.includes('READ ONLY')) return true
    proxy.onClientData = () => {}
    return act(bytes, connection)
  }
}

/** The server has committed, and its answer is lost. */
const gotThrough = (_, connection) => connection.loseAnswer(isIdle)

/** The server has not received the COMMIT. */
const wasLost = (_, connection) => {
  connection.kill()
  return false
}

/** The next message of a client arrives, and its answer is lost. */
function loseNextAnswer(proxy) {
  proxy.onClientData = (_, connection) => {
    proxy.onClientData = () => {}
    connection.loseAnswer()
  }
}

/** Tests of a call of `INSERTS` whose connection breaks; `open` makes such a connection, with a charge without a task. */
function testInsert(open, call, find) {
  test('returns the row if the COMMIT was written and its answer lost', async () => {
    const { database, proxy, credits, creditId } = await open()
    atCommit(proxy, gotThrough)
    const row = await call(credits, creditId)
    expect(await database.sql(find)).toEqual([{ id: row.id }])
    expect(await violations(database)).toEqual([])
  })

  test('writes nothing and is retryable if the COMMIT was lost', async () => {
    const { database, proxy, credits, creditId } = await open()
    atCommit(proxy, wasLost)
    expect(await refusal(database, () => call(credits, creditId))).toMatchObject(UNAVAILABLE)
    const row = await call(credits, creditId)
    expect(await database.sql(find)).toEqual([{ id: row.id }])
    expect(await violations(database)).toEqual([])
  })

  test('is retried on another connection if the connection breaks before the COMMIT', async () => {
    const { database, proxy, credits, creditId } = await open()
    loseNextAnswer(proxy)
    const row = await call(credits, creditId)
    expect(await database.sql(find)).toEqual([{ id: row.id }])
    expect(await violations(database)).toEqual([])
  })
}

/** Tests of a task that fails while its connection breaks; `open` has made the task `t` for 10 of 200 credits. */
function testRefund(open) {
  test.each([
    ['got through', gotThrough],
    ['was lost', wasLost],
  ])('a refund whose COMMIT %s can be repeated, and is written once', async (_, act) => {
    const { database, proxy, credits } = await open()
    atCommit(proxy, act)
    const fail = () => credits.updateMediaTaskById('t', { status: 'failed', errorMessage: 'no subtitles' })
    await expect(fail()).rejects.toMatchObject(UNKNOWN)
    expect(await fail()).toMatchObject({ status: 'failed', errorMessage: 'no subtitles' })
    expect((await fail()).refund.credits).toBe(0)
    expect(await credits.getRemainingCredits('u0')).toBe(200)
    expect(await violations(database)).toEqual([])
  })
}

/** Changes of grants, and how much each changes the balance of a user with the grants of `withGrants`. */
const CHANGES_OF_GRANTS = [
  [
    'revokeGrants',
    ({ revokeGrants }) => revokeGrants({ orderNo: 'o' }, { total: 35, transactionNo: 'r' }),
    -15,
  ],
  ['restoreGrants', ({ restoreGrants }) => restoreGrants('before'), 20],
  [
    'renewGrants',
    ({ renewGrants }) =>
      renewGrants({
        ...{ userId: 'u0', subscriptionNo: 's', credits: 7, transactionNo: 'p' },
        ...{ periodEnd: new Date('2037-01-01'), rollover: { atMost: 10 } },
      }),
    7 - 20,
  ],
  ['extendGrant', ({ extendGrant }) => extendGrant('own', new Date('2020-01-01')), -30],
  ['confirmTopUp', ({ confirmTopUp }) => confirmTopUp('top'), 9],
  ['abandonTopUp', ({ abandonTopUp }) => abandonTopUp('top'), 0],
  ['keepCharge', ({ keepCharge }, hold) => keepCharge(hold), 0],
]

/** Gives user `u0` a hold, a top-up, and a grant of 50, of which 20 are withdrawn. Returns the hold's id. */
async function withGrants({ consumeCredits, createCredit, claimTopUp, revokeGrants }) {
  const { id } = await consumeCredits({ userId: 'u0', credits: 5, holdUntil: new Date('2037-01-01') })
  await claimTopUp({ userId: 'u0', below: 1000, credits: 9, transactionNo: 'top' })
  const paid = { id: 'own', orderNo: 'o', subscriptionNo: 's', expiresAt: new Date('2036-01-01') }
  await createCredit({ userId: 'u0', credits: 50, ...paid })
  await revokeGrants({ orderNo: 'o' }, { total: 20, transactionNo: 'before' })
  return id
}

/** Tests of one of them, which can be called again until it answers. */
function testRepeats(open, call, change) {
  test.each([
    ['got through', gotThrough],
    ['was lost', wasLost],
  ])('can be repeated if its COMMIT %s, and is written once', async (_, act) => {
    const { database, proxy, credits } = await open()
    const hold = await withGrants(database.credits)
    const balance = await database.credits.getRemainingCredits('u0')
    atCommit(proxy, act)
    await expect(call(credits, hold)).rejects.toMatchObject(UNKNOWN)
    await call(credits, hold)
    await writingNothing(database, () => call(credits, hold))
    expect(await database.credits.getRemainingCredits('u0')).toBe(balance + change)
    expect(await findings(database.credits)).toEqual([])
    expect(await violations(database)).toEqual([])
  })
}

module.exports = {
  CHANGES_OF_GRANTS,
  INSERTS,
  UNAVAILABLE,
  UNKNOWN,
  atCommit,
  gotThrough,
  loseNextAnswer,
  testInsert,
  testRefund,
  testRepeats,
  wasLost,
}
