'use strict'

const { TestDatabase, aiTask, refusal, task, DAY_MS } = require('../helpers/database')
const { findings } = require('../helpers/books')
const { violations } = require('../helpers/invariants')
const { creditRow } = require('../helpers/rows')
const { stock, taskOf } = require('../helpers/stock')
const { STORAGE, byStorage } = require('../helpers/storage')
const { TRANSACTIONS } = require('../helpers/transactions')

/** The expiry of grants: MySQL's `timestamp` ends in 2038. */
const LATE = new Date(
  byStorage({
    sqlite: '2099-12-31T23:59:59Z',
    postgres: '2099-12-31T23:59:59Z',
    mysql: '2037-12-31T23:59:59Z',
  }),
)

const NOTHING = { credits: 0, spendable: 0, skipped: [] }

/** The functions about media tasks, which are all refused. */
const MEDIA = {
  createMediaTask: ({ createMediaTask, ada }) => createMediaTask(task('t', ada), 0),
  createMediaTasks: ({ createMediaTasks, ada }) =>
    createMediaTasks([{ task: task('t', ada), costCredits: 1 }], { atomic: true }),
  updateMediaTaskById: ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' }),
  chargeMediaTask: ({ chargeMediaTask }) => chargeMediaTask('t', { credits: 1 }),
  settleMediaTask: ({ settleMediaTask }) => settleMediaTask('t', 1),
  getMediaTaskCharges: ({ getMediaTaskCharges }) => getMediaTaskCharges('t'),
  findStuckMediaTasks: ({ findStuckMediaTasks }) => findStuckMediaTasks({ olderThanMs: 1000 }),
  failStuckMediaTasks: ({ failStuckMediaTasks }) => failStuckMediaTasks({ olderThanMs: 1000 }),
  findMediaTaskById: ({ findMediaTaskById }) => findMediaTaskById('t'),
  hasActiveMediaTask: ({ hasActiveMediaTask, ada }) => hasActiveMediaTask(ada),
  getActiveMediaTasks: ({ getActiveMediaTasks, ada }) => getActiveMediaTasks(ada),
  getMediaTaskHistory: ({ getMediaTaskHistory, ada }) => getMediaTaskHistory(ada),
}

