import { userRoute } from '@/shared/lib/route'
import { getActiveMediaTasks, getMediaTaskHistory } from '@/shared/models/media_task'
import { viewOf } from '@/shared/services/task_view'

export const runtime = 'nodejs'

/** The newest tasks, and older active ones. */
export const GET = userRoute(async (user) => {
  const [{ list }, active] = await Promise.all([getMediaTaskHistory(user.id), getActiveMediaTasks(user.id)])
  const tasks = new Map([...list, ...active].map((task) => [task.id, task]))
  return Promise.all([...tasks.values()].map(viewOf))
})
