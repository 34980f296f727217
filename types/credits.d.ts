// Functions about grants and charges, on the default connection.

import type { ConnectOptions, RowFunctions } from './connection.js'
import type { createMediaTasks, settleMediaTask, updateMediaTaskById } from './media-tasks.js'

/**
 * Charges a user, in one transaction. When the promise resolves, the charge is durable and its credits are drawn from
 * grants; if it rejects, nothing has changed.
 *
 * It draws on the grant that expires first; grants that never expire come last, older ones first
 * ({@link ConnectOptions.drawOrder} sets another order). It never takes more than the balance, or, with `scenes` or
 * `exceptScenes`, than the credits of these grants, even under concurrent calls. {@link updateMediaTaskById} refunds
 * it, if its `id` is the task's `creditId`.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`; with `scenes` or `exceptScenes`, `available` counts only
 * these grants, and `balance` counts all), `USER_NOT_FOUND`, `CREDIT_EXISTS` (`transactionNo` is in use),
 * `INVALID_AMOUNT`, `INVALID_ID`, `INVALID_VALUE` or `UNKNOWN_FIELD`.
 *
 * @returns The charge: a row of `credit` whose `credits` is negative.
 *
 * @example
 * ```ts
 * const charge = await consumeCredits({
 *   userId,
 *   credits: 5,
 *   scene: 'payment',
 *   description: `Subtitle translation: ${targetLanguage}`,
 *   metadata: { type: 'media-task-translation', taskId, targetLanguage },
 * })
 * await updateMediaTaskById(taskId, { status: 'translating', creditId: charge.id })
 * ```
 */
export const consumeCredits: RowFunctions['consumeCredits']

/** Makes several charges, like {@link createMediaTasks}. */
export const consumeCreditsBatch: RowFunctions['consumeCreditsBatch']

/**
 * Settles a charge by its id to its final cost, 0 or more, like {@link settleMediaTask}. The difference is refunded. With
 * `over: 'available'`, a higher cost is drawn in addition, as far as the user's balance allows.
 *
 * Settling again to the same number changes nothing; another number is rejected with `SETTLE_CONFLICT`.
 *
 * Rejects with `CHARGE_NOT_FOUND`, `SETTLE_EXCEEDS_CHARGE`, `SETTLE_CONFLICT`, `CHARGE_CORRUPT` or
 * `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with the refund and the credits drawn in addition.
 */
export const settleCredits: RowFunctions['settleCredits']

/**
 * Keeps a hold: it becomes an ordinary charge. Keeping it again, or keeping a charge that is not a hold, changes nothing.
 *
 * Rejects with `CHARGE_NOT_FOUND`, or `CHARGE_REFUNDED` if it was refunded before.
 *
 * @returns The charge as it is now.
 */
export const keepCharge: RowFunctions['keepCharge']

/**
 * Refunds `credits` of a charge to the grants that they were drawn from, last drawn first; without `credits`, all that
 * is not refunded yet. For a charge without a task, or an earlier one of a task.
 *
 * Refunding the same number again changes nothing; another number is rejected with `SETTLE_CONFLICT`, as in
 * {@link settleMediaTask}. A task whose last charge is refunded can't be delivered any more.
 *
 * Rejects with `CHARGE_NOT_FOUND`, `SETTLE_EXCEEDS_CHARGE`, `SETTLE_CONFLICT`, `CHARGE_CORRUPT` or
 * `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with the refund.
 */
export const refundCredits: RowFunctions['refundCredits']

/**
 * Grants credits to a user. `credits` is a whole number from 1 to 2,147,483,647.
 *
 * For an order, pass a `transactionNo` that is derived from the order: if its webhook is delivered twice, the second
 * call is rejected with `CREDIT_EXISTS`.
 *
 * Rejects with `USER_NOT_FOUND`, `CREDIT_EXISTS` (`id` or `transactionNo` is in use), `INVALID_AMOUNT`,
 * `INVALID_ID`, `INVALID_VALUE`, `INVALID_DATE`, `UNKNOWN_FIELD` or `MISSING_FIELD`.
 *
 * @returns The grant: a row of `credit`, with all columns.
 *
 * @example
 * ```ts
 * await createCredit({ userId, credits: 100, transactionScene: 'gift', expiresAt: inThirtyDays })
 * ```
 */
export const createCredit: RowFunctions['createCredit']

/**
 * Grants credits to a user for some days or for ever, like the app's function of this name: a gift, unless
 * `transactionScene` is another one. To make it idempotent, pass a `transactionNo` and `replay: true`.
 *
 * Rejects with the errors of {@link createCredit}.
 *
 * @returns The grant, or `undefined` if `credits` is 0 or less.
 *
 * @example
 * ```ts
 * await grantCreditsForUser({ user, credits: 50, validDays: 7, transactionNo: `welcome-${user.id}`, replay: true })
 * ```
 */
export const grantCreditsForUser: RowFunctions['grantCreditsForUser']

/**
 * A page of grants and charges, newest first: one user's, or all. With `getUser: true` each row has its `user`.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * const grants = await getCredits({ userId, transactionType: 'grant', status: 'active', limit: 100 })
 * ```
 */
export const getCredits: RowFunctions['getCredits']

/**
 * Claims a top-up if the balance is below a threshold, in one transaction: of many concurrent calls, in any number of
 * processes, only one gets it. A claim is a grant that can't be spent yet. Charge the user's card, then confirm or
 * abandon it.
 *
 * Rejects with `USER_NOT_FOUND`, `IDEMPOTENCY_CONFLICT` (`transactionNo` belongs to another row), `INVALID_AMOUNT`, `INVALID_ID`,
 * `INVALID_DATE`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * const top = await claimTopUp({ userId, below: 20, credits: 100, transactionNo: crypto.randomUUID(), cooldownMs: 60_000 })
 * ```
 */
export const claimTopUp: RowFunctions['claimTopUp']

/**
 * Confirms a claimed top-up: its grant can now be spent. A second call changes nothing.
 *
 * Rejects with `TOP_UP_NOT_FOUND`, `TOP_UP_ENDED` (it was abandoned) or `INVALID_ID`.
 */
export const confirmTopUp: RowFunctions['confirmTopUp']

/**
 * Abandons a claimed top-up: it can't be confirmed any more, and another one may be claimed. A second call changes
 * nothing.
 *
 * Rejects with `TOP_UP_NOT_FOUND`, `TOP_UP_CONFIRMED` or `INVALID_ID`.
 */
export const abandonTopUp: RowFunctions['abandonTopUp']

/**
 * Claims that are neither confirmed nor abandoned, oldest first. The app must ask its payment provider about them.
 */
export const listTopUps: RowFunctions['listTopUps']
