import { userRoute } from '@/shared/lib/route'
import { ownTask } from '@/shared/services/own_task'
import { viewOf } from '@/shared/services/task_view'

export const runtime = 'nodejs'

export const GET = userRoute(async (user, request) => {
  return viewOf(await ownTask(user, new URL(request.url).searchParams.get('id')))
})
