import { asc, eq } from 'drizzle-orm'
import { credit, db } from '@/core/db'
import { userRoute } from '@/shared/lib/route'
import { statementOf } from '@/shared/services/statement'

export const runtime = 'nodejs'

/** Read with the app's own client: the ledger is rows of its own table. */
export const GET = userRoute(async (user) => {
  const rows = await db()
    .select()
    .from(credit)
    .where(eq(credit.userId, user.id))
    .orderBy(asc(credit.createdAt))
  return statementOf(rows)
})
