import { bodyOf, userRoute } from '@/shared/lib/route'
import { lookAfter } from '@/shared/services/generation'
import { ownAITask } from '@/shared/services/own_task'

export const runtime = 'nodejs'

/** Gets a task's status from the provider. */
export const POST = userRoute(async (user, request) => {
  const { taskId } = await bodyOf(request)
  return lookAfter(await ownAITask(user, taskId))
})
