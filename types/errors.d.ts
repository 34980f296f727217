// Errors and their codes.

/**
 * Why a call was refused or failed. `docs/errors.md` lists every code with cause and remedy.
 *
 * - Caller errors: an argument is wrong, or names a row that does not exist. The same call fails again.
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
 * A call that was refused or failed. It has written nothing, unless its code is `OUTCOME_UNKNOWN`. The message
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
  /** The reason, for code to match on. Messages may change, codes don't. */
  readonly code: MediaCreditsErrorCode
  /** Whether the very same call can succeed later. Trying it again is safe. */
  readonly retryable: boolean
  /** The argument, field or option that is wrong (`INVALID_…`, `…_FIELD`, `CREDIT_EXISTS`, `IDEMPOTENCY_CONFLICT`). */
  readonly field?: string
  /** The field's table; of a parameter, its function (`INVALID_VALUE`, `UNKNOWN_FIELD`, `MISSING_FIELD`). */
  readonly table?: string
  /** The value that is taken (`CREDIT_EXISTS`, `IDEMPOTENCY_CONFLICT`). */
  readonly value?: string
  /** The user that does not exist (`USER_NOT_FOUND`). */
  readonly userId?: string
  /** The task in question (`TASK_EXISTS`, `TASK_STATE_CONFLICT`, `TASK_REFUNDED`). */
  readonly taskId?: string
  /** The status that the task has (`TASK_STATE_CONFLICT`). */
  readonly status?: string
  /** The charge in question (`CHARGE_…`, `SETTLE_…`, `TASK_REFUNDED`). */
  readonly creditId?: string
  /** How many credits were asked for (`INSUFFICIENT_CREDITS`, `SPENDING_LIMIT`). */
  readonly required?: number
  /** How many credits the user can spend: of those that may pay, if not all may (`INSUFFICIENT_CREDITS`). */
  readonly available?: number
  /** How many credits the user can spend in all, if not all may pay (`INSUFFICIENT_CREDITS`). */
  readonly balance?: number
  /** How many active tasks the user has (`TOO_MANY_ACTIVE_TASKS`). */
  readonly active?: number
  /** How many active tasks the call allowed (`TOO_MANY_ACTIVE_TASKS`). */
  readonly maxActive?: number
  /** How many free trials the user has used (`FREE_TRIAL_USED_UP`). */
  readonly used?: number
  /** How many free trials the call allowed (`FREE_TRIAL_USED_UP`); how many credits it lets be spent (`SPENDING_LIMIT`). */
  readonly limit?: number
  /** How many credits were spent in the window of the limit (`SPENDING_LIMIT`). */
  readonly spent?: number
  /** When the same charge fits into the limit again; `null`: never, since it is more than the limit (`SPENDING_LIMIT`). */
  readonly resetsAt?: Date | null
  /** How many credits the charge took (`SETTLE_EXCEEDS_CHARGE`). */
  readonly charged?: number
  /** To how many credits the charge was settled before; 0 if it was refunded (`SETTLE_CONFLICT`). */
  readonly settled?: number
  /** How many credits were asked for (`SETTLE_…`). */
  readonly requested?: number
  /** Which item of a batch was refused, from 0. */
  readonly index?: number
  /** The database's own name of the error, such as `SQLITE_FULL` or `25006` (`DATABASE_ERROR`). */
  readonly databaseCode?: string
}

// Keeps what is not exported private.
export {}
