// Functions about media tasks, on the default connection.

import type { RowFunctions } from './connection.js'
import type { consumeCredits } from './credits.js'
import type { hasActiveMediaTask } from './ledger.js'

/**
 * Creates a task and charges its user `costCredits` (a whole number from 0 to 2,147,483,647), in one transaction. When the
 * promise resolves, both the charge and the task are durable; if it rejects, neither was written.
 *
 * The charge draws on the grants that expire first, like {@link consumeCredits}; its `id` becomes the task's `creditId`.
 * A cost of 0 charges nothing.
 *
 * The task's `id`, which you choose, is the idempotency key: a repeated call is rejected with `TASK_EXISTS` and charges
 * nothing. With `{ replay: true }` it returns the existing task instead, as it is now.
 *
 * `maxActive` and `freeTrialLimit` are the plan's limits. They are checked in the transaction, so they hold under
 * concurrent calls.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`), `TOO_MANY_ACTIVE_TASKS` (`active`, `maxActive`),
 * `FREE_TRIAL_USED_UP` (`used`, `limit`), `USER_NOT_FOUND`, `TASK_EXISTS`, `IDEMPOTENCY_CONFLICT` (with `replay`, if the
 * existing task has another user or another cost), `INVALID_AMOUNT`, `INVALID_ID`, `UNKNOWN_FIELD`, `MISSING_FIELD`,
 * `INVALID_VALUE`, `INVALID_DATE`, or, for a `creditId` in the task, `READ_ONLY_FIELD` (the charge sets it),
 * `CHARGE_NOT_FOUND` or `CHARGE_OWNER_MISMATCH` (with a cost of 0, if the charge belongs to another user or task).
 *
 * @returns The new task, with all columns.
 *
 * @example
 * ```ts
 * const task = await createMediaTask({ id: getUuid(), userId, platform: 'youtube', videoUrl }, 10)
 * ```
 */
export const createMediaTask: RowFunctions['createMediaTask']

/**
 * Creates several tasks, like {@link createMediaTask}. With `{ atomic: true }` in one transaction, all or none: it resolves
 * to the tasks in the order of the items, or rejects with the error of the first rejected item and its `index`. Otherwise
 * each item is independent, and it resolves to an outcome for each, like `Promise.allSettled`. An item has only `task`
 * and `costCredits` (otherwise `UNKNOWN_FIELD`).
 *
 * @example
 * ```ts
 * const outcomes = await createMediaTasks(urls.map((videoUrl) => ({ task: newTask(videoUrl), costCredits: 10 })))
 * const created = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
 * ```
 */
export const createMediaTasks: RowFunctions['createMediaTasks']

/**
 * Changes a task, and sets its `updatedAt`. `null` in the patch empties a column; columns that are left out or `undefined`
 * stay unchanged.
 *
 * `status: 'failed'` also refunds a charge in the same transaction: the one in `patch.creditId`, or else the task's own.
 * The credits return to the grants that they were drawn from, no grant is raised above what was granted, and the charge
 * gets the status `'deleted'`. A charge is refunded once, even under repeated or concurrent calls. The result then has
 * `refund`, which is all zero if nothing was refunded.
 *
 * With `ifStatus` and `ifUpdatedBefore` the update is a compare-and-set: only one of several workers can claim a task. A
 * late worker that delivers (`extracted`, `completed`) a task whose charge was refunded is rejected, unless
 * `allowRefunded` is set.
 *
 * Rejects with `TASK_STATE_CONFLICT` (a condition was not met; `status`), `TASK_REFUNDED`, `CHARGE_OWNER_MISMATCH` (the
 * charge belongs to another user or task), `CHARGE_CORRUPT` (its draws are unreadable), `CHARGE_NOT_FOUND` (there is no
 * charge with the id `patch.creditId`), `READ_ONLY_FIELD` (`id` or `userId` in the patch), `UNKNOWN_FIELD`,
 * `INVALID_ID`, `INVALID_VALUE` or `INVALID_DATE`. The task is then unchanged.
 *
 * @returns The whole task as it is now, or `undefined` if there is none with this id.
 *
 * @example
 * ```ts
 * const failed = await updateMediaTaskById(task.id, {
 *   status: 'failed',
 *   errorMessage: message,
 *   progress: 0,
 *   creditId: task.creditId || null,
 * })
 * failed?.refund?.credits // 10; 0 if they had gone back before
 * ```
 */
