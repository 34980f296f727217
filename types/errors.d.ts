// Errors and their codes.

/**
 * Why a call was rejected or failed. `docs/errors.md` lists every code with its cause and remedy.
 *
 * - Caller errors: an argument is invalid, or names a row that does not exist. The same call fails again.
 * - Ledger errors: the request was valid, but a ledger rule rejected it.
 * - Database errors. Any call can reject with one of these.
 */
export type MediaCreditsErrorCode = CallerCode | RefusalCode | DatabaseCode

/** Codes of caller errors. */
type CallerCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_AMOUNT'
  | 'INVALID_ID'
  | 'INVALID_DATE'
  | 'INVALID_VALUE'
  | 'UNKNOWN_FIELD'
  | 'MISSING_FIELD'
  | 'READ_ONLY_FIELD'
  | 'USER_NOT_FOUND'
  | 'TASK_EXISTS'
  | 'CREDIT_EXISTS'
  | 'IDEMPOTENCY_CONFLICT'
  | 'CHARGE_NOT_FOUND'
  | 'TOP_UP_NOT_FOUND'
  | 'GRANT_NOT_FOUND'
  | 'REVOCATION_NOT_FOUND'
  | 'TRANSACTION_NOT_SUPPORTED'
  | 'INVALID_URL'
  | 'UNSUPPORTED_DATABASE'
  | 'CLOSED'
  | 'NOT_IN_TRANSACTION'

/** Codes of ledger errors: the request was valid, but a ledger rule rejected it. */
export type RefusalCode =
  | 'INSUFFICIENT_CREDITS'
  | 'SPENDING_LIMIT'
  | 'CHARGE_OWNER_MISMATCH'
  | 'CHARGE_CORRUPT'
  | 'VALUE_UNREADABLE'
  | 'TOO_MANY_ACTIVE_TASKS'
  | 'FREE_TRIAL_USED_UP'
  | 'TASK_STATE_CONFLICT'
  | 'TASK_REFUNDED'
  | 'GRANT_WITHDRAWN'
  | 'SETTLE_EXCEEDS_CHARGE'
  | 'SETTLE_CONFLICT'
  | 'CHARGE_REFUNDED'
  | 'TOP_UP_CONFIRMED'
  | 'TOP_UP_ENDED'

/** Codes of database errors. */
type DatabaseCode =
  | 'SCHEMA_MISMATCH'
  | 'TIMESTAMP_UNIT_UNCLEAR'
  | 'DATABASE_BUSY'
  | 'OVERLOADED'
  | 'DATABASE_UNAVAILABLE'
  | 'OUTCOME_UNKNOWN'
  | 'DATABASE_ERROR'
  | 'INTERNAL'

/**
 * A call that was rejected or failed. It has written nothing, unless its code is `OUTCOME_UNKNOWN`. The message
 * says what to do next.
 *
 * @example
 * ```ts
 * try {
 *   await createMediaTask(task, 10)
 * } catch (error) {
 *   if (error instanceof MediaCreditsError && error.code === 'INSUFFICIENT_CREDITS') {
 *     return respErr(`Insufficient credits. Required: ${error.required}, Available: ${error.available}`)
 *   }
 *   throw error
 * }
 * ```
 */
export class MediaCreditsError extends Error {
  private constructor()
  /** The reason, to be matched by code. Messages may change, codes don't. */
  readonly code: MediaCreditsErrorCode
  /** Whether the same call can succeed later. A retry is safe. */
  readonly retryable: boolean
  /** The invalid argument, field or option (`INVALID_…`, `…_FIELD`, `CREDIT_EXISTS`, `IDEMPOTENCY_CONFLICT`). */
  readonly field?: string
  /** The field's table, or the parameter's function (`INVALID_VALUE`, `UNKNOWN_FIELD`, `MISSING_FIELD`). */
  readonly table?: string
  /** The value that exists already (`CREDIT_EXISTS`, `IDEMPOTENCY_CONFLICT`). */
  readonly value?: string
  /** The user that does not exist (`USER_NOT_FOUND`). */
  readonly userId?: string
  /** The task (`TASK_EXISTS`, `TASK_STATE_CONFLICT`, `TASK_REFUNDED`). */
  readonly taskId?: string
  /** The task's current status (`TASK_STATE_CONFLICT`). */
  readonly status?: string
  /** The charge (`CHARGE_…`, `SETTLE_…`, `TASK_REFUNDED`). */
  readonly creditId?: string
  /** The credits of the rejected charge (`INSUFFICIENT_CREDITS`, `SPENDING_LIMIT`). */
  readonly required?: number
  /** The spendable credits of the grants that may pay (`INSUFFICIENT_CREDITS`). */
  readonly available?: number
  /** The user's balance, if only some grants may pay (`INSUFFICIENT_CREDITS`). */
  readonly balance?: number
  /** The user's number of active tasks (`TOO_MANY_ACTIVE_TASKS`). */
  readonly active?: number
  /** The call's maximum number of active tasks (`TOO_MANY_ACTIVE_TASKS`). */
  readonly maxActive?: number
  /** The user's number of used free trials (`FREE_TRIAL_USED_UP`). */
  readonly used?: number
  /**
   * The call's maximum number of free trials (`FREE_TRIAL_USED_UP`), or the credits of the limit (`SPENDING_LIMIT`).
   */
  readonly limit?: number
  /** The limit that was exceeded, as an index of the call's `limits`, from 0 (`SPENDING_LIMIT`). */
  readonly limitIndex?: number
  /** That limit's window, as the call passed it: a unit, or milliseconds (`SPENDING_LIMIT`). */
  readonly per?: 'hour' | 'day' | 'week' | 'month' | number
  /** The credits spent in the limit's window (`SPENDING_LIMIT`). */
  readonly spent?: number
  /**
   * When the limit allows the same charge; `null` if never, because the charge is larger than the limit
   * (`SPENDING_LIMIT`).
   */
  readonly resetsAt?: Date | null
  /** The charge's credits (`SETTLE_EXCEEDS_CHARGE`). */
  readonly charged?: number
  /** The credits that the charge was settled to before; 0 if it was refunded (`SETTLE_CONFLICT`). */
  readonly settled?: number
  /** The requested number of credits (`SETTLE_…`). */
  readonly requested?: number
  /** The index of the rejected item in a batch, from 0. */
  readonly index?: number
  /** The database's own code, such as `SQLITE_FULL` or `25006` (`DATABASE_ERROR`). */
  readonly databaseCode?: string
}

// Keeps what is not exported private.
export {}
