// What functions take: rows to write, options and queries.

import type { createAITask } from './ai-tasks.js'
import type { connect } from './connection.js'
import type { keepCharge, settleCredits } from './credits.js'
import type { renewGrants, revokeGrants } from './grants.js'
import type { releaseHolds } from './ledger.js'
import type { AuditProgress, ExpiringPage, Statement } from './results.js'
import type { AITask, Credit, MediaTask } from './rows.js'
import type { within } from './within.js'

/** These columns of a row, each of which may be left out. `undefined` is the same as left out. */
type Some<Row, Column extends keyof Row> = { [Name in Column]?: Row[Name] | undefined }

/** A new row: the `Needed` columns, and what else there is to say. `user` is no column. */
type NewRow<Row, Needed extends string> = Pick<Row, Extract<keyof Row, Needed>> &
  Some<Row, Exclude<keyof Row, Needed | 'user'>>

/** In place of the text of these columns, an object will do, to be written as JSON. */
type WithJson<Row, Column extends string> = Omit<Row, Column> & {
  [Name in Extract<keyof Row, Column>]?: string | object | null | undefined
}

/** The columns of `ai_task` that hold JSON. */
type AITaskJson = 'options' | 'taskInfo' | 'taskResult'

/**
 * A new row of `media_tasks`. Columns that are left out get their default, or `null`.
 *
 * It follows from {@link MediaTask} (or from your own row type): add a column there, not here.
 */
export type NewMediaTask<Task extends object = MediaTask> = NewRow<
  Task,
  'id' | 'userId' | 'platform' | 'videoUrl'
>

/**
 * Columns of `media_tasks` to change. `null` empties a column; what is left out or `undefined` stays as it
 * is.
 *
 * It follows from {@link MediaTask} (or from your own row type): add a column there, not here.
 */
export type UpdateMediaTask<Task extends object = MediaTask> = Some<
  Task,
  Exclude<keyof Task, 'id' | 'userId'>
> & {
  /** A task keeps its id: leave it out. */
  id?: undefined
}

/**
 * A new row of `ai_task`. Columns that are left out get their default, or `null`.
 *
 * It follows from {@link AITask} (or from your own row type): add a column there, not here.
 */
export type NewAITask<AITaskRow extends object = AITask> = NewRow<
  AITaskRow,
  'id' | 'userId' | 'mediaType' | 'provider' | 'model' | 'prompt' | 'status'
> &
  Joining

/** What may run in a transaction of the app's. */
export interface Joining {
  /** The transaction: {@link within} says which, and what that means. */
  tx?: object | null | undefined
}

/**
 * Columns of `ai_task` to change. `null` empties a column; what is left out or `undefined` stays as it is.
 *
 * It follows from {@link AITask} (or from your own row type): add a column there, not here.
 */
export type UpdateAITask<AITaskRow extends object = AITask> = Some<
  AITaskRow,
  Exclude<keyof AITaskRow, 'id' | 'userId' | 'user'>
> & {
  /** A task keeps its id: leave it out. */
  id?: undefined
}

/** What creates an AI task. It is charged `costCredits`; 0 or left out charges nothing. */
export type AITaskToCreate<AITaskRow extends object = AITask> = WithJson<NewAITask<AITaskRow>, AITaskJson>

/** What changes an AI task. */
export type AITaskPatch<AITaskRow extends object = AITask> = WithJson<UpdateAITask<AITaskRow>, AITaskJson>

/** What makes a call safe to repeat. */
export interface ReplayOptions {
  /**
   * The same call, made again, writes nothing and returns the row that the first one wrote, with
   * `replayed: true`. It is the same call if it has the same key (a task's `id`, a charge's or grant's
   * `transactionNo`), the same user and the same number of credits; else it is `IDEMPOTENCY_CONFLICT`. Without
   * this option a key that is taken is `TASK_EXISTS` or `CREDIT_EXISTS`.
   */
  replay?: boolean | undefined
}

