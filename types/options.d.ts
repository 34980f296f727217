// What functions take: rows to write, options and queries.

import type { createAITask } from './ai-tasks.js'
import type { connect } from './connection.js'
import type { keepCharge, settleCredits } from './credits.js'
import type { renewGrants, revokeGrants } from './grants.js'
import type { releaseHolds } from './ledger.js'
import type { AuditProgress, ExpiringPage, Statement } from './results.js'
import type { AITask, Credit, MediaTask } from './rows.js'
import type { within } from './within.js'

/** Optional columns of a row. `undefined` is the same as left out. */
type Some<Row, Column extends keyof Row> = { [Name in Column]?: Row[Name] | undefined }

/** A new row: the `Needed` columns are required, the others optional. `user` is not a column. */
type NewRow<Row, Needed extends string> = Pick<Row, Extract<keyof Row, Needed>> &
  Some<Row, Exclude<keyof Row, Needed | 'user'>>

/** These text columns also accept an object, which is stored as JSON. */
type WithJson<Row, Column extends string> = Omit<Row, Column> & {
  [Name in Extract<keyof Row, Column>]?: string | object | null | undefined
}

/** The columns of `ai_task` with JSON. */
type AITaskJson = 'options' | 'taskInfo' | 'taskResult'

/**
 * A new row of `media_tasks`. Columns that are left out get their default, or `null`.
 *
 * Derived from {@link MediaTask}, or from your own row type: add columns there, not here.
 */
export type NewMediaTask<Task extends object = MediaTask> = NewRow<
  Task,
  'id' | 'userId' | 'platform' | 'videoUrl'
>

/**
 * Columns of `media_tasks` to change. `null` empties a column; columns that are left out or `undefined` stay
 * unchanged.
 *
 * Derived from {@link MediaTask}, or from your own row type: add columns there, not here.
 */
export type UpdateMediaTask<Task extends object = MediaTask> = Some<
  Task,
  Exclude<keyof Task, 'id' | 'userId'>
> & {
  /** A task's id can't be changed: leave it out. */
  id?: undefined
}

/**
 * A new row of `ai_task`. Columns that are left out get their default, or `null`.
 *
 * Derived from {@link AITask}, or from your own row type: add columns there, not here.
 */
export type NewAITask<AITaskRow extends object = AITask> = NewRow<
  AITaskRow,
  'id' | 'userId' | 'mediaType' | 'provider' | 'model' | 'prompt' | 'status'
> &
  Joining

/** Parameters of functions that can run in the app's own transaction. */
export interface Joining {
  /** The app's transaction: see {@link within}. */
  tx?: object | null | undefined
}

/**
 * Columns of `ai_task` to change. `null` empties a column; columns that are left out or `undefined` stay unchanged.
 *
 * Derived from {@link AITask}, or from your own row type: add columns there, not here.
 */
export type UpdateAITask<AITaskRow extends object = AITask> = Some<
  AITaskRow,
  Exclude<keyof AITaskRow, 'id' | 'userId' | 'user'>
> & {
  /** A task's id can't be changed: leave it out. */
  id?: undefined
}

/** A new AI task. Its user is charged `costCredits`; 0, or leaving it out, charges nothing. */
export type AITaskToCreate<AITaskRow extends object = AITask> = WithJson<NewAITask<AITaskRow>, AITaskJson>

/** Changes of an AI task. */
export type AITaskPatch<AITaskRow extends object = AITask> = WithJson<UpdateAITask<AITaskRow>, AITaskJson>

/** An option that makes a call idempotent. */
export interface ReplayOptions {
  /**
   * A repeated call writes nothing and returns the row of the first one, with `replayed: true`. A call is repeated if
   * it has the same key (a task's `id`, a charge's or grant's `transactionNo`), the same user and the same number of
   * credits; otherwise it rejects with `IDEMPOTENCY_CONFLICT`. Without this option, a key that is in use rejects with
   * `TASK_EXISTS` or `CREDIT_EXISTS`.
   */
  replay?: boolean | undefined
}

/**
 * Which grants may pay: all, or those with some scenes. A scene is a grant's `transactionScene`, compared exactly.
 */
export interface PayingOptions {
  /** Only grants with one of these scenes, 1 to 1000. `null` is the same as left out. */
  scenes?: readonly string[] | null | undefined
  /** All grants except those with one of these scenes; grants without a scene may pay. */
  exceptScenes?: readonly string[] | null | undefined
}

