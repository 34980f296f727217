import { WELCOME } from '@/shared/lib/catalog'
// `export *` binds no name in this file, so a function that is called here needs an import.
import { grantCreditsForUser } from 'media-credits'
import type { Transaction } from '@/core/db'
import type { User } from './user'

export * from 'media-credits'

/**
 * The app's own function: it defines the welcome grants. Two calls for one user grant once. It writes in the transaction
 * that creates the user, as a payment's webhook writes its grant in the transaction of the order.
 */
export async function grantCreditsForNewUser(user: User, tx: Transaction): Promise<void> {
  for (const [at, grant] of WELCOME.entries()) {
    const transactionNo = `welcome-${at + 1}-${user.id}`
    await grantCreditsForUser({ ...grant, user, transactionNo, replay: true, tx })
  }
}