/** Which credits may pay: all, or those of some scenes. A scene is a grant's `transactionScene`, to the letter. */
export interface PayingOptions {
  /** Credits of these scenes alone, 1 to 1000. `null` is the same as left out. */
  scenes?: readonly string[] | null | undefined
  /** All credits but those of these scenes; a grant without a scene may pay. */
  exceptScenes?: readonly string[] | null | undefined
}

/** What a user may spend within a window of time. */
export interface SpendingLimit {
  /** How many credits: a whole number from 0. */
  credits: number
  /**
   * The window: a calendar period (a week begins on Monday), or a number of milliseconds: without `since` a rolling window
   * that ends now.
   */
  per: 'hour' | 'day' | 'week' | 'month' | number
  /**
   * Windows are counted from this time on, as a billing cycle is: from the 31st on a month ends with the last day of months that
   * have no such day.
   */
  since?: Date | null | undefined
  /** Only charges of this `transactionScene` count, and only they are limited. */
  scene?: string | null | undefined
  /** The time zone of hours, days, weeks and months, such as `'Europe/Berlin'`. `'UTC'` by default. */
  timeZone?: string | null | undefined
}

/** What a user may spend. */
export interface LimitsOptions {
  /**
   * Limits, at most 10, all of which must hold, decided in the transaction that charges: else it is `SPENDING_LIMIT`
   * (`limit`, `spent`, `required`, `resetsAt`), of several the one that resets last. What was refunded does not count, and a charge
   * that was settled counts with what it took. `null` is no limit.
   */
  limits?: readonly SpendingLimit[] | null | undefined
}

/** Options of a charge. */
export interface ChargeOptions extends ReplayOptions, PayingOptions, LimitsOptions {}

/** Options of a charge for a further step of a task. */
export interface StepOptions extends TaskGuards, PayingOptions, LimitsOptions {}

/**
 * By what grants are drawn on before others: `'expiry'` (the one that expires first; one that never does comes last),
 * `'age'` (the older one), or their scenes: those of the first scene, then of the second, …, and all others last. No key
 * and no scene comes twice.
 */
export type DrawOrderKey = 'expiry' | 'age' | { scenes: readonly string[] }

/** Limits that hold in the transaction that creates a task, however many calls come at once. */
export interface CreateAITaskOptions extends ChargeOptions {
  /**
   * The most tasks of this kind that the user may have in a state in which credits are at risk: pending, downloading,
   * processing or translating; of AI tasks pending or processing. One more is refused with `TOO_MANY_ACTIVE_TASKS`
   * (`active`, `maxActive`). `null` is no limit.
   */
  maxActive?: number | null | undefined
  /** Columns that you have added to `credit`, for the task's charge. */
  charge?: OwnChargeColumns | null | undefined
}

/** Limits that hold in the transaction that creates a media task, however many calls come at once. */
export interface CreateMediaTaskOptions extends CreateAITaskOptions {
  /**
   * How many free trials the user has in all. A task with `isFreeTrial: true` then takes one, which the user's
   * `free_trial_used` counts, or is refused with `FREE_TRIAL_USED_UP` (`used`, `limit`). If it fails, the trial comes
   * back, once; but not if it is a further step that fails (`translating`): the user has what came before. `null` is no limit.
   */
  freeTrialLimit?: number | null | undefined
}

/** How many requests at once are written. */
export interface BatchOptions extends ReplayOptions {
  /**
   * All items in one transaction, at most 500: all of them or none. An error then has `index`, the place
   * of the item that was refused. With `replay`, the first item tells whether this batch was made before.
   */
  atomic?: boolean | undefined
}

/** What must hold of a task before it is changed. If it does not, the call is `TASK_STATE_CONFLICT`. */
export interface TaskGuards {
  /** The task is in this state, or in one of these. */
  ifStatus?: string | readonly string[] | null | undefined
  /** The task was not changed since: its `updatedAt` is earlier than this. */
  ifUpdatedBefore?: Date | null | undefined
}

