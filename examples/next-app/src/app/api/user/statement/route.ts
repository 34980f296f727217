import { Refusal, userRoute } from '@/shared/lib/route'
import { newestEntries } from '@/shared/services/statement'

export const runtime = 'nodejs'

export const GET = userRoute(async (user, request) => {
  const count = Number(new URL(request.url).searchParams.get('newest'))
  if (!Number.isSafeInteger(count) || count < 1) throw new Refusal('How many entries?')
  return newestEntries(user.id, count)
})
