import type { TaskView } from '@/shared/services/task_view'

/** Tasks in the words of the page. */

const STATUS_LABELS: Record<string, string> = {
  pending: 'Waiting',
  processing: 'Extracting',
  extracted: 'Extracted',
  translating: 'Translating',
  completed: 'Completed',
  failed: 'Failed',
}

export const statusOf = ({ status }: TaskView) => STATUS_LABELS[status] ?? status

/** A video has a title when the provider has looked at it. */
export const nameOf = ({ title, videoUrl }: TaskView) => title ?? videoUrl.replace(/^https?:\/\/(www\.)?/, '')

/** What came back because the task failed: the charge of its last step. */
export const refundOf = ({ status, charges }: TaskView) =>
  status === 'failed' ? charges.findLast(({ refunded }) => refunded) : undefined

/**
 * All that is known of the tasks, newest first: answers may overtake one another, so of each task the version that
 * was changed last is kept, and none is lost to an answer that is older than it.
 */
export function mergeTasks(known: TaskView[], answer: TaskView[]): TaskView[] {
  const tasks = new Map(known.map((task) => [task.id, task]))
  for (const task of answer) {
    const other = tasks.get(task.id)
    if (!other || other.updatedAt <= task.updatedAt) tasks.set(task.id, task)
  }
  return [...tasks.values()].sort((a, b) => b.createdAt - a.createdAt)
}