/** The other functions, with Ada's balance of 14 and Ben's of 17. */
const WORKS = {
  async createAITask({ createAITask, findAITaskById, getRemainingCredits, ada }) {
    const row = await createAITask(aiTask('t', ada, { costCredits: 4 }))
    expect(row).toMatchObject({ id: 't', userId: ada, costCredits: 4, creditId: expect.any(String) })
    expect(await findAITaskById('t')).toEqual(row)
    expect(await getRemainingCredits(ada)).toBe(10)
  },
  async createAITasks({ createAITasks, getRemainingCredits, ada, ben }) {
    const items = [aiTask('a', ada, { costCredits: 4 }), aiTask('b', ben, { costCredits: 18 })]
    const [created, refused] = await createAITasks(items)
    expect(created).toMatchObject({ status: 'fulfilled', value: { id: 'a' } })
    expect(refused).toMatchObject({ reason: { code: 'INSUFFICIENT_CREDITS', available: 17, required: 18 } })
    expect(await getRemainingCredits(ada)).toBe(10)
  },
  async updateAITaskById({ database, updateAITaskById, getRemainingCredits, ada }) {
    const { id, charge } = await taskOf(database, ada, 'pending')
    const done = await updateAITaskById(id, { status: 'processing', taskInfo: { step: 1 } })
    expect(done).toMatchObject({ status: 'processing', taskInfo: '{"step":1}', creditId: charge })
    const failed = await updateAITaskById(id, { status: 'failed', creditId: charge })
    expect(failed).toMatchObject({ status: 'failed', refund: { credits: 10, spendable: 10, skipped: [] } })
    expect(await getRemainingCredits(ada)).toBe(24)
  },
  async chargeAITask({ database, chargeAITask, getAITaskCharges, ada }) {
    const { id, charge } = await taskOf(database, ada, 'success')
    const charged = await chargeAITask(id, { credits: 3 }, { status: 'processing' })
    expect(charged).toMatchObject({ id, status: 'processing' })
    const charges = await getAITaskCharges(id)
    expect(charges.map(({ id, credits }) => [id, credits])).toEqual([
      [charge, -4],
      [charged.creditId, -3],
    ])
  },
  async settleAITask({ database, settleAITask, getRemainingCredits, ada }) {
    const { id, charge } = await taskOf(database, ada, 'processing')
    const settled = await settleAITask(id, 2)
    expect(settled).toMatchObject({ id: charge, credits: -2, refund: { credits: 4, spendable: 4 } })
    expect(await getRemainingCredits(ada)).toBe(18)
  },
  async findAITaskById({ database, findAITaskById, ada }) {
    const { id } = await taskOf(database, ada, 'pending')
    expect(await findAITaskById(id)).toMatchObject({ id, provider: 'kie', options: null, deletedAt: null })
    expect(await findAITaskById('no task')).toBeUndefined()
  },
  async getAITaskCharges({ database, getAITaskCharges, ada }) {
    const { id, charge } = await taskOf(database, ada, 'failed')
    expect(await getAITaskCharges(id)).toMatchObject([{ id: charge, status: 'deleted', credits: -2 }])
  },
  async getAITasks({ getAITasks, ada, eve }) {
    const newest = await getAITasks({ userId: ada, limit: '3', page: '1' })
    expect(newest.map(({ status }) => status)).toEqual(['pending', 'processing', 'failed'])
    const rest = await getAITasks({ userId: ada, limit: '3', page: '2', status: '', provider: null })
    expect(rest.map(({ status }) => status)).toEqual(['success'])
    const withUsers = await getAITasks({ getUser: true })
    expect(withUsers).toHaveLength(10)
    expect(withUsers.find(({ userId }) => userId === eve).user).toMatchObject({ id: eve, name: 'Eve' })
  },
  async getAITasksCount({ getAITasksCount, ada }) {
    expect(await getAITasksCount()).toBe(10)
    expect(await getAITasksCount({ userId: ada, mediaType: 'image', status: '' })).toBe(2)
  },
  async findStuckAITasks({ findStuckAITasks, ada, ben }) {
    const stuck = await findStuckAITasks({ olderThanMs: 1000 })
    expect(stuck.map(({ userId, status }) => [userId, status])).toEqual([
      [ada, 'processing'],
      [ada, 'pending'],
      [ben, 'pending'],
    ])
  },
  async failStuckAITasks({ failStuckAITasks, getRemainingCredits, ada, ben }) {
    const { tasks, credits, errors } = await failStuckAITasks({ olderThanMs: 1000 })
    // Ben's charge is not in the column that refunds read: his app refunds by itself.
    expect(tasks.map(({ userId, refund }) => [userId, refund.credits])).toEqual([
      [ada, 6],
      [ada, 10],
      [ben, 0],
    ])
    expect({ credits, errors }).toEqual({ credits: 16, errors: [] })
    expect([await getRemainingCredits(ada), await getRemainingCredits(ben)]).toEqual([30, 17])
  },
  async consumeCredits({ consumeCredits, getRemainingCredits, ben }) {
    const charge = await consumeCredits({ userId: ben, credits: 7, scene: 'payment' })
    expect(charge).toMatchObject({ userId: ben, credits: -7, status: 'active' })
    expect(JSON.parse(charge.consumedDetail)).toMatchObject([
      { expiresAt: null, creditsConsumed: 7, creditsBefore: 17, creditsAfter: 10 },
    ])
    expect(await getRemainingCredits(ben)).toBe(10)
    const more = consumeCredits({ userId: ben, credits: 11 })
    await expect(more).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 10, required: 11 })
  },
  async consumeCreditsBatch({ consumeCreditsBatch, getRemainingCredits, ada, ben }) {
    const charge = (userId) => ({ userId, credits: 5 })
    expect(await consumeCreditsBatch([ada, ben].map(charge), { atomic: true })).toHaveLength(2)
    expect([await getRemainingCredits(ada), await getRemainingCredits(ben)]).toEqual([9, 12])
  },
  async claimTopUp({ claimTopUp, getRemainingCredits, ben }) {
    const topUp = { userId: ben, below: 18, credits: 9, transactionNo: 'top-up' }
    expect(await claimTopUp(topUp)).toMatchObject({ claimed: true, credit: { status: 'pending' } })
    expect(await getRemainingCredits(ben)).toBe(17)
  },
  async confirmTopUp({ claimTopUp, confirmTopUp, getRemainingCredits, ben }) {
    await claimTopUp({ userId: ben, below: 18, credits: 9, transactionNo: 'top-up' })
    expect(await confirmTopUp('top-up')).toMatchObject({ status: 'active' })
    expect(await getRemainingCredits(ben)).toBe(26)
  },
  async abandonTopUp({ claimTopUp, abandonTopUp, getRemainingCredits, ben }) {
    await claimTopUp({ userId: ben, below: 18, credits: 9, transactionNo: 'top-up' })
    expect(await abandonTopUp('top-up')).toMatchObject({ status: 'deleted' })
    expect(await getRemainingCredits(ben)).toBe(17)
  },
  async listTopUps({ claimTopUp, listTopUps, ben }) {
    await claimTopUp({ userId: ben, below: 18, credits: 9, transactionNo: 'top-up' })
    expect(await listTopUps()).toMatchObject([{ userId: ben, transactionNo: 'top-up' }])
  },
  async renewGrants({ renewGrants, getRemainingCredits, ben }) {
    const period = { userId: ben, subscriptionNo: 's', periodEnd: LATE, transactionNo: 'renewal' }
    const renewed = await renewGrants({ ...period, credits: 9, rollover: { atMost: 5 } })
    expect(renewed).toMatchObject({ credits: 9, expiresAt: LATE, rollover: { carried: 0, writtenOff: 0 } })
    expect(await getRemainingCredits(ben)).toBe(26)
  },
  async extendGrant({ createCredit, extendGrant, ben }) {
    const { id } = await createCredit({ userId: ben, credits: 9 })
    expect(await extendGrant(id, LATE)).toMatchObject({ id, expiresAt: LATE })
  },
  async revokeGrants({ createCredit, revokeGrants, getRemainingCredits, ben }) {
    await createCredit({ userId: ben, credits: 9, orderNo: 'o' })
    const standing = { revoked: 4, spent: 0, outstanding: 0, remaining: 5 }
    expect(await revokeGrants({ orderNo: 'o' }, { total: 4, transactionNo: 'refund' })).toEqual(standing)
    expect(await getRemainingCredits(ben)).toBe(22)
  },
  async restoreGrants({ createCredit, restoreGrants, revokeGrants, getRemainingCredits, ben }) {
    await createCredit({ userId: ben, credits: 9, orderNo: 'o' })
    await revokeGrants({ orderNo: 'o' }, { transactionNo: 'dispute' })
    expect(await getRemainingCredits(ben)).toBe(17)
    expect(await restoreGrants('dispute')).toMatchObject({ revoked: 0, remaining: 9 })
    expect(await getRemainingCredits(ben)).toBe(26)
  },
  async keepCharge({ consumeCredits, keepCharge, getBalance, ben }) {
    const { id } = await consumeCredits({ userId: ben, credits: 7, holdUntil: LATE })
    expect(await getBalance(ben)).toMatchObject({ credits: 10, held: 7 })
    expect(await keepCharge(id)).toMatchObject({ id, credits: -7, status: 'active', expiresAt: null })
    expect(await getBalance(ben)).toMatchObject({ credits: 10, held: 0 })
  },
  async releaseHolds({ database, consumeCredits, releaseHolds, getBalance, ben }) {
    const { id } = await consumeCredits({ userId: ben, credits: 7, holdUntil: LATE })
    expect(await releaseHolds()).toEqual({ charges: [], credits: 0, spendable: 0, errors: [] })
    await database.sql('UPDATE credit SET expires_at = ? WHERE id = ?', new Date(Date.now() - DAY_MS), id)
    expect(await releaseHolds()).toMatchObject({ charges: [{ id, userId: ben }], credits: 7, errors: [] })
    expect(await getBalance(ben)).toMatchObject({ credits: 17, held: 0 })
  },
  async settleCredits({ database, settleCredits, getRemainingCredits, ada }) {
    const { charge } = await taskOf(database, ada, 'success')
    const settled = await settleCredits(charge, 7, { over: 'available' })
    expect(settled).toMatchObject({ credits: -7, collected: 3, uncollected: 0 })
    expect(await getRemainingCredits(ada)).toBe(11)
  },
  async refundCredits({ database, refundCredits, getRemainingCredits, ada }) {
    const { charge } = await taskOf(database, ada, 'success')
    const { refund } = await refundCredits(charge)
    expect(refund).toEqual({ credits: 4, spendable: 4, skipped: [] })
    expect(await getRemainingCredits(ada)).toBe(18)
  },
  async createCredit({ createCredit, getRemainingCredits, dee }) {
    // MySQL's table stores whole seconds.
    const unit = byStorage({ sqlite: 1, postgres: 1, mysql: 1000 })
    const expiresAt = new Date(Math.ceil(Date.now() / unit) * unit + DAY_MS)
    const grant = await createCredit({ userId: dee, credits: 9, transactionScene: 'gift', expiresAt })
    expect(grant).toMatchObject({ userId: dee, remainingCredits: 9, transactionType: 'grant', expiresAt })
    expect(await getRemainingCredits(dee)).toBe(9)
  },
  async grantCreditsForUser({ grantCreditsForUser, getRemainingCredits, dee }) {
    const user = { id: dee, email: 'dee@example.test' }
    const once = { user, credits: 9, validDays: 7, transactionNo: 'welcome', replay: true }
    const grant = await grantCreditsForUser(once)
    expect(grant).toMatchObject({ userId: dee, userEmail: user.email, credits: 9, transactionScene: 'gift' })
    expect(grant.expiresAt - grant.createdAt).toBeGreaterThan(6 * DAY_MS)
    expect(await grantCreditsForUser(once)).toMatchObject({ id: grant.id, replayed: true })
    expect(await grantCreditsForUser({ user, credits: 0 })).toBeUndefined()
    expect(await getRemainingCredits(dee)).toBe(9)
  },
  async getRemainingCredits({ getRemainingCredits, ada, ben, chi, dee, eve }) {
    const balances = await Promise.all([ada, ben, chi, dee, eve, 'nobody'].map(getRemainingCredits))
    expect(balances).toEqual([14, 17, 40, 0, 5, 0])
  },
  async getBalance({ getBalance, chi }) {
    const { credits, grants, nextExpiry } = await getBalance(chi)
    expect({ credits, grants }).toMatchObject({ credits: 40, grants: [{ granted: 50, remaining: 40 }] })
    expect(nextExpiry).toEqual({ credits: 40, expiresAt: LATE })
  },
  async getStatement({ getStatement, ada, chi }) {
    const types = async (userId) => (await getStatement(userId)).entries.map(({ type }) => type)
    const charges = ['charge', 'charge', 'refund', 'charge', 'charge', 'charge']
    expect(await types(ada)).toEqual(['grant', 'grant', ...charges])
    expect(await types(chi)).toEqual(['grant', 'charge', 'expiry', 'grant', 'charge'])
    expect((await getStatement(ada)).entries.at(-1).balance).toBe(14)
  },
  async auditLedger({ database }) {
    expect(await findings(database.credits)).toEqual([])
  },
  async repairLedger({ database, repairLedger, consumeCredits, refundCredits, getRemainingCredits, eve }) {
    expect(await repairLedger({ apply: true })).toEqual({ applied: true, changes: [] })
    const { id } = await consumeCredits({ userId: eve, credits: 5 })
    await refundCredits(id)
    // As the old code left it: refunded twice.
    await database.sql('UPDATE credit SET remaining_credits = 10 WHERE user_id = ? AND credits = 5', eve)
    const { changes } = await repairLedger({ apply: true })
    expect(changes).toMatchObject([{ kind: 'refunded-more-than-once', before: 10, after: 5 }])
    expect(await getRemainingCredits(eve)).toBe(5)
  },
  async listExpiring({ listExpiring, chi }) {
    const { users } = await listExpiring({ within: LATE - Date.now() + 1000 })
    expect(users).toContainEqual({ userId: chi, credits: 40, grants: 1, expiresAt: LATE })
  },
  async quoteCredits({ quoteCredits, chi }) {
    expect(await quoteCredits(chi, 41)).toMatchObject({ sufficient: false, available: 40, draws: [] })
    expect(await quoteCredits(chi, 15)).toMatchObject({ sufficient: true, draws: [{ credits: 15 }] })
  },
  async getCredits({ getCredits, ada, ben }) {
    const charges = await getCredits({ userId: ada, transactionType: 'consume', page: '2', limit: '2' })
    expect(charges.map(({ credits }) => credits)).toEqual([-6, -2])
    const all = await getCredits({ status: '', limit: '2000', getUser: true })
    expect(all).toHaveLength(18)
    expect(all.find(({ userId }) => userId === ben).user).toMatchObject({ name: 'Ben', locale: 'de' })
  },
  async getCreditsCount({ getCreditsCount, ada }) {
    expect(await getCreditsCount()).toBe(18)
    expect(await getCreditsCount({ userId: ada, status: 'active', transactionType: 'grant' })).toBe(2)
  },
  async createTables({ database, createTables, createMediaTask, ada }) {
    const before = await database.store.schema()
    await createTables({ tables: ['ai_task'] })
    expect(await database.store.schema()).toEqual(before)
    await createTables()
    expect(await createMediaTask(task('t', ada), 10)).toMatchObject({ status: 'pending', userId: ada })
  },
  async getDiagnostics({ getDiagnostics }) {
    const { tables } = await getDiagnostics()
    expect(tables.map(({ name }) => name).sort()).toEqual(['ai_task', 'credit', 'user'])
  },
  async stats({ stats, consumeCredits, ada }) {
    await consumeCredits({ userId: ada, credits: 1 })
    expect((await stats()).operations.consumeCredits).toMatchObject({ done: 1, failed: {} })
  },
  async on({ on, consumeCredits, ada }) {
    const told = []
    on('charged', ({ userId, credits }) => told.push([userId, credits]))
    await consumeCredits({ userId: ada, credits: 1 })
    await consumeCredits({ userId: ada, credits: 2 })
    expect(told).toEqual([
      [ada, 1],
      [ada, 2],
    ])
  },
  async once({ database, once, updateAITaskById, ada }) {
    const told = []
    once('refunded', ({ task, credits }) => told.push([task, credits]))
    const { id } = await taskOf(database, ada, 'pending')
    await updateAITaskById(id, { status: 'failed' })
    expect(told).toEqual([[{ kind: 'ai', id }, 10]])
  },
  async off({ on, off, consumeCredits, ada }) {
    const listener = jest.fn()
    on('charged', listener)
    off('charged', listener)
    await consumeCredits({ userId: ada, credits: 1 })
    expect(listener).not.toHaveBeenCalled()
  },
  async within({ within, database, getRemainingCredits, ada }) {
    const transactions = new TRANSACTIONS[STORAGE](database)
    const balance = await getRemainingCredits(ada)
    const charge = (tx) => within(tx).consumeCredits({ userId: ada, credits: 1 })
    await transactions.run(transactions.constructor.KINDS[0], charge)
    await transactions.end()
    expect(await getRemainingCredits(ada)).toBe(balance - 1)
  },
  async close({ close, getRemainingCredits, ada }) {
    await close()
    await expect(getRemainingCredits(ada)).rejects.toMatchObject({ code: 'CLOSED' })
  },
}

