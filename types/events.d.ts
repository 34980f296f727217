// What a connection's calls do to the ledger, and functions that tell of it.

import type { RefusalCode } from './errors.js'

/** What happened, by the name of the event. */
export interface MediaCreditsEvents {
  /** Credits were taken: a charge is in the database that was not there before. */
  charged: ChargedEvent
  /** Credits went back. */
  refunded: RefundedEvent
  /** A call was valid, but a rule of the ledger rejected it. */
  refused: RefusedEvent
  /** Charges brought a user's balance below a threshold. */
  'balance-low': BalanceLowEvent
}

/** The task that a call names. */
export interface EventTask {
  /** `'media'`: a row of `media_tasks`; `'ai'`: of `ai_task`. */
  kind: 'media' | 'ai'
  id: string
}

/** A charge. There is none for a call that was a replay, or that cost nothing. */
export interface ChargedEvent {
  userId: string
  /** How many credits were taken; by a settlement, how many more. */
  credits: number
  /** The charge's `id`. */
  creditId: string
  /** There if the call created, charged or settled a task. */
  task?: EventTask
  /** The function that did it, such as `'createMediaTask'`. */
  operation: string
}

/** A refund, or what a settlement gave back. There is none if nothing went back. */
export interface RefundedEvent {
  userId: string
  /** How many credits the user has back. */
  credits: number
  /** How many of them can be spent now. */
  spendable: number
  /** The charge's `id`; `null` if the update that refunded it took it from its task (`creditId: null`). */
  creditId: string | null
  /** There if the call names a task. */
  task?: EventTask
  /** The function that did it, such as `'updateMediaTaskById'`. */
  operation: string
}

/** A call that the ledger refused. It has written nothing. */
export interface RefusedEvent {
  operation: string
  code: RefusalCode
  /** There if the call names a user. */
  userId?: string
  /** There if the call names a task. */
  task?: EventTask
  /** How many credits were asked for (`INSUFFICIENT_CREDITS`). */
  required?: number
  /** How many credits the user can spend (`INSUFFICIENT_CREDITS`). */
  available?: number
}

/** A balance that was at or above a threshold, and is below it. */
export interface BalanceLowEvent {
  userId: string
  /** The balance, read after the charge. */
  balance: number
  /** The threshold. */
  below: number
}

/**
 * Calls `listener` whenever a call of this connection, made in this process, did this. Only calls made
 * through this connection emit events.
 *
 * `charged`, `refunded` and `refused` come when the database has committed, or refused, and right before the call's
 * promise settles. `balance-low` comes once each time when charges bring a user's balance from `below` or more to
 * less, a moment after the promise, because the balance is read then.
 *
 * A listener that throws, or whose promise rejects, is an unhandled rejection: neither the call nor another listener
 * notices. An event is not stored: if the process dies, it is lost. `docs/observability.md` says more.
 *
 * Throws `INVALID_ARGUMENT` for an event that there is not, a listener that is not a function, or a threshold that is not
 * a whole number from 1 to 2,147,483,647.
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

/** As {@link on}, for the next time alone. */
export const once: typeof on

/** Takes a listener off again; of `balance-low`, from each of its thresholds. */
export function off<Event extends keyof MediaCreditsEvents>(event: Event, listener: Listener<Event>): void

/** Is told what happened. What it returns is of no interest. */
type Listener<Event extends keyof MediaCreditsEvents> = (event: MediaCreditsEvents[Event]) => unknown

// Keeps what is not exported private.
export {}
