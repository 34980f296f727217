import { and, eq } from 'drizzle-orm'
import { credit, db } from '@/core/db'
import { getBalance } from '@/shared/models/credit'

/** What the user can spend, and the grants behind it: spent ones first, then that which is drawn on next. */
export async function balanceOf(userId: string): Promise<Balance> {
  const balance = await getBalance(userId)
  // Grants are rows of the app's own table: what they are called, and which ones are spent, its own client reads.
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

/** As JSON has it: a time is epoch milliseconds. */
export interface Balance {
  remainingCredits: number
  /** `null`: nothing ever expires. */
  nextExpiry: { expiresAt: number; credits: number } | null
  grants: {
    id: string
    description: string | null
    remaining: number
    granted: number
    expiresAt: number | null
  }[]
}
