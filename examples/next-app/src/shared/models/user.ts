import { eq } from 'drizzle-orm'
import { cookies } from 'next/headers'
import { type Transaction, db, user } from '@/core/db'
import type { PlanType } from '@/shared/lib/catalog'

/** A demo without authentication: the cookie holds the user's id. Replace it with your own sign-in. */

const COOKIE = 'demo_user'

export type User = typeof user.$inferSelect

export async function createUser(tx: Transaction): Promise<User> {
  const id = crypto.randomUUID()
  await tx.insert(user).values({ id, name: 'Demo user', email: `${id}@example.com` })
  // MySQL has no RETURNING, so the row is read back.
  const [created] = await tx.select().from(user).where(eq(user.id, id))
  return created!
}

export async function changePlan(userId: string, planType: PlanType): Promise<void> {
  await db().update(user).set({ planType }).where(eq(user.id, userId))
}

export async function signIn(userId: string): Promise<void> {
  const jar = await cookies()
  jar.set(COOKIE, userId, { httpOnly: true, sameSite: 'lax', path: '/', maxAge: 30 * 24 * 3600 })
}

/** The signed-in user of this request, if there is one. */
export async function getSignedInUser(): Promise<User | undefined> {
  const id = (await cookies()).get(COOKIE)?.value
  if (!id) return undefined
  const [found] = await db().select().from(user).where(eq(user.id, id))
  return found
}
