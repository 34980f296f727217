// Functions that change grants, on the default connection.

import type { createCredit } from './credits.js'
import type { GrantsTarget, RenewalToGrant, RevokeOptions } from './options.js'
import type { OrderStanding, Replayable } from './results.js'
import type { Credit } from './rows.js'

/**
 * Withdraws the credits of a payment that was refunded or charged back, in one transaction.
 *
 * `total` is how many of the order's credits are to be withdrawn in total, including earlier calls: of several calls, in
 * any order, for a part or for a dispute after a refund, the largest counts, not their sum. By default all.
 *
 * A grant that is wholly withdrawn gets the status `deleted` and a `deletedAt`, and keeps its remaining credits. Spent
 * credits are `outstanding`: credits that are refunded to the order later, because a task fails, cover them first and
 * can't be spent. With `recover: 'available'` they are drawn from the user's other grants, as far as possible.
 *
 * A repeated `transactionNo` writes nothing and returns the order's state, with `replayed: true`.
 *
 * Rejects with `GRANT_NOT_FOUND` (the order has no grant yet: let the webhook be delivered again),
 * `IDEMPOTENCY_CONFLICT` (`transactionNo` belongs to another call), `INVALID_AMOUNT`, `INVALID_ID` or
 * `INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * await revokeGrants({ orderNo }, { total: 300, transactionNo: refund.id, reason: 'refunded' })
 * await revokeGrants({ orderNo }, { transactionNo: dispute.id, recover: 'available' })
 * ```
 */
export function revokeGrants(
  target: GrantsTarget,
  options: RevokeOptions,
): Promise<OrderStanding & { replayed?: true }>

/**
 * Ends a call of {@link revokeGrants}, by its `transactionNo`: for a dispute that was won. The order returns to the
 * largest `total` of the remaining calls, in whatever order they were made, and credits that were refunded to it
 * meanwhile become spendable too. A second call writes nothing.
 *
 * If it may arrive before the call that it ends, pass the grants as `target`: then it is recorded, and that call
 * withdraws nothing.
 *
 * Rejects with `REVOCATION_NOT_FOUND`, `GRANT_NOT_FOUND`, `INVALID_ID` or `INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * await restoreGrants(dispute.id, { orderNo })
 * ```
 */
export function restoreGrants(
  transactionNo: string,
  target?: GrantsTarget,
): Promise<OrderStanding & { replayed?: true }>

/**
 * Grants the credits of a subscription's next period, which expire with it, in one transaction. The remaining credits of
 * earlier periods are carried over, up to `rollover.atMost`: their grants are extended to the new end. Credits above
 * that are written off, oldest first, as a charge with the scene `expiry`. Without `rollover` each period keeps its
 * expiry.
 *
 * If the webhook is late, credits are still carried over, up to `rollover.graceMs` after their expiry; renewals that
 * arrive in another order have the same result. Other grants of the user, such as top-ups, are not changed.
 *
 * A repeated `transactionNo` writes nothing and returns the row, with `replayed: true`.
 *
 * Rejects with `USER_NOT_FOUND`, `IDEMPOTENCY_CONFLICT` (`transactionNo` belongs to another grant or period),
 * `INVALID_AMOUNT`, `INVALID_ID`, `INVALID_DATE`, `INVALID_ARGUMENT` or those of {@link createCredit}.
 *
 * @returns The new period's grant, with the credits of earlier periods.
 *
 * @example
 * ```ts
 * await renewGrants({
 *   userId,
 *   subscriptionNo,
 *   credits: 1000,
 *   periodEnd,
 *   transactionNo: invoice.id,
 *   rollover: { atMost: 1000 },
 * })
 * ```
 */
export function renewGrants(renewal: RenewalToGrant): Promise<
  Replayable<Credit> & {
    /** The credits of earlier periods that were carried over, and those written off. Missing if the call is a replay. */
    rollover?: { carried: number; writtenOff: number }
  }
>

/**
 * Changes the expiry of a grant; with `null` it never expires. A second call changes nothing. An expired grant can be spent
 * again if the new expiry is in the future.
 *
 * Rejects with `GRANT_NOT_FOUND`, `GRANT_WITHDRAWN` (its payment was charged back), `INVALID_ID` or `INVALID_DATE`.
 *
 * @returns The grant as it is now.
 */
export function extendGrant(creditId: string, expiresAt: Date | null): Promise<Credit>
