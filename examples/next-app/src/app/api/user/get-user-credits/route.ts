import { userRoute } from '@/shared/lib/route'
import { balanceOf } from '@/shared/services/balance'

export const runtime = 'nodejs'

export const POST = userRoute((user) => balanceOf(user.id))
