import { userRoute } from '@/shared/lib/route'
import { getMediaTaskHistory } from '@/shared/models/media_task'
import { viewOf } from '@/shared/services/task_view'

export const runtime = 'nodejs'

export const GET = userRoute(async (user) => {
  const { list } = await getMediaTaskHistory(user.id)
  return Promise.all(list.map(viewOf))
})
