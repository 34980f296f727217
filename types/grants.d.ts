// Functions about the life of a grant, on the default connection.

import type { createCredit } from './credits.js'
import type { GrantsTarget, RenewalToGrant, RevokeOptions } from './options.js'
import type { OrderStanding, Replayable } from './results.js'
import type { Credit } from './rows.js'

/**
 * Withdraws the credits of a payment that was refunded or charged back, in one transaction.
 *
 * `total` is how many of the order's credits are to be withdrawn in all, whatever was before: calls that come in any
 * order, again, for a part, or for a dispute after a refund come to the largest of them, and not to their sum. Left
 * out, it is all of them.
 *
 * What is wholly withdrawn has status `deleted` and a `deletedAt`, and keeps what was left of it. What was spent
 * already is `outstanding`: what comes back to the order later, because a task fails, goes there first and can't be
 * spent. With `recover: 'available'` it is taken from the user's other grants, as far as they go.
 *
 * The same `transactionNo` again writes nothing and says how the order stands, with `replayed: true`.
 *
 * Rejects with `GRANT_NOT_FOUND` (no grant is of this order yet: let the webhook come again), `IDEMPOTENCY_CONFLICT`
 * (`transactionNo` is that of another call), `INVALID_AMOUNT`, `INVALID_ID` or `INVALID_ARGUMENT`.
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
 * Ends what a call of {@link revokeGrants} claims, by its `transactionNo`: a dispute that was won. The order goes back
 * to the largest total of the calls that still stand, whichever came first, and what came back to it meanwhile comes
 * back too. Again, it writes nothing.
 *
 * If it may come before the call that it ends, `target` names the grants: then it is remembered, and that call will
 * claim nothing.
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
 * Grants the credits of a subscription's next period, which expire with it, in one transaction. The rest of earlier
 * periods is carried over in place until the new end, up to `rollover.atMost` credits; credits beyond that are written off,
 * oldest first, as a charge of the scene `expiry`. Without `rollover` each period keeps its end.
 *
 * A webhook that comes late still carries over, up to `rollover.graceMs` after the end; renewals that arrive in
 * another order give the same result. Other grants of the user, such as top-ups, are not touched.
 *
 * The same `transactionNo` again writes nothing and returns the row, with `replayed: true`.
 *
 * Rejects with `USER_NOT_FOUND`, `IDEMPOTENCY_CONFLICT` (`transactionNo` is another grant's, or of another period),
 * `INVALID_AMOUNT`, `INVALID_ID`, `INVALID_DATE`, `INVALID_ARGUMENT` or those of {@link createCredit}.
 *
 * @returns The new period's grant, with what became of the periods before.
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
    /** Credits of earlier periods that are carried over, and those that were written off. Absent if the call is a replay. */
    rollover?: { carried: number; writtenOff: number }
  }
>

/**
 * Changes when a grant expires; with `null` it never expires. The same again changes nothing. One that had expired can be
 * spent again if the new end is to come.
 *
 * Rejects with `GRANT_NOT_FOUND`, `GRANT_WITHDRAWN` (its payment was charged back), `INVALID_ID` or `INVALID_DATE`.
 *
 * @returns The grant as it is now.
 */
export function extendGrant(creditId: string, expiresAt: Date | null): Promise<Credit>
