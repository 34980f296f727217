import { WELCOME } from '@/shared/lib/catalog'
// `export *` binds no name in this file: what is called here is imported as well.
import { grantCreditsForUser } from 'media-credits'
import type { Transaction } from '@/core/db'
import type { User } from './user'

export * from 'media-credits'

/**
 * What the app gives to new users is its own affair. Called twice for one user, it grants once. It writes in the transaction
 * that writes the user, as a payment's webhook grants in the one that writes the order.
 */
export async function grantCreditsForNewUser(user: User, tx: Transaction): Promise<void> {
  for (const [at, grant] of WELCOME.entries()) {
    const transactionNo = `welcome-${at + 1}-${user.id}`
    await grantCreditsForUser({ ...grant, user, transactionNo, replay: true, tx })
  }
}
