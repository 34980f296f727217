import { userRoute } from '@/shared/lib/route'
import { balanceOf } from '@/shared/services/balance'
import { planOf } from '@/shared/services/plan'

export const runtime = 'nodejs'

export const POST = userRoute(async (user) => ({ ...(await balanceOf(user.id)), plan: planOf(user) }))
