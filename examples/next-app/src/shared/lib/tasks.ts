import type { TaskView } from '@/shared/services/task_view'

/** Labels and lists of tasks for the page. */

const STATUS_LABELS: Record<string, string> = {
  pending: 'Waiting',
  processing: 'Extracting',
  extracted: 'Extracted',
  translating: 'Translating',
  completed: 'Completed',
  failed: 'Failed',
}

export const statusOf = ({ status }: TaskView) => STATUS_LABELS[status] ?? status

/** The video's title, or its URL until the provider returns the title. */
export const nameOf = ({ title, videoUrl }: TaskView) => title ?? videoUrl.replace(/^https?:\/\/(www\.)?/, '')

/** The refunded charge of a failed task: that of its last step. */
export const refundOf = ({ status, charges }: TaskView) =>
  status === 'failed' ? charges.findLast(({ refunded }) => refunded) : undefined

/**
 * Merges an answer into the known tasks, newest first. Answers may come out of order: the version with the latest
 * `updatedAt` wins, and a task that an older answer lacks stays.
 */
export function mergeTasks(known: TaskView[], answer: TaskView[]): TaskView[] {
  const tasks = new Map(known.map((task) => [task.id, task]))
  for (const task of answer) {
    const other = tasks.get(task.id)
    if (!other || other.updatedAt <= task.updatedAt) tasks.set(task.id, task)
  }
  return [...tasks.values()].sort((a, b) => b.createdAt - a.createdAt)
}
