'use strict'

/** The app's own code beside this package: its TypeScript models, with its own driver. */

const { randomUUID } = require('node:crypto')
const { byStorage } = require('./storage')

const RETRIES = 50
const CONFLICTS = ['40001', '40P01']

/** Like the app's `consumeCredits`: locks grants in the order of their expiry and draws on them one by one. */
function consumeOnce(client, userId, credits) {
  return client.begin(async (transaction) => {
    const now = new Date().toISOString().slice(0, -1)
    const grants = await transaction.unsafe(
      `SELECT id, transaction_no, remaining_credits, expires_at FROM credit
        WHERE user_id = $1 AND status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0
          AND (expires_at IS NULL OR expires_at > $2)
        ORDER BY expires_at FOR UPDATE`,
      [userId, now],
    )
    const draws = []
    let left = credits
    for (const grant of grants) {
      const creditsConsumed = Math.min(left, grant.remaining_credits)
      if (creditsConsumed === 0) break
      left -= creditsConsumed
      draws.push({ creditId: grant.id, transactionNo: grant.transaction_no, creditsConsumed })
      await transaction.unsafe(
        'UPDATE credit SET remaining_credits = remaining_credits - $2, updated_at = $3 WHERE id = $1',
        [grant.id, creditsConsumed, now],
      )
    }
    if (left > 0) throw Object.assign(new Error('Insufficient credits'), { code: 'INSUFFICIENT_CREDITS' })
    const id = randomUUID()
    await transaction.unsafe(
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
          updated_at, consumed_detail)
        VALUES ($1, $2, $1, 'consume', $3, 0, 'active', $4, $5)`,
      [id, userId, -credits, now, JSON.stringify(draws)],
    )
    return id
  })
}

/** Repeats it after a conflict with another transaction. */
async function appConsume(client, userId, credits) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await consumeOnce(client, userId, credits)
    } catch (error) {
      if (!CONFLICTS.includes(error.code) || attempt === RETRIES) throw error
    }
  }
}

/** A charge as the app's `consumeCredits` writes it, on either storage. Returns its id. */
async function appCharge(database, userId, credits, metadata = null) {
  const now = new Date()
  const grants = await database.sql(
    `SELECT * FROM credit
      WHERE user_id = ? AND status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0
        AND (expires_at IS NULL OR expires_at > ?)
      ORDER BY expires_at, id`,
    userId,
    now,
  )
  const items = []
  let left = credits
  for (const [at, grant] of grants.entries()) {
    const [creditsToConsume, creditsConsumed] = [left, Math.min(left, grant.remaining_credits)]
    if (creditsConsumed === 0) break
    left -= creditsConsumed
    items.push({
      creditId: grant.id,
      transactionNo: grant.transaction_no,
      expiresAt: grant.expires_at && new Date(grant.expires_at).toISOString(),
      creditsToConsume,
      creditsConsumed,
      creditsBefore: grant.remaining_credits,
      creditsAfter: grant.remaining_credits - creditsConsumed,
      batchSize: 1000,
      batchNo: at + 1,
    })
  }
  if (left > 0) throw new Error('Insufficient credits')
  const [id, detail] = [randomUUID(), JSON.stringify(items)]
  await database.run(
    byStorage({ sqlite: 'BEGIN IMMEDIATE', postgres: 'BEGIN' }),
    ...items.map(({ creditId, creditsAfter }) => [
      'UPDATE credit SET remaining_credits = ?, updated_at = ? WHERE id = ?',
      ...[creditsAfter, now, creditId],
    ]),
    [
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits, status,
          created_at, updated_at, consumed_detail, metadata)
        VALUES (?, ?, ?, 'consume', 'payment', ?, 'active', ?, ?, ?, ?)`,
      ...[id, userId, id, -credits, now, now, detail, metadata],
    ],
    'COMMIT',
  )
  return id
}

/** Like the app's own models: adds each item of a charge back to its grant, and marks the charge. */
async function appRefund(database, chargeId) {
  const [charge] = await database.sql('SELECT * FROM credit WHERE id = ?', chargeId)
  if (charge?.status !== 'active') return
  const items = JSON.parse(charge.consumed_detail ?? '[]')
  const returned = items.filter((item) => item?.creditId && item.creditsConsumed > 0)
  await database.run(
    byStorage({ sqlite: 'BEGIN IMMEDIATE', postgres: 'BEGIN' }),
    ...returned.map(({ creditId, creditsConsumed }) => [
      'UPDATE credit SET remaining_credits = remaining_credits + ?, updated_at = ? WHERE id = ?',
      ...[creditsConsumed, new Date(), creditId],
    ]),
    ["UPDATE credit SET status = 'deleted', updated_at = ? WHERE id = ?", new Date(), chargeId],
    'COMMIT',
  )
}

module.exports = { appCharge, appConsume, appRefund }