/** A limit on a user's spending within a window of time. */
export interface SpendingLimit {
  /** The maximum number of credits: a whole number from 0. */
  credits: number
  /**
   * The window: a calendar period (weeks begin on Monday), or a number of milliseconds. Without `since`, milliseconds
   * are a rolling window that ends now.
   */
  per: 'hour' | 'day' | 'week' | 'month' | number
  /**
   * Windows are counted from this time, like a billing cycle. From the 31st, months without that day end on their
   * last day.
   */
  since?: Date | null | undefined
  /** Only charges with this `transactionScene` count and are limited. */
  scene?: string | null | undefined
  /** The time zone of calendar periods, such as `'Europe/Berlin'`. Default `'UTC'`. */
  timeZone?: string | null | undefined
}

/** Limits on a user's spending. */
export interface LimitsOptions {
  /**
   * At most 10 limits, all of which apply. They are checked in the transaction of the charge; if one is exceeded, the
   * call rejects with `SPENDING_LIMIT` (`limitIndex`, `limit`, `per`, `spent`, `required`, `resetsAt`), for the limit
   * that resets last.
   * Refunded charges do not count; settled charges count with their final credits. `null` means no limit.
   */
  limits?: readonly SpendingLimit[] | null | undefined
}

/** Options of a charge. */
export interface ChargeOptions extends ReplayOptions, PayingOptions, LimitsOptions {}

/** Options of a charge for a further step of a task. */
export interface StepOptions extends TaskGuards, PayingOptions, LimitsOptions {}

/**
 * A key of the draw order: `'expiry'` (the earliest expiry first; grants that never expire come last), `'age'` (the
 * oldest first), or scenes: grants with the first scene, then those with the second, and so on, and all others last.
 */
export type DrawOrderKey = 'expiry' | 'age' | { scenes: readonly string[] }

/** Limits that are checked in the transaction that creates a task, so they hold under concurrent calls. */
export interface CreateAITaskOptions extends ChargeOptions {
  /**
   * The maximum number of the user's unfinished tasks of this kind: pending, downloading, processing or translating;
   * for AI tasks pending or processing. One more is rejected with `TOO_MANY_ACTIVE_TASKS` (`active`, `maxActive`).
   * `null` means no limit.
   */
  maxActive?: number | null | undefined
  /** Columns that you have added to `credit`, for the task's charge. */
  charge?: OwnChargeColumns | null | undefined
}

/** Limits that are checked in the transaction that creates a media task, so they hold under concurrent calls. */
export interface CreateMediaTaskOptions extends CreateAITaskOptions {
  /**
   * The user's total number of free trials. A task with `isFreeTrial: true` uses one, which the user's
   * `free_trial_used` counts, or is rejected with `FREE_TRIAL_USED_UP` (`used`, `limit`). If the task fails, the
   * trial is returned once; but not if a further step fails (`translating`), because the user has the earlier result.
   * `null` means no limit.
   */
  freeTrialLimit?: number | null | undefined
}

/** Options of a list of requests. */
export interface BatchOptions extends ReplayOptions {
  /**
   * Writes all items in one transaction, all or none; at most 500. An error then has `index`, the index of the rejected
   * item. With `replay`, the first item shows whether the same batch was written before.
   */
  atomic?: boolean | undefined
}

/** Conditions that a task must meet to be changed. Otherwise the call rejects with `TASK_STATE_CONFLICT`. */
export interface TaskGuards {
  /** The task's status is this one, or one of these. */
  ifStatus?: string | readonly string[] | null | undefined
  /** The task's `updatedAt` is earlier than this. */
  ifUpdatedBefore?: Date | null | undefined
}

/**
 * Where refunded credits go.
 *
 * - `'source'`, the default: to the grants that they were drawn from, even if one has expired since and they can't be
 *   spent there. The app does the same.
 * - `{ regrantDays: 30 }`: to the same grants; credits that can't be spent there are also granted again, for this many
 *   days, 1 to 36,500. The new grant has the scene, order and subscription of the original one. Credits of a withdrawn
 *   grant (`deleted`) stay there.
 */
export type RefundPolicy = 'source' | { regrantDays: number }

/** Options of a call that refunds. */
export interface RefundOptions {
  /** By default the option of {@link connect}. */
  refundPolicy?: RefundPolicy | undefined
}

