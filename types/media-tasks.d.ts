// Functions about media tasks, on the default connection.

import type { RowFunctions } from './connection.js'
import type { consumeCredits } from './credits.js'
import type { hasActiveMediaTask } from './ledger.js'

/**
 * Creates a task and charges its user `costCredits` (a whole number from 0 to 2,147,483,647), in one
 * transaction: when the promise resolves, both the charge and the task are in the database, durably; if it
 * rejects, neither is.
 *
 * The charge draws on the grants that expire first, as {@link consumeCredits} does; its `id` becomes the
 * task's `creditId`. A cost of 0 charges nothing.
 *
 * You choose the task's `id`, so a call can be repeated safely: if the first one went through after all, the
 * second is refused with `TASK_EXISTS` and charges nothing. With `{ replay: true }` it returns the task of the
 * first instead, as it is now.
 *
 * `maxActive` and `freeTrialLimit` are the plan's limits: checked here, they hold for calls that come at once.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`), `TOO_MANY_ACTIVE_TASKS` (`active`, `maxActive`),
 * `FREE_TRIAL_USED_UP` (`used`, `limit`), `USER_NOT_FOUND`, `TASK_EXISTS`, `IDEMPOTENCY_CONFLICT` (with `replay`, if the task that is there is another user's or cost something else),
 * `INVALID_AMOUNT`, `INVALID_ID`, `UNKNOWN_FIELD`, `MISSING_FIELD`, `INVALID_VALUE`, `INVALID_DATE`, or, for
 * a `creditId` in the task, `READ_ONLY_FIELD` (the charge sets it), `CHARGE_NOT_FOUND` or
 * `CHARGE_OWNER_MISMATCH` (with a cost of 0; the charge is another user's, or was made for another task).
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
 * Creates several tasks, as {@link createMediaTask} does. With `{ atomic: true }` in one transaction, all of
 * them or none: it resolves to the tasks in the order of the items, or rejects with the error of the first
 * item that was refused, and its `index`. Otherwise each stands for itself, and it resolves to an outcome for
 * each, as `Promise.allSettled` does. Either way an item has `task` and `costCredits` alone (`UNKNOWN_FIELD`).
 *
 * @example
 * ```ts
 * const outcomes = await createMediaTasks(urls.map((videoUrl) => ({ task: newTask(videoUrl), costCredits: 10 })))
 * const created = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
 * ```
 */
export const createMediaTasks: RowFunctions['createMediaTasks']

/**
 * Changes a task, and sets its `updatedAt`. `null` in the patch empties a column, `undefined` leaves it
 * alone.
 *
 * `status: 'failed'` also refunds the charge that `patch.creditId` names, or else the task's own, in the same
 * transaction. The credits go back to the grants they came from, no grant is raised above what was granted,
 * and the charge becomes `'deleted'`. A charge is refunded once, however often and from however many places
 * at once the task is made to fail. The result then has `refund`: it says what went back, and is all zero if
 * nothing did.
 *
 * `ifStatus` and `ifUpdatedBefore` let the update happen only if the task is as the caller believes: so one
 * worker of many claims a task. A worker that is late and delivers (`extracted`, `completed`) what was refunded
 * meanwhile is refused, unless `allowRefunded` says otherwise.
 *
 * Rejects with `TASK_STATE_CONFLICT` (a guard did not hold; `status`), `TASK_REFUNDED`, `CHARGE_OWNER_MISMATCH` (the charge is another user's, or was made for another task), `CHARGE_CORRUPT` (its draws
 * can't be read), `CHARGE_NOT_FOUND` (no charge has the id `patch.creditId`), `READ_ONLY_FIELD` (`id` or
 * `userId` in the patch), `UNKNOWN_FIELD`, `INVALID_ID`, `INVALID_VALUE` or `INVALID_DATE`. The task is then
 * as it was.
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
 * Charges for a further step of a task, such as a translation, and changes the task, in one transaction: the
 * charge becomes the task's `creditId`, and a failure from then on refunds this step alone. Earlier charges stay
 * ({@link getMediaTaskCharges}). `credits: 0` charges nothing and empties `creditId`, so that a step that was
 * free refunds nothing. Charging a task that has failed makes it live again: give it another status.
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
 * Settles a task's charge: it was an estimate, and now the real cost is known, a whole number from 0 to what was
 * charged. The difference goes back to the grants that it came from, last drawn first, once. 0 is a refund.
 *
 * With `over: 'available'` it may have cost more: then the same charge draws what is missing, as far as the user's
 * balance goes. `collected` is what this call drew, `uncollected` what there was not.
 *
 * Settling twice to the same number changes nothing; to another one is `SETTLE_CONFLICT`. Afterwards the charge's
 * `credits` and `consumedDetail` say what it took in the end, and its `metadata` has
 * `settled: { charged, credits }`, and `uncollected` if something is. If the task fails later, all that it took goes back.
 *
 * Rejects with `SETTLE_EXCEEDS_CHARGE` (more than was charged, without `over`), `SETTLE_CONFLICT`, `CHARGE_NOT_FOUND` (the task
 * has no charge), `CHARGE_OWNER_MISMATCH`, `CHARGE_CORRUPT` or `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with what went back, or `undefined` if there is no task with this id.
 */
export const settleMediaTask: RowFunctions['settleMediaTask']

/**
 * All charges of a task, oldest first, refunded ones included: the one that created it, and those of further
 * steps. It knows them by the `taskId` in their `metadata`, and the last one by the task's `creditId`.
 */
export const getMediaTaskCharges: RowFunctions['getMediaTaskCharges']

/**
 * Tasks that no worker is busy with any more: in a state in which one should be, and not changed for `olderThanMs`.
 * Oldest first; those with a `deletedAt` too, since their credits are still taken.
 */
export const findStuckMediaTasks: RowFunctions['findStuckMediaTasks']

/**
 * The task with this id, or `undefined`. A task with a `deletedAt` is found, too.
 *
 * Rejects with `INVALID_ID`.
 */
export const findMediaTaskById: RowFunctions['findMediaTaskById']

/**
 * The user's tasks that are still being worked on, newest first, as {@link hasActiveMediaTask} counts them.
 *
 * Rejects with `INVALID_ID`.
 */
export const getActiveMediaTasks: RowFunctions['getActiveMediaTasks']

/**
 * A page of the user's tasks, newest first, without those that have a `deletedAt`.
 *
 * Rejects with `INVALID_ID` or `INVALID_ARGUMENT`.
 *
 * @param page From 1, which is the default.
 * @param limit Tasks a page, 20 by default. Both may be text, as a URL has them.
 */
export const getMediaTaskHistory: RowFunctions['getMediaTaskHistory']
