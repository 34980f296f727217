import { route } from '@/shared/lib/route'
import { grantCreditsForNewUser } from '@/shared/models/credit'
import { createUser, signIn } from '@/shared/models/user'

export const runtime = 'nodejs'

export const POST = route(async () => {
  // The app's own client writes the user, media-credits the grants: both see each other's rows.
  const user = await createUser()
  await grantCreditsForNewUser(user)
  await signIn(user.id)
  return { id: user.id, name: user.name }
})
