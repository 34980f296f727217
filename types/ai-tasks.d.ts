// Functions about AI tasks, on the default connection.

import type {
  chargeMediaTask,
  createMediaTask,
  createMediaTasks,
  findStuckMediaTasks,
  getMediaTaskCharges,
  settleMediaTask,
  updateMediaTaskById,
} from './media-tasks.js'
import type {
  AITaskPatch,
  AITaskToCreate,
  AITasksQuery,
  BatchOptions,
  CreateAITaskOptions,
  SettleOptions,
  StepCharge,
  StuckQuery,
  StepOptions,
  UpdateOptions,
} from './options.js'
import type { Refund, Replayable, Settled } from './results.js'
import type { AITask, Credit, WithUser } from './rows.js'

/**
 * Creates an AI task and charges its user `task.costCredits`, in one transaction, as {@link createMediaTask}
 * does. The charge has the task's `scene`, and is described as `generate <mediaType>`.
 */
export function createAITask(task: AITaskToCreate, options?: CreateAITaskOptions): Promise<Replayable<AITask>>

/** As {@link createMediaTasks}, for AI tasks. */
export function createAITasks(
  items: readonly AITaskToCreate[],
  options: BatchOptions & CreateAITaskOptions & { atomic: true },
): Promise<Replayable<AITask>[]>
export function createAITasks(
  items: readonly AITaskToCreate[],
  options?: BatchOptions & CreateAITaskOptions,
): Promise<PromiseSettledResult<Replayable<AITask>>[]>

/**
 * As {@link updateMediaTaskById}, for AI tasks: `status: 'failed'` refunds. `canceled` does not; to give something
 * back then, settle the task.
 */
export function updateAITaskById(
  id: string,
  patch: AITaskPatch,
  options?: UpdateOptions,
): Promise<(AITask & { refund?: Refund }) | undefined>

/** As {@link chargeMediaTask}, for AI tasks. The `type` in the metadata begins with `'ai-task-'`. */
export function chargeAITask(
  id: string,
  charge: StepCharge,
  patch?: AITaskPatch,
  options?: StepOptions,
): Promise<AITask | undefined>

/** As {@link settleMediaTask}, for AI tasks. */
export function settleAITask(
  id: string,
  finalCredits: number,
  options?: SettleOptions,
): Promise<Settled<Credit> | undefined>

/** The AI task with this id, or `undefined`. */
export function findAITaskById(id: string): Promise<AITask | undefined>

/** As {@link getMediaTaskCharges}, for AI tasks. */
export function getAITaskCharges(id: string): Promise<Credit[]>

/** A page of AI tasks, newest first: one user's, or all. With `getUser: true` each has its `user`. */
export function getAITasks(query: AITasksQuery & { getUser: true }): Promise<WithUser<AITask>[]>
export function getAITasks(query?: AITasksQuery): Promise<AITask[]>

/** As {@link findStuckMediaTasks}, for AI tasks. */
export function findStuckAITasks(query: StuckQuery): Promise<AITask[]>