/**
 * Options of a settlement. `scenes` and `exceptScenes` say which grants may pay the difference: pass those of the
 * charge again, since its row does not store them. `limits` apply only to charges: a settlement is never rejected by
 * them.
 */
export interface SettleOptions extends RefundOptions, PayingOptions {
  /**
   * What happens if the final cost is higher than the charge. `'refuse'`, the default: the call rejects with
   * `SETTLE_EXCEEDS_CHARGE`. `'available'`: the charge draws the difference, as far as the user's balance allows.
   */
  over?: 'refuse' | 'available' | undefined
}

/** A subscription's next period, for {@link renewGrants}. Other columns of a grant can be passed too. */
export type RenewalToGrant = Omit<
  NewGrant,
  | 'expiresAt'
  | 'status'
  | 'transactionType'
  | 'remainingCredits'
  | 'createdAt'
  | 'subscriptionNo'
  | 'transactionNo'
> & {
  /** The subscription. Its earlier grants are carried over. */
  subscriptionNo: string
  /**
   * The subscription that this one replaces, for instance after an upgrade: its grants are carried over too, from
   * this period on.
   */
  replaces?: string | null | undefined
  /** When the period ends. */
  periodEnd: Date
  /** The idempotency key of the call: the invoice's id. */
  transactionNo: string
  /** What is carried over from earlier periods. By default each keeps its expiry. */
  rollover?:
    | {
        /** Maximum number of credits: a whole number from 0. */
        atMost: number
        /**
         * Periods that ended up to this many milliseconds ago are carried over too. At most 366 days, by default 3
         * days.
         */
        graceMs?: number | undefined
      }
    | null
    | undefined
}

/** The grants of a payment, selected by one of these. All must belong to one user. */
export type GrantsTarget =
  | { creditId: string; orderNo?: undefined; subscriptionNo?: undefined }
  | { orderNo: string; creditId?: undefined; subscriptionNo?: undefined }
  | { subscriptionNo: string; creditId?: undefined; orderNo?: undefined }

/** Options of {@link revokeGrants}. */
export interface RevokeOptions {
  /** The idempotency key of the call: the payment provider's id of the refund or dispute. */
  transactionNo: string
  /** How many credits of these grants are to be withdrawn in total: a whole number from 0. By default all. */
  total?: number | undefined
  /** The reason, stored in the metadata of the call's row. */
  reason?: string | null | undefined
  /** `'available'`: spent credits are drawn from the user's other grants, as far as possible. Default `'none'`. */
  recover?: 'available' | 'none' | undefined
}

/** Options of an update. */
export interface UpdateOptions extends TaskGuards, RefundOptions {
  /**
   * Allows a task whose charge was refunded to be delivered (`extracted`, `completed`; for AI tasks `success`).
   * Otherwise the call rejects with `TASK_REFUNDED`.
   */
  allowRefunded?: boolean | undefined
}

/** The charge for a further step of a task. */
export interface StepCharge extends OwnChargeColumns {
  /** The number of credits to charge: a whole number from 0 to 2,147,483,647. 0 charges nothing. */
  credits: number
  /** The charge's `transactionScene`, by default `'payment'`. */
  scene?: Credit['transactionScene'] | undefined
  description?: string | null | undefined
  /**
   * An object, or JSON text of one. The task's id is added as `taskId`, and `'media-task-step'` as `type`, unless it
   * has a `type` with the same beginning (`'media-task-translation'`).
   */
  metadata?: string | object | null | undefined
  /** The charge's `transactionNo`, unique in the table; generated if it is left out. */
  transactionNo?: string | null | undefined
}

/** Which tasks are stuck. */
export interface StuckQuery {
  /** Tasks unchanged for this many milliseconds: more than the longest time between two updates of your slowest worker. */
  olderThanMs: number
  /** Tasks with these statuses, at most 1000; by default all in which a worker should be at work on the task. */
  statuses?: readonly string[] | undefined
  /** Maximum number of tasks: 1 to 1000, default 100. */
  limit?: number | undefined
}

/** Which stuck tasks to fail, and how. */
export interface FailStuckQuery extends Omit<StuckQuery, 'limit'>, RefundOptions {
  /** The `errorMessage` for the tasks. AI tasks have no such column: leave it out. */
  errorMessage?: string | undefined
  /** Maximum number of tasks: 1 to 1000, default 1000. */
  limit?: number | undefined
}

