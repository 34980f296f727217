'use strict'

/** What the app's models do with the table of credits, corrected: the same on SQLite, PostgreSQL and MySQL. */

const { and, asc, eq, gt, gte, isNull, or, sql } = require('drizzle-orm')
const { chargeFor, planDraws } = require('../work')

const asItIs = (query) => query

/** The number of changed rows in a result of postgres.js, libSQL or mysql2. */
function changedBy(result) {
  const { count, rowsAffected, affectedRows } = result[0] ?? result
  return count ?? rowsAffected ?? affectedRows
}

function models({ credit, user }) {
  /** In draw order. */
  function spendableGrants(transaction, userId, now) {
    return transaction
      .select({
        id: credit.id,
        transactionNo: credit.transactionNo,
        remaining: credit.remainingCredits,
        expiresAt: credit.expiresAt,
      })
      .from(credit)
      .where(
        and(
          eq(credit.userId, userId),
          eq(credit.status, 'active'),
          eq(credit.transactionType, 'grant'),
          gt(credit.remainingCredits, 0),
          or(isNull(credit.expiresAt), gt(credit.expiresAt, now)),
        ),
      )
      .orderBy(sql`${credit.expiresAt} IS NULL`, asc(credit.expiresAt), asc(credit.createdAt), asc(credit.id))
  }

  /**
   * Charges what `described` says. `lock` and `lockOwner` turn a query into one that locks its rows: those of the
   * grants, or the user's. Resolves to the charge's id.
   */
  async function charge(transaction, userId, { described, cost, now, lock = asItIs, lockOwner = asItIs }) {
    const owners = await lockOwner(transaction.select({ id: user.id }).from(user).where(eq(user.id, userId)))
    if (owners.length === 0) throw new Error(`no user ${userId}`)
    const draws = planDraws(await lock(spendableGrants(transaction, userId, now)), cost)
    return writeCharge(transaction, { userId, ...chargeFor(described, draws) }, draws, now)
  }

  async function writeCharge(transaction, row, draws, now) {
    await transaction.insert(credit).values({
      ...row,
      transactionType: 'consume',
      transactionScene: 'payment',
      credits: -draws.reduce((sum, { creditsConsumed }) => sum + creditsConsumed, 0),
      remainingCredits: 0,
      status: 'active',
      createdAt: now,
      updatedAt: now,
    })
    for (const { creditId, creditsConsumed } of draws) {
      const result = await transaction
        .update(credit)
        .set({ remainingCredits: sql`${credit.remainingCredits} - ${creditsConsumed}`, updatedAt: now })
        .where(and(eq(credit.id, creditId), gte(credit.remainingCredits, creditsConsumed)))
      if (changedBy(result) !== 1) throw new Error(`grant ${creditId} has changed`)
    }
    return row.id
  }

  return { charge, spendableGrants }
}

module.exports = { models }
