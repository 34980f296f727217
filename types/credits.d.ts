// Functions about grants and charges, on the default connection.

import type { ConnectOptions, RowFunctions } from './connection.js'
import type { createMediaTasks, settleMediaTask, updateMediaTaskById } from './media-tasks.js'

/**
 * Charges a user, in one transaction: when the promise resolves, the charge is in the database, durably, and
 * its credits are gone from the grants; if it rejects, nothing has changed.
 *
 * It draws on the grant that expires first; those that never expire come last, then the older one first
 * ({@link ConnectOptions.drawOrder} may say otherwise). It never takes more than the balance, or, with `scenes` or
 * `exceptScenes`, than such credits have, however many calls come at once. {@link updateMediaTaskById} refunds it,
 * given its `id` as `creditId`.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`; with `scenes` or `exceptScenes` `balance` is of all
 * credits, `available` of these), `USER_NOT_FOUND`, `CREDIT_EXISTS` (your
 * `transactionNo` is taken), `INVALID_AMOUNT`, `INVALID_ID`, `INVALID_VALUE` or `UNKNOWN_FIELD`.
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

/** Charges several times, as {@link createMediaTasks} creates several tasks. */
export const consumeCreditsBatch: RowFunctions['consumeCreditsBatch']

/**
 * Settles a charge by its id, as {@link settleMediaTask} settles a task's: to the real cost, 0 or more. The excess is
 * returned. With `over: 'available'` the charge draws what is missing, as far as the user's balance goes.
 *
 * Settling twice to the same number changes nothing; to another one is `SETTLE_CONFLICT`.
 *
 * Rejects with `CHARGE_NOT_FOUND`, `SETTLE_EXCEEDS_CHARGE`, `SETTLE_CONFLICT`, `CHARGE_CORRUPT` or
 * `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with what went back, and what it drew besides.
 */
export const settleCredits: RowFunctions['settleCredits']

/**
 * Keeps a hold: it is a charge like any other from then on. Keeping it again changes nothing, nor does keeping a charge that is
 * no hold.
 *
 * Rejects with `CHARGE_NOT_FOUND`, or `CHARGE_REFUNDED` if it was refunded already.
 *
 * @returns The charge as it is now.
 */
export const keepCharge: RowFunctions['keepCharge']

/**
 * Refunds `credits` of a charge to the grants that it came from, last drawn first, or, without `credits`, all that
 * is not refunded yet. For a charge without a task, or an earlier one of a task.
 *
 * Refunding the same number twice changes nothing; another one is `SETTLE_CONFLICT`, as for
 * {@link settleMediaTask}. A task whose last charge is refunded can't be delivered any more.
 *
 * Rejects with `CHARGE_NOT_FOUND`, `SETTLE_EXCEEDS_CHARGE`, `SETTLE_CONFLICT`, `CHARGE_CORRUPT` or
 * `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with what went back.
 */
export const refundCredits: RowFunctions['refundCredits']

/**
 * Grants credits to a user. `credits` is a whole number from 1 to 2,147,483,647.
 *
 * A grant for an order: pass a `transactionNo` that follows from the order, and a webhook that comes twice
 * grants once, because the second call is refused with `CREDIT_EXISTS`.
 *
 * Rejects with `USER_NOT_FOUND`, `CREDIT_EXISTS` (`id` or `transactionNo` is taken), `INVALID_AMOUNT`,
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
 * Grants credits to a user for some days, or for ever, as the app's function of this name does: a gift, unless
 * `transactionScene` says otherwise. Where it may be called twice for one reason, give it a `transactionNo`, and
 * `replay: true`.
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
 * A page of grants and charges, newest first: one user's, or all. With `getUser: true` each has its `user`.
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
 * Claims a top-up where the balance is below a threshold, in one transaction: of many calls at once, in any number of
 * processes, one gets it. It is a grant that can't be spent yet. Charge the user's card then, and confirm or abandon it.
 *
 * Rejects with `USER_NOT_FOUND`, `IDEMPOTENCY_CONFLICT` (`transactionNo` is another row's), `INVALID_AMOUNT`, `INVALID_ID`,
 * `INVALID_DATE`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * const top = await claimTopUp({ userId, below: 20, credits: 100, transactionNo: crypto.randomUUID(), cooldownMs: 60_000 })
 * ```
 */
export const claimTopUp: RowFunctions['claimTopUp']

/**
 * Confirms a claimed top-up: its grant can be spent. A second call changes nothing.
 *
 * Rejects with `TOP_UP_NOT_FOUND`, `TOP_UP_ENDED` (it was abandoned) or `INVALID_ID`.
 */
export const confirmTopUp: RowFunctions['confirmTopUp']

/**
 * Abandons a claimed top-up: it can't be confirmed any more, and another one may be claimed. Again, it changes nothing.
 *
 * Rejects with `TOP_UP_NOT_FOUND`, `TOP_UP_CONFIRMED` or `INVALID_ID`.
 */
export const abandonTopUp: RowFunctions['abandonTopUp']

/** Claims that are neither confirmed nor abandoned, oldest first: of those, the app must ask its payment provider. */
export const listTopUps: RowFunctions['listTopUps']
