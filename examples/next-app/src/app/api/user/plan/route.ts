import { isPlanType } from '@/shared/lib/catalog'
import { bodyOf, Refusal, userRoute } from '@/shared/lib/route'
import { changePlan } from '@/shared/models/user'

export const runtime = 'nodejs'

/** A demo: in a real app the payment's webhook changes the plan. */
export const POST = userRoute(async (user, request) => {
  const { plan } = await bodyOf(request)
  if (!isPlanType(plan)) throw new Refusal('There is no such plan')
  await changePlan(user.id, plan)
  return { plan }
})
