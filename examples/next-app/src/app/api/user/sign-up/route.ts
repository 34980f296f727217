import { db } from '@/core/db'
import { route } from '@/shared/lib/route'
import { grantCreditsForNewUser } from '@/shared/models/credit'
import { createUser, signIn } from '@/shared/models/user'

export const runtime = 'nodejs'

export const POST = route(async () => {
  // One transaction for both: the app's own client writes the user, media-credits the grants.
  const user = await db().transaction(async (tx) => {
    const created = await createUser(tx)
    await grantCreditsForNewUser(created, tx)
    return created
  })
  await signIn(user.id)
  return { id: user.id, name: user.name }
})
