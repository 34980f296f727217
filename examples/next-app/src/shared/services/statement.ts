import type { credit } from '@/core/db'
import type { Draw } from '@/shared/models/media_task'

type Credit = typeof credit.$inferSelect

export interface Entry {
  id: string
  kind: 'grant' | 'charge' | 'refund' | 'expiry'
  what: string
  /** Epoch milliseconds. */
  at: number
  credits: number
  /** What could be spent after it. */
  balance: number
}

type Movement = Omit<Entry, 'balance'>

/**
 * The user's rows of `credit` as a bank would print them, oldest first. A row says two things: a refunded charge
 * took and gave back, a grant gave and expired. So the last balance is the user's balance.
 */
export function statementOf(rows: readonly Credit[], now = Date.now()): Entry[] {
  const grants = new Map(rows.filter(isGrant).map((grant) => [grant.id, { ...grant }]))
  const movements: Movement[] = []

  for (const charge of rows.filter((row) => !isGrant(row))) {
    const what = charge.description ?? 'Charge'
    movements.push({ id: charge.id, kind: 'charge', what, at: +charge.createdAt, credits: charge.credits })
    if (charge.status !== 'deleted') continue
    const at = +charge.updatedAt
    let credits = 0
    for (const draw of drawsOf(charge)) {
      const grant = grants.get(draw.creditId)
      // What went back to a grant that had expired can't be spent, and did not expire a second time.
      if (grant?.expiresAt && +grant.expiresAt <= at) grant.remainingCredits -= draw.creditsConsumed
      else credits += draw.creditsConsumed
    }
    movements.push({ id: `${charge.id}-refund`, kind: 'refund', what: `Refund: ${what}`, at, credits })
  }

  for (const grant of grants.values()) {
    const what = grant.description ?? 'Grant'
    movements.push({ id: grant.id, kind: 'grant', what, at: +grant.createdAt, credits: grant.credits })
    if (!grant.expiresAt || +grant.expiresAt > now || !grant.remainingCredits) continue
    const expired = { id: `${grant.id}-expiry`, kind: 'expiry', what: `Expired: ${what}` } as const
    movements.push({ ...expired, at: +grant.expiresAt, credits: -grant.remainingCredits })
  }

  let balance = 0
  return movements
    .sort((a, b) => a.at - b.at || b.credits - a.credits)
    .map((movement) => ({ ...movement, balance: (balance += movement.credits) }))
}

const isGrant = (row: Credit) => row.transactionType === 'grant'

const drawsOf = (charge: Credit): Draw[] => JSON.parse(charge.consumedDetail ?? '[]')
