import { userRoute } from '@/shared/lib/route'
import { getCredits, getRemainingCredits } from '@/shared/models/media_task'

export const runtime = 'nodejs'

const NEVER = Number.MAX_SAFE_INTEGER

/** The balance, and the grants that it consists of: the one that is drawn on first comes first. */
export const POST = userRoute(async ({ id: userId }) => {
  const [remainingCredits, rows] = await Promise.all([
    getRemainingCredits(userId),
    getCredits({ userId, transactionType: 'grant', status: 'active', limit: 1000 }),
  ])
  const grants = rows
    .map(({ id, description, credits, remainingCredits: left, expiresAt }) => {
      return { id, description, credits, left, expiresAt: expiresAt && +expiresAt }
    })
    .filter(({ expiresAt }) => !expiresAt || expiresAt > Date.now())
    .sort((a, b) => (a.expiresAt ?? NEVER) - (b.expiresAt ?? NEVER))
  return { remainingCredits, grants }
})
