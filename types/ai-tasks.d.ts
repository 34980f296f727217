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
 * Creates an AI task and charges its user `task.costCredits`, in one transaction, as {@link createMediaTask}
 * does. The charge has the task's `scene`, and is described as `generate <mediaType>`.
 */
export const createAITask: RowFunctions['createAITask']

/** As {@link createMediaTasks}, for AI tasks. */
export const createAITasks: RowFunctions['createAITasks']

/**
 * As {@link updateMediaTaskById}, for AI tasks: `status: 'failed'` refunds. `canceled` does not; to give something
 * back then, settle the task.
 */
export const updateAITaskById: RowFunctions['updateAITaskById']

/** As {@link chargeMediaTask}, for AI tasks. The `type` in the metadata begins with `'ai-task-'`. */
export const chargeAITask: RowFunctions['chargeAITask']

/** As {@link settleMediaTask}, for AI tasks. */
export const settleAITask: RowFunctions['settleAITask']

/** The AI task with this id, or `undefined`. */
export const findAITaskById: RowFunctions['findAITaskById']

/** As {@link getMediaTaskCharges}, for AI tasks. */
export const getAITaskCharges: RowFunctions['getAITaskCharges']

/** A page of AI tasks, newest first: one user's, or all. With `getUser: true` each has its `user`. */
export const getAITasks: RowFunctions['getAITasks']

/** As {@link findStuckMediaTasks}, for AI tasks. */
export const findStuckAITasks: RowFunctions['findStuckAITasks']
