import { Refusal } from '@/shared/lib/route'
import { findMediaTaskById, type MediaTask } from '@/shared/models/media_task'
import type { User } from '@/shared/models/user'

/** The task with this id, if it is the user's. */
export async function findOwnTask(user: User, id: string): Promise<MediaTask | undefined> {
  const task = await findMediaTaskById(id)
  return task?.userId === user.id ? task : undefined
}

/** The same for who relies on it. Another user's task is refused like one that is not there. */
export async function ownTask(user: User, id: unknown): Promise<MediaTask> {
  const task = typeof id === 'string' && id ? await findOwnTask(user, id) : undefined
  if (!task) throw new Refusal('There is no such task')
  return task
}