describe('without media tasks', () => {
  test('each function of a connection is tested here', async () => {
    const { credits } = await TestDatabase.stock()
    expect([...Object.keys(MEDIA), ...Object.keys(WORKS)].sort()).toEqual(Object.keys(credits).sort())
  })

  test.each(Object.keys(MEDIA))('%s names the table that is missing', async (name) => {
    const made = await stock()
    const error = await refusal(made.database, () => MEDIA[name](made))
    expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', retryable: false })
    expect(error.message).toContain('media_tasks')
  })

  test.each(Object.keys(WORKS))('%s works', async (name) => {
    const made = await stock()
    await WORKS[name](made)
    expect(await violations(made.database)).toEqual([])
  })

  test('a batch of media tasks that is not atomic has each item refused', async () => {
    const { database, createMediaTasks, ada } = await stock()
    const before = await database.everything()
    const items = ['a', 'b'].map((id) => ({ task: task(id, ada), costCredits: 1 }))
    const outcomes = await createMediaTasks(items)
    expect(outcomes.map(({ reason }) => reason?.code)).toEqual(['SCHEMA_MISMATCH', 'SCHEMA_MISMATCH'])
    expect(await database.everything()).toEqual(before)
  })
})

describe('a charge with five keys a draw', () => {
  test('is refunded exactly if the app names the charge', async () => {
    const { database, updateAITaskById, getBalance, getRemainingCredits, ben } = await stock()
    const { id, charge } = await taskOf(database, ben, 'pending')
    const { consumed_detail: detail } = await creditRow(database, charge)
    const keys = ['creditId', 'transactionNo', 'creditsConsumed', 'creditsBefore', 'creditsAfter']
    expect(JSON.parse(detail).map(Object.keys)).toEqual([keys, keys])
    const failed = await updateAITaskById(id, { status: 'failed', creditId: charge })
    expect(failed.refund).toEqual({ credits: 20, spendable: 20, skipped: [] })
    expect((await getBalance(ben)).grants).toMatchObject([
      { granted: 12, remaining: 10 },
      { granted: 30, remaining: 27 },
    ])
    expect((await updateAITaskById(id, { status: 'failed' })).refund).toEqual(NOTHING)
    expect(await getRemainingCredits(ben)).toBe(37)
    expect(await violations(database)).toEqual([])
  })

  test('is refunded if the task names it', async () => {
    const { database, updateAITaskById, getRemainingCredits, ben } = await stock()
    const { id, charge } = await taskOf(database, ben, 'pending')
    await database.sql('UPDATE ai_task SET credit_id = ? WHERE id = ?', charge, id)
    expect((await updateAITaskById(id, { status: 'failed' })).refund.credits).toBe(20)
    expect(await getRemainingCredits(ben)).toBe(37)
    expect(await violations(database)).toEqual([])
  })

  test('is refunded in parts, last drawn first', async () => {
    const { database, refundCredits, getBalance, getRemainingCredits, ben } = await stock()
    const { charge } = await taskOf(database, ben, 'pending')
    expect(await refundCredits(charge, 12)).toMatchObject({ credits: -8, refund: { credits: 12 } })
    expect((await getBalance(ben)).grants).toMatchObject([
      { granted: 12, remaining: 2 },
      { granted: 30, remaining: 27 },
    ])
    expect(await violations(database)).toEqual([])
    expect(await refundCredits(charge)).toMatchObject({ status: 'deleted', refund: { credits: 8 } })
    expect(await getRemainingCredits(ben)).toBe(37)
    expect(await violations(database)).toEqual([])
  })
})
