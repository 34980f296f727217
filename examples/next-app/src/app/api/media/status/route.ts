import { Refusal, userRoute } from '@/shared/lib/route'
import { findMediaTaskById } from '@/shared/models/media_task'
import { viewOf } from '@/shared/services/task_view'

export const runtime = 'nodejs'

export const GET = userRoute(async (user, request) => {
  const id = new URL(request.url).searchParams.get('id')
  const task = id ? await findMediaTaskById(id) : undefined
  if (task?.userId !== user.id) throw new Refusal('There is no such task')
  return viewOf(task)
})
