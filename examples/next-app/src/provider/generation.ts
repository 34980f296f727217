import { AITaskStatus } from '@/shared/models/ai_task'

/**
 * A STAND-IN for the provider that generates media. It needs no network. The job's id encodes its outcome, so any
 * server can query it. A prompt with `fail` in it fails; one with `refuse` in it is refused.
 */

/** Its name in the column `provider`. A database may also have tasks of other providers. */
export const PROVIDER = 'stand-in'

const STEP_MS = Number(process.env.PROVIDER_STEP_MS ?? 900)

export interface Job {
  taskId: string
  taskStatus: AITaskStatus
  taskInfo: { status: AITaskStatus; errorMessage?: string }
  taskResult: { text: string } | null
}

export async function generate(prompt: string): Promise<Job> {
  if (prompt.includes('refuse')) throw new Error('The provider refuses this prompt')
  return query(`${prompt.includes('fail') ? 'fails' : 'succeeds'}-${Date.now()}-${crypto.randomUUID()}`)
}

export async function query(taskId: string): Promise<Job> {
  const [kind, began] = taskId.split('-')
  const steps = (Date.now() - Number(began)) / STEP_MS
  const status = (taskStatus: AITaskStatus) => ({ taskId, taskStatus, taskInfo: { status: taskStatus } })
  if (steps < 1) return { ...status(AITaskStatus.PENDING), taskResult: null }
  if (steps < 2) return { ...status(AITaskStatus.PROCESSING), taskResult: null }
  if (kind === 'fails') return failed(taskId, 'The provider could not make it')
  return { ...status(AITaskStatus.SUCCESS), taskResult: { text: 'It is as you wished.' } }
}

function failed(taskId: string, errorMessage: string): Job {
  const taskStatus = AITaskStatus.FAILED
  return { taskId, taskStatus, taskInfo: { status: taskStatus, errorMessage }, taskResult: null }
}
