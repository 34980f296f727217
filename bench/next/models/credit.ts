import * as schema from '@/config/db/schema.sqlite'
import { db } from '@/core/db'
import { sqliteModels } from '@/bench/contestants/drizzle-sqlite'

// What bench/next.js puts in the place of the app's model: see media_task.ts.

export * from 'media-credits'

export const { createTask, spendableGrants } = sqliteModels(schema)

/** Users sign up with the other app, before anything is measured. */
export async function grantCreditsForNewUser(_user: unknown, _options?: unknown): Promise<never> {
  throw new Error('there is no signing up here')
}

export async function getRemainingCredits(userId: string): Promise<number> {
  const grants = await spendableGrants(db(), userId, new Date())
  return grants.reduce((sum: number, { remaining }: { remaining: number }) => sum + remaining, 0)
}