/** A top-up to claim. */
export interface TopUpParameters {
  userId: UserId
  /** The idempotency key of the call, which is also the grant's `transactionNo`. */
  transactionNo: string
  /** A claim is made only if the balance is below this. */
  below: number
  /** The number of credits to claim: a whole number from 1. */
  credits: number
  /**
   * How many milliseconds after the last claim another one is possible, even if that was abandoned. At most 366 days.
   */
  cooldownMs?: number | null | undefined
  /**
   * The maximum number of credits claimed in the last hour, day, week, month (30 days) or number of milliseconds.
   * Abandoned claims do not count.
   */
  atMost?: { credits: number; per: 'hour' | 'day' | 'week' | 'month' | number } | null | undefined
  transactionScene?: Credit['transactionScene'] | undefined
  orderNo?: string | null | undefined
  subscriptionNo?: string | null | undefined
  userEmail?: string | null | undefined
  /** When the credits expire; never if it is left out. */
  expiresAt?: Date | null | undefined
  description?: string | null | undefined
  metadata?: string | object | null | undefined
}

/** Which open claims to list. */
export interface TopUpsQuery {
  /** Only claims that are at least this many milliseconds old. */
  olderThanMs?: number | undefined
  /** Maximum number of rows: 1 to 1000, default 100. */
  limit?: number | undefined
}

/** How many holds to refund, and where their credits go. */
export interface ReleaseHoldsQuery extends RefundOptions {
  /** Maximum number of charges: 1 to 1000, default 1000. */
  limit?: number | undefined
}

/** A page of a list. Both may be text, as in a page's `searchParams`. */
export interface PageQuery {
  /** The page number, from 1. Default 1. */
  page?: number | string | undefined
  /** Rows per page, default 30. */
  limit?: number | string | undefined
}

/** Which rows of `ai_task` to count. A filter that is left out, `undefined`, `null` or `''` matches all rows. */
export interface AITasksFilter {
  /** Without it, the tasks of all users. */
  userId?: UserId | undefined
  status?: AITask['status'] | null | undefined
  mediaType?: string | null | undefined
  provider?: string | null | undefined
}

/** Which rows of `ai_task` to list. */
export interface AITasksQuery extends AITasksFilter, PageQuery {
  /** Gives each row its `user`. */
  getUser?: boolean | undefined
}

/**
 * A complete new row of `credit`, for the app's own code that inserts one.
 *
 * Derived from {@link Credit}, or from your own row type: add columns there, not here.
 */
export type NewCredit<CreditRow extends object = Credit> = NewRow<
  CreditRow,
  'id' | 'userId' | 'transactionNo' | 'transactionType' | 'credits' | 'status'
>

/** Columns of `credit` to change, for the app's own code. No function of this package uses it. */
export type UpdateCredit<CreditRow extends object = Credit> = Some<
  CreditRow,
  Exclude<keyof CreditRow, 'id' | 'transactionNo' | 'createdAt' | 'user'>
>

/**
 * A new grant. If left out, `id` and `transactionNo` are generated, `status` is `'active'`, `transactionType` is
 * `'grant'` (other values are rejected), and `remainingCredits` equals `credits` (another number is rejected). A
 * grant without `expiresAt` never expires.
 *
 * Derived from {@link Credit}, or from your own row type: add columns there, not here.
 */
export type NewGrant<CreditRow extends object = Credit> = WithJson<
  NewRow<CreditRow, 'userId' | 'credits'>,
  'metadata'
> &
  Joining

/** A grant for a user. Other columns of a grant can be passed too, such as its `transactionScene`. */
export type GrantForUser<CreditRow extends object = Credit> = Omit<
  NewGrant<CreditRow>,
  'userId' | 'userEmail' | 'credits' | 'description' | 'expiresAt'
> &
  ReplayOptions & {
    /** A row of `user`; only its `id` is required. */
    user: { id: string; email?: string | null | undefined }
    /** The number of credits. 0 or less grants nothing. */
    credits: number
    /** The number of days until the credits expire; 0 or left out means never. */
    validDays?: number | null | undefined
    /** Default `'grant credits'`. */
    description?: string | null | undefined
  }

/** A user's id: text, or a number or bigint if `user.id` is an integer column on PostgreSQL or MySQL. */
export type UserId = string | number | bigint

