import { and, eq } from 'drizzle-orm'
import { credit, db } from '@/core/db'
import { getBalance } from '@/shared/models/credit'

/** The user's balance and grants: spent grants first, then the others in draw order. */
export async function balanceOf(userId: string): Promise<Balance> {
  const balance = await getBalance(userId)
  // Grants are rows of the app's own table, so its own client reads their descriptions, and the spent ones.
  const rows = await grantsOf(userId)
  const descriptions = new Map(rows.map(({ id, description }) => [id, description]))
  const left = balance.grants.map(({ creditId: id, remaining, granted, expiresAt }) => {
    const description = descriptions.get(id) ?? null
    return { id, description, remaining, granted, expiresAt: expiresAt && +expiresAt }
  })
  const spent = rows
    .map(({ expiresAt, ...row }) => ({ ...row, expiresAt: expiresAt && +expiresAt }))
    .filter(({ id, remaining }) => remaining === 0 && !left.some((grant) => grant.id === id))
    .filter(({ expiresAt }) => !expiresAt || expiresAt > Date.now())
  const { credits, nextExpiry } = balance
  return {
    remainingCredits: credits,
    nextExpiry: nextExpiry && { credits: nextExpiry.credits, expiresAt: +nextExpiry.expiresAt },
    grants: [...spent, ...left],
  }
}

function grantsOf(userId: string) {
  const { id, description, remainingCredits: remaining, credits: granted, expiresAt } = credit
  const isGrant = and(
    eq(credit.userId, userId),
    eq(credit.transactionType, 'grant'),
    eq(credit.status, 'active'),
  )
  return db()
    .select({ id, description, remaining, granted, expiresAt })
    .from(credit)
    .where(isGrant)
    .orderBy(credit.createdAt)
}

/** The JSON form: times are epoch milliseconds. */
export interface Balance {
  remainingCredits: number
  /** `null`: no credits expire. */
  nextExpiry: { expiresAt: number; credits: number } | null
  grants: {
    id: string
    description: string | null
    remaining: number
    granted: number
    expiresAt: number | null
  }[]
}
