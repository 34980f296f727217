import { generate, PROVIDER, query, type Job } from '@/provider/generation'
import { isActive } from '@/shared/lib/catalog'
import {
  AITaskStatus,
  findAITaskById,
  MediaCreditsError,
  updateAITaskById,
  type AITask,
  type AITaskPatch,
} from '@/shared/models/ai_task'

/** Sends a charged task to the provider. If the provider refuses it, the task fails and its credits are refunded. */
export async function begin(task: AITask): Promise<AITask> {
  return write(task, await generate(task.prompt).then(patchOf, refusalOf))
}

const refusalOf = (error: unknown): AITaskPatch => {
  const errorMessage = error instanceof Error ? error.message : String(error)
  return { status: AITaskStatus.FAILED, taskInfo: { errorMessage } }
}

/** Writes the provider's status of an active task. */
export async function lookAfter(task: AITask): Promise<AITask> {
  if (!isActive(task.status) || task.provider !== PROVIDER || !task.taskId) return task
  return write(task, patchOf(await query(task.taskId)))
}

const patchOf = ({ taskId, taskStatus: status, taskInfo, taskResult }: Job): AITaskPatch => {
  return { taskId, status, taskInfo, taskResult }
}

/**
 * A failure and its refund are one transaction. Two pages may poll at once: a finished task does not change, so a
 * delivered task is never refunded, and a refunded one never delivered.
 */
async function write(task: AITask, patch: AITaskPatch): Promise<AITask> {
  const ifStatus = [AITaskStatus.PENDING, AITaskStatus.PROCESSING]
  const updated = await updateAITaskById(task.id, patch, { ifStatus }).catch((error) => {
    if (error instanceof MediaCreditsError && error.code === 'TASK_STATE_CONFLICT')
      return findAITaskById(task.id)
    throw error
  })
  return updated ?? task
}