export const updateMediaTaskById: RowFunctions['updateMediaTaskById']

/**
 * Charges for a further step of a task, such as a translation, and changes the task, in one transaction. The charge's
 * `id` becomes the task's `creditId`, so a later failure refunds only this step. Earlier charges stay
 * ({@link getMediaTaskCharges}). `credits: 0` charges nothing and empties `creditId`, so that the failure of a free step
 * refunds nothing. A failed task can be charged again: set another status.
 *
 * Rejects with `INSUFFICIENT_CREDITS`, `TASK_STATE_CONFLICT`, `CREDIT_EXISTS`, `INVALID_AMOUNT`,
 * `READ_ONLY_FIELD` (`creditId` or `status: 'failed'` in the patch), `INVALID_ARGUMENT` or the errors of
 * {@link updateMediaTaskById}. Nothing is written then.
 *
 * @returns The whole task as it is now, or `undefined` if there is none with this id.
 *
 * @example
 * ```ts
 * await chargeMediaTask(
 *   taskId,
 *   { credits: 5, description: 'Subtitle translation: fr', metadata: { type: 'media-task-translation' } },
 *   { status: 'translating', targetLang: 'fr', progress: 0 },
 *   { ifStatus: 'extracted' },
 * )
 * ```
 */
export const chargeMediaTask: RowFunctions['chargeMediaTask']

/**
 * Settles a task's charge, which was an estimate, to its final cost: a whole number from 0 to the charged credits. The
 * difference is refunded once, to the grants that it was drawn from, last drawn first. 0 refunds everything.
 *
 * With `over: 'available'` the final cost may be higher: the same charge then draws the difference, as far as the user's
 * balance allows. `collected` are the credits that this call drew, `uncollected` those that exceeded the balance.
 *
 * Settling again to the same number changes nothing; another number is rejected with `SETTLE_CONFLICT`. Afterwards the
 * charge's `credits` and `consumedDetail` have the final cost, and its `metadata` has `settled: { charged, credits }`,
 * with `uncollected` if it is not 0. If the task fails later, the final cost is refunded.
 *
 * Rejects with `SETTLE_EXCEEDS_CHARGE` (more than was charged, without `over`), `SETTLE_CONFLICT`, `CHARGE_NOT_FOUND`
 * (the task has no charge), `CHARGE_OWNER_MISMATCH`, `CHARGE_CORRUPT` or `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with the refund, or `undefined` if there is no task with this id.
 */
export const settleMediaTask: RowFunctions['settleMediaTask']

/**
 * All charges of a task, oldest first, including refunded ones: the first charge, and those of further steps. They are
 * found by the `taskId` in their `metadata`, and the last one by the task's `creditId`.
 */
export const getMediaTaskCharges: RowFunctions['getMediaTaskCharges']

/**
 * Tasks that no worker works on any more: they have a status in which one should, and were not changed for
 * `olderThanMs`. Oldest first, including those with a `deletedAt`, because they are still charged.
 */
export const findStuckMediaTasks: RowFunctions['findStuckMediaTasks']

/**
 * The task with this id, or `undefined`. Tasks with a `deletedAt` are found too.
 *
 * Rejects with `INVALID_ID`.
 */
export const findMediaTaskById: RowFunctions['findMediaTaskById']

/**
 * The user's active tasks, newest first, as in {@link hasActiveMediaTask}.
 *
 * Rejects with `INVALID_ID`.
 */
export const getActiveMediaTasks: RowFunctions['getActiveMediaTasks']

/**
 * A page of the user's tasks, newest first, without those that have a `deletedAt`.
 *
 * Rejects with `INVALID_ID` or `INVALID_ARGUMENT`.
 *
 * @param page The page number, from 1. Default 1.
 * @param limit Tasks per page, default 20. Both may be text, as in a URL.
 */
export const getMediaTaskHistory: RowFunctions['getMediaTaskHistory']