/**
 * Where refunded credits go.
 *
 * - `'source'`, the default: back to the grants they came from, even to one that has expired since, where
 *   they can't be spent. The app does so.
 * - `{ regrantDays: 30 }`: as above, and the credits that can't be spent there are also granted anew, for this many
 *   days, 1 to 36,500. The new grant has the scene, order and subscription of the grant that they came from. Credits that
 *   go back to a withdrawn grant (`deleted`) stay there.
 */
export type RefundPolicy = 'source' | { regrantDays: number }

/** Options of a call that gives credits back. */
export interface RefundOptions {
  /** By default that of {@link connect}. */
  refundPolicy?: RefundPolicy | undefined
}

/**
 * Options of a settlement. `scenes` and `exceptScenes` say which credits may pay for the difference: pass those of the
 * charge again, since its row does not store them. `limits` apply to charges only: a settlement is never refused by them.
 */
export interface SettleOptions extends RefundOptions, PayingOptions {
  /**
   * If the real cost is more than the charge: by default, and with `'refuse'`, the call rejects with `SETTLE_EXCEEDS_CHARGE`.
   * With `'available'` the charge draws the difference, as far as the user's balance goes.
   */
  over?: 'refuse' | 'available' | undefined
}

/** A subscription's next period, for {@link renewGrants}. Other columns of a grant may be passed too. */
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
  /** The subscription, whose earlier grants are carried over. */
  subscriptionNo: string
  /** An earlier subscription that it replaces, as with an upgrade: its grants are carried over too, from this period on. */
  replaces?: string | null | undefined
  /** When the period ends. */
  periodEnd: Date
  /** The key of the call: the invoice's id. */
  transactionNo: string
  /** How much of earlier periods is carried over; by default each keeps its end. */
  rollover?:
    | {
        /** Maximum number of credits: a whole number from 0. */
        atMost: number
        /** Milliseconds: periods that ended up to this long ago are carried over too. At most a year; by default three days. */
        graceMs?: number | undefined
      }
    | null
    | undefined
}

/** The grants of a payment: one of these. They are one user's. */
export type GrantsTarget =
  | { creditId: string; orderNo?: undefined; subscriptionNo?: undefined }
  | { orderNo: string; creditId?: undefined; subscriptionNo?: undefined }
  | { subscriptionNo: string; creditId?: undefined; orderNo?: undefined }

/** Options of {@link revokeGrants}. */
export interface RevokeOptions {
  /** The key of the call: the payment provider's id of the refund or the dispute. */
  transactionNo: string
  /** How many credits of these grants are to be withdrawn in all: a whole number from 0. By default all. */
  total?: number | undefined
  /** Why, for the metadata of the call's row. */
  reason?: string | null | undefined
  /** `'available'`: what was spent already is taken from the user's other grants, as far as they go. By default `'none'`. */
  recover?: 'available' | 'none' | undefined
}

/** Options of an update. */
export interface UpdateOptions extends TaskGuards, RefundOptions {
  /**
   * Lets a task be delivered (`extracted`, `completed`; of an AI task `success`) although its charge was
   * refunded, which else is `TASK_REFUNDED`.
   */
  allowRefunded?: boolean | undefined
}

