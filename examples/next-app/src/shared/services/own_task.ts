import { Refusal } from '@/shared/lib/route'
import { findAITaskById, type AITask } from '@/shared/models/ai_task'
import { findMediaTaskById, type MediaTask } from '@/shared/models/media_task'
import type { User } from '@/shared/models/user'

/** The task with this id, if it belongs to the user. */
export const findOwnTask = (user: User, id: string): Promise<MediaTask | undefined> =>
  ofUser(user, findMediaTaskById(id))

/** The same for an AI task. */
export const findOwnAITask = (user: User, id: string): Promise<AITask | undefined> =>
  ofUser(user, findAITaskById(id))

/** Like `findOwnTask`, but throws without a task. Another user's task is refused like a missing one. */
export const ownTask = (user: User, id: unknown): Promise<MediaTask> => relied(user, id, findOwnTask)

export const ownAITask = (user: User, id: unknown): Promise<AITask> => relied(user, id, findOwnAITask)

async function ofUser<Task extends { userId: string }>(user: User, found: Promise<Task | undefined>) {
  const task = await found
  return task?.userId === user.id ? task : undefined
}

async function relied<Task>(
  user: User,
  id: unknown,
  find: (user: User, id: string) => Promise<Task | undefined>,
) {
  const task = typeof id === 'string' && id ? await find(user, id) : undefined
  if (!task) throw new Refusal('There is no such task')
  return task
}
