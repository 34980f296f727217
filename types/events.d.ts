// Events: what a connection's calls did to the ledger.

import type { RefusalCode } from './errors.js'

/** The events, by name. */
export interface MediaCreditsEvents {
  /** Credits were charged: there is a new charge in the database. */
  charged: ChargedEvent
  /** Credits were refunded. */
  refunded: RefundedEvent
  /** A call was valid, but a rule of the ledger rejected it. */
  refused: RefusedEvent
  /** Charges brought a user's balance below a threshold. */
  'balance-low': BalanceLowEvent
}

/** The task that a call is about. */
export interface EventTask {
  /** `'media'`: a row of `media_tasks`; `'ai'`: a row of `ai_task`. */
  kind: 'media' | 'ai'
  id: string
}

/** A charge. Not emitted for a replay, or for a call that costs nothing. */
export interface ChargedEvent {
  userId: string
  /** The number of charged credits; for a settlement, those drawn in addition. */
  credits: number
  /** The charge's `id`. */
  creditId: string
  /** Present if the call created, charged or settled a task. */
  task?: EventTask
  /** The function that was called, such as `'createMediaTask'`. */
  operation: string
}

/** A refund, or the refund of a settlement. Not emitted if nothing was refunded. */
export interface RefundedEvent {
  userId: string
  /** The number of refunded credits. */
  credits: number
  /** The part of them that can be spent now. */
  spendable: number
  /** The charge's `id`; `null` if the update that refunded it also removed it from its task (`creditId: null`). */
  creditId: string | null
  /** Present if the call is about a task. */
  task?: EventTask
  /** The function that was called, such as `'updateMediaTaskById'`. */
  operation: string
}

/** A call that the ledger rejected. It has written nothing. */
export interface RefusedEvent {
  operation: string
  code: RefusalCode
  /** Present if the call names a user. */
  userId?: string
  /** Present if the call names a task. */
  task?: EventTask
  /** The credits of the rejected charge (`INSUFFICIENT_CREDITS`). */
  required?: number
  /** The credits that the user can spend (`INSUFFICIENT_CREDITS`). */
  available?: number
}

/** A balance that has fallen below a threshold. */
export interface BalanceLowEvent {
  userId: string
  /** The balance, read after the charge. */
  balance: number
  /** The threshold. */
  below: number
}

/**
 * Calls `listener` for each such event. Only calls made through this connection emit events.
 *
 * `charged`, `refunded` and `refused` are emitted after the database has committed or the ledger has rejected, just
 * before the call's promise settles. `balance-low` is emitted once each time charges bring a user's balance from `below`
 * or more to less, shortly after the promise settles, because the balance is read then.
 *
 * If a listener throws, or its promise rejects, that is an unhandled rejection; neither the call nor other listeners are
 * affected. Events are not stored: if the process ends, they are lost. See `docs/observability.md`.
 *
 * Throws `INVALID_ARGUMENT` for an unknown event, a listener that is not a function, or a threshold that is not a whole
 * number from 1 to 2,147,483,647.
 *
 * @example
 * ```ts
 * on('charged', ({ userId, credits }) => analytics.track(userId, 'credits spent', { credits }))
 * on('balance-low', { below: 20 }, ({ userId, balance }) => sendTopUpMail(userId, balance))
 * ```
 */
export function on<Event extends Exclude<keyof MediaCreditsEvents, 'balance-low'>>(
  event: Event,
  listener: Listener<Event>,
): void
export function on(event: 'balance-low', options: { below: number }, listener: Listener<'balance-low'>): void

/** Like {@link on}, but only for the next event. */
export const once: typeof on

/** Removes a listener; from `balance-low` at all thresholds. */
export function off<Event extends keyof MediaCreditsEvents>(event: Event, listener: Listener<Event>): void

/** A function that receives an event. Its result is ignored. */
type Listener<Event extends keyof MediaCreditsEvents> = (event: MediaCreditsEvents[Event]) => unknown

// Keeps what is not exported private.
export {}
