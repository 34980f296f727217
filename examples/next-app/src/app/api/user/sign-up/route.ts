import { route } from '@/shared/lib/route'
import { createCredit } from '@/shared/models/credit'
import { createUser, signIn } from '@/shared/models/user'

export const runtime = 'nodejs'

const WELCOME = [
  { credits: 60, description: 'Welcome credits', days: 7 },
  { credits: 30, description: 'Monthly credits', days: 30 },
  { credits: 10, description: 'Thank-you credits', days: null },
]

export const POST = route(async () => {
  // The app's own client writes the user, media-credits the grants: both see each other's rows.
  const { id, name } = await createUser()
  for (const { credits, description, days } of WELCOME) {
    const expiresAt = days === null ? null : new Date(Date.now() + days * 86_400_000)
    await createCredit({ userId: id, credits, description, expiresAt, transactionScene: 'gift' })
  }
  await signIn(id)
  return { id, name }
})
