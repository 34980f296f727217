// Functions about AI tasks, on the default connection.

import type { RowFunctions } from './connection.js'
import type {
  chargeMediaTask,
  createMediaTask,
  createMediaTasks,
  findStuckMediaTasks,
  getMediaTaskCharges,
  settleMediaTask,
  updateMediaTaskById,
} from './media-tasks.js'

/**
 * Creates an AI task and charges its user `task.costCredits`, in one transaction, like {@link createMediaTask}. The
 * charge has the task's `scene` and the description `generate <mediaType>`.
 */
export const createAITask: RowFunctions['createAITask']

/** Like {@link createMediaTasks}, for AI tasks. */
export const createAITasks: RowFunctions['createAITasks']

/**
 * Like {@link updateMediaTaskById}, for AI tasks: `status: 'failed'` refunds. `canceled` does not; to refund a
 * cancelled task, settle it.
 */
export const updateAITaskById: RowFunctions['updateAITaskById']

/** Like {@link chargeMediaTask}, for AI tasks. The `type` in the charge's metadata begins with `'ai-task-'`. */
export const chargeAITask: RowFunctions['chargeAITask']

/** Like {@link settleMediaTask}, for AI tasks. */
export const settleAITask: RowFunctions['settleAITask']

/** The AI task with this id, or `undefined`. */
export const findAITaskById: RowFunctions['findAITaskById']

/** Like {@link getMediaTaskCharges}, for AI tasks. */
export const getAITaskCharges: RowFunctions['getAITaskCharges']

/** A page of AI tasks, newest first: one user's, or all. With `getUser: true` each row has its `user`. */
export const getAITasks: RowFunctions['getAITasks']

/** Like {@link findStuckMediaTasks}, for AI tasks. */
export const findStuckAITasks: RowFunctions['findStuckAITasks']
