'use strict'

/** The app's own code beside this package: what its TypeScript models do, with its own driver. */

const { randomUUID } = require('node:crypto')

const RETRIES = 50
const CONFLICTS = ['40001', '40P01']

/** As the app's `consumeCredits`: locks grants in the order of their expiry and draws on them one by one. */
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

/** Again if it met another transaction. */
async function appConsume(client, userId, credits) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await consumeOnce(client, userId, credits)
    } catch (error) {
      if (!CONFLICTS.includes(error.code) || attempt === RETRIES) throw error
    }
  }
}

module.exports = { appConsume }