/** What to charge for a further step of a task. */
export interface StepCharge extends OwnChargeColumns {
  /** How many credits to take: a whole number from 0 to 2,147,483,647. 0 charges nothing. */
  credits: number
  /** The charge's `transactionScene`, `'payment'` by default. */
  scene?: Credit['transactionScene'] | undefined
  description?: string | null | undefined
  /**
   * An object, or the JSON text of one. The task's id is added as `taskId`, and as `type`
   * `'media-task-step'` unless it has one that begins like this (`'media-task-translation'`).
   */
  metadata?: string | object | null | undefined
  /** The charge's `transactionNo`, unique in the table; made if it is left out. */
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

/** Which stuck tasks to fail, and what to say. */
export interface FailStuckQuery extends Omit<StuckQuery, 'limit'>, RefundOptions {
  /** What the tasks' `errorMessage` says from then on. AI tasks have no such column: leave it out. */
  errorMessage?: string | undefined
  /** Maximum number of tasks: 1 to 1000, default 1000. */
  limit?: number | undefined
}

/** A top-up to claim. */
export interface TopUpParameters {
  userId: UserId
  /** The key of the call, and the grant's `transactionNo`. */
  transactionNo: string
  /** There is a claim only if the balance is below this. */
  below: number
  /** How many credits it would be: a whole number from 1. */
  credits: number
  /** How long after the last claim there is no other, abandoned or not: 366 days at the most, whatever is passed. */
  cooldownMs?: number | null | undefined
  /** How many credits may be claimed in how long, back from now (a month is 30 days; or milliseconds). Abandoned ones do not count. */
  atMost?: { credits: number; per: 'hour' | 'day' | 'week' | 'month' | number } | null | undefined
  transactionScene?: Credit['transactionScene'] | undefined
  orderNo?: string | null | undefined
  subscriptionNo?: string | null | undefined
  userEmail?: string | null | undefined
  /** When the credits expire; never, if it is left out. */
  expiresAt?: Date | null | undefined
  description?: string | null | undefined
  metadata?: string | object | null | undefined
}

/** Which open claims to list. */
export interface TopUpsQuery {
  /** Only claims that are at least this many milliseconds old. */
  olderThanMs?: number | undefined
  /** Maximum number of rows: 1 to 1000, 100 by default. */
  limit?: number | undefined
}

/** How many holds to give back, and where their credits go. */
export interface ReleaseHoldsQuery extends RefundOptions {
  /** Maximum number of charges: 1 to 1000, default 1000. */
  limit?: number | undefined
}

/** Which part of a list. Both may be text, as a page's `searchParams` have them. */
export interface PageQuery {
  /** From 1, which is the default. */
  page?: number | string | undefined
  /** Rows a page, 30 by default. */
  limit?: number | string | undefined
}

/** Which rows of `ai_task` to count. What is left out, `undefined`, `null` or `''` does not narrow anything. */
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
 * A new row of `credit`, complete, as the app's own files pass it around and insert it.
 *
 * It follows from {@link Credit} (or from your own row type): add a column there, not here.
 */
export type NewCredit<CreditRow extends object = Credit> = NewRow<
  CreditRow,
  'id' | 'userId' | 'transactionNo' | 'transactionType' | 'credits' | 'status'
>

/** Columns of `credit` to change, as the app declares it. No function of this package takes it. */
export type UpdateCredit<CreditRow extends object = Credit> = Some<
  CreditRow,
  Exclude<keyof CreditRow, 'id' | 'transactionNo' | 'createdAt' | 'user'>
>

/**
 * A new grant. Left out, `id` and `transactionNo` are made, `status` is `'active'`, `transactionType` is
 * `'grant'` (nothing else is accepted), and `remainingCredits` is `credits` (a different number is refused).
 * A grant without `expiresAt` never expires.
 *
 * It follows from {@link Credit} (or from your own row type): add a column there, not here.
 */
export type NewGrant<CreditRow extends object = Credit> = WithJson<
  NewRow<CreditRow, 'userId' | 'credits'>,
  'metadata'
> &
  Joining

/** What to grant to a user. Every other column of a grant may be said as well, such as its `transactionScene`. */
export type GrantForUser<CreditRow extends object = Credit> = Omit<
  NewGrant<CreditRow>,
  'userId' | 'userEmail' | 'credits' | 'description' | 'expiresAt'
> &
  ReplayOptions & {
    /** A row of `user`, of which the `id` is needed. */
    user: { id: string; email?: string | null | undefined }
    /** How many credits. 0 or less grants nothing. */
    credits: number
    /** For how many days; 0 or left out: for ever. */
    validDays?: number | null | undefined
    /** `'grant credits'` by default. */
    description?: string | null | undefined
  }

/** A user's id as calls take it: text, and a number or a bigint where `user.id` is a whole number of PostgreSQL. */
export type UserId = string | number | bigint

/** The columns of `credit` that a charge fills in by itself, or has parameters for. */
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

/** Further columns of a charge: `userEmail`, and those that you have added to {@link Credit}. */
export interface OwnChargeColumns extends Partial<Omit<Credit, ChargeColumn>> {}

/** What to charge, and what the app's pages show of it. */
export interface ConsumeCreditsParameters extends OwnChargeColumns {
  userId: UserId
  /** How many credits to take: a whole number from 1 to 2,147,483,647. */
  credits: number
  /** The charge's `transactionScene`. */
  scene?: Credit['transactionScene'] | undefined
  description?: string | null | undefined
  /** Text, or an object to be written as JSON. */
  metadata?: string | object | null | undefined
  /**
   * The charge's `transactionNo`, unique in the table; made if it is left out. Choose it yourself where a
   * call may be repeated: the second one is then refused with `CREDIT_EXISTS` and charges nothing, or, with
   * `{ replay: true }`, returns the charge of the first.
   */
  transactionNo?: string | null | undefined
  /**
   * Makes it a hold: if nothing settles ({@link settleCredits}) or keeps it ({@link keepCharge}) by then, {@link releaseHolds}
   * gives it back. A time in the future; it becomes the charge's `expiresAt`.
   */
  holdUntil?: Date | null | undefined
  /**
   * The app's own transaction, in which the charge then runs: `within(tx).consumeCredits(…)`, as {@link within} says.
   * A model that passes its own wants to create a task: {@link createAITask} takes its place.
   */
  tx?: object | null | undefined
}

/** Which part of a statement. */
export interface StatementQuery {
  /** From this time on. */
  from?: Date | undefined
  /** Before this time. */
  to?: Date | undefined
  /** The {@link Statement.cursor} of the page before. */
  cursor?: string | undefined
  /** Entries a page: 1 to 1000, 100 by default. */
  limit?: number | undefined
}

/** Which credits expire soon. */
export interface ExpiringQuery {
  /** Credits that expire within this many milliseconds from now. */
  within: number
  /** Only users with at least this many such credits. 1 by default. */
  atLeast?: number | undefined
  /** The {@link ExpiringPage.cursor} of the page before. */
  cursor?: string | null | undefined
  /** Users a page: 1 to 1000, 100 by default. */
  limit?: number | undefined
}

/** Whose rows to audit. */
export interface AuditQuery {
  /** Without it, those of all users. */
  userId?: UserId | undefined
  /** Maximum number of findings. By default all. */
  limit?: number | undefined
  /** Called now and then with how far the audit is. */
  onProgress?: ((progress: AuditProgress) => void) | undefined
}

/** What to repair. */
export interface RepairOptions {
  /** If it is left out, all users; `undefined` is refused, because no user is not all users. */
  userId?: string
  /** Writes the changes, all in one transaction. By default they are only listed. */
  apply?: boolean | undefined
}

/** Which rows of `credit` to count. What is left out, `undefined`, `null` or `''` does not narrow anything. */
export interface CreditsFilter {
  /** Without it, the rows of all users. */
  userId?: UserId | undefined
  status?: Credit['status'] | null | undefined
  transactionType?: Credit['transactionType'] | null | undefined
}

/** Which rows of `credit` to list. */
export interface CreditsQuery extends CreditsFilter, PageQuery {
  /** Gives each row its `user`. */
  getUser?: boolean | undefined
}

/** A table of the app that this package uses, by its name in the database. */
export type TableName = 'user' | 'credit' | 'media_tasks' | 'ai_task'

/** Which tables to make. */
export interface CreateTablesOptions {
  /** By default all. `user` and `credit` are made with each, because every other table refers to them. */
  tables?: readonly TableName[] | undefined
}

// Keeps what is not exported private.
export {}
