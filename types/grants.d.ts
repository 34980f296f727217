// Functions about the life of a grant, on the default connection.

import type { GrantsTarget, RevokeOptions } from './options.js'
import type { OrderStanding } from './results.js'

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
