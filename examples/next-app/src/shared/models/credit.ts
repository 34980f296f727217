import { WELCOME } from '@/shared/lib/catalog'
// `export *` binds no name in this file: what is called here is imported as well.
import { grantCreditsForUser } from 'media-credits'
import type { User } from './user'

export * from 'media-credits'

/** What the app gives to new users is its own affair. Called twice for one user, it grants once. */
export async function grantCreditsForNewUser(user: User): Promise<void> {
  for (const [at, grant] of WELCOME.entries()) {
    await grantCreditsForUser({ ...grant, user, transactionNo: `welcome-${at + 1}-${user.id}`, replay: true })
  }
}