/** The columns of `credit` that a charge fills in, or has parameters for. */
type ChargeColumn =
  | 'id'
  | 'userId'
  | 'transactionNo'
  | 'transactionType'
  | 'transactionScene'
  | 'credits'
  | 'remainingCredits'
  | 'description'
  | 'expiresAt'
  | 'status'
  | 'createdAt'
  | 'updatedAt'
  | 'deletedAt'
  | 'consumedDetail'
  | 'metadata'

/** Additional columns of a charge: `userEmail`, and those that you have added to {@link Credit}. */
export interface OwnChargeColumns extends Partial<Omit<Credit, ChargeColumn>> {}

/** A charge, and what the app's pages show of it. */
export interface ConsumeCreditsParameters extends OwnChargeColumns {
  userId: UserId
  /** The number of credits to charge: a whole number from 1 to 2,147,483,647. */
  credits: number
  /** The charge's `transactionScene`: a label. It does not choose the grants that pay: see the option `scenes`. */
  scene?: Credit['transactionScene'] | undefined
  description?: string | null | undefined
  /** Text, or an object to be stored as JSON. */
  metadata?: string | object | null | undefined
  /**
   * The charge's `transactionNo`, unique in the table; generated if it is left out. Pass one to make the call
   * idempotent: a repeated call is rejected with `CREDIT_EXISTS`, or, with `{ replay: true }`, returns the first
   * call's charge.
   */
  transactionNo?: string | null | undefined
  /**
   * Makes the charge a hold: unless it is settled ({@link settleCredits}) or kept ({@link keepCharge}) by this time,
   * {@link releaseHolds} refunds it. It must be in the future, and becomes the charge's `expiresAt`.
   */
  holdUntil?: Date | null | undefined
  /**
   * The app's own transaction, in which the charge runs, as with `within(tx).consumeCredits(…)`: see {@link within}.
   * A model that passes `tx` in order to create a task should call {@link createAITask} instead.
   */
  tx?: object | null | undefined
}

/** A page of a statement. */
export interface StatementQuery {
  /** From this time on, inclusive. */
  from?: Date | undefined
  /** Before this time, exclusive. */
  to?: Date | undefined
  /** The previous page's {@link Statement.cursor}. */
  cursor?: string | undefined
  /** Entries per page: 1 to 1000, default 100. */
  limit?: number | undefined
}

/** Which credits expire soon. */
export interface ExpiringQuery {
  /** Credits that expire within this many milliseconds from now. */
  within: number
  /** Only users with at least this many such credits. Default 1. */
  atLeast?: number | undefined
  /** The previous page's {@link ExpiringPage.cursor}. */
  cursor?: string | null | undefined
  /** Users per page: 1 to 1000, default 100. */
  limit?: number | undefined
}

/** Which rows to audit. */
export interface AuditQuery {
  /** Only this user's rows; by default those of all users. */
  userId?: UserId | undefined
  /** Maximum number of findings; by default all. */
  limit?: number | undefined
  /** Called from time to time with the progress of the audit. */
  onProgress?: ((progress: AuditProgress) => void) | undefined
}

/** Which users to repair, and whether to write. */
export interface RepairOptions {
  /**
   * Only this user. If left out, all users; `undefined` is rejected, so that a missing id does not mean all users.
   */
  userId?: string
  /** Writes the changes, all in one transaction. By default they are only listed. */
  apply?: boolean | undefined
}

/** Which rows of `credit` to count. A filter that is left out, `undefined`, `null` or `''` matches all rows. */
export interface CreditsFilter {
  /** Only this user's rows; by default those of all users. */
  userId?: UserId | undefined
  status?: Credit['status'] | null | undefined
  transactionType?: Credit['transactionType'] | null | undefined
}

/** Which rows of `credit` to list. */
export interface CreditsQuery extends CreditsFilter, PageQuery {
  /** Gives each row its `user`. */
  getUser?: boolean | undefined
}

/** A table of the app that this package uses, by its SQL name. */
export type TableName = 'user' | 'credit' | 'media_tasks' | 'ai_task'

/** Which tables to create. */
export interface CreateTablesOptions {
  /** By default all. `user` and `credit` are always created, because the others refer to them. */
  tables?: readonly TableName[] | undefined
}

// Keeps what is not exported private.
export {}
