import { route } from '@/shared/lib/route'
import { failStuckMediaTasks } from '@/shared/models/media_task'

export const runtime = 'nodejs'

/** Fails and refunds tasks whose worker died. Call it from a cron job; protect it in a real app. */
export const POST = route(async () => {
  const olderThanMs = Number(process.env.STUCK_AFTER_MS ?? 15_000)
  const { tasks, credits } = await failStuckMediaTasks({ olderThanMs, errorMessage: 'Timed out' })
  return { failed: tasks.length, credits }
})
