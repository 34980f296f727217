// Charges and refunds the credits of media and AI tasks, each in one transaction, over the app's own database.
//
// Words: a GRANT is a row of `credit` that gives credits; a CHARGE is one that takes them (`transactionType`
// 'consume'); a DRAW is the part of a charge that came from one grant; a REFUND gives a charge's draws back
// to their grants; the BALANCE is what a user can spend now. Credits are whole numbers.
//
// Every function is there twice: at module level, on the default connection, and on what `connect()` returns.
// No call blocks the JavaScript thread: all work on the database is done on other threads.

// ---- Words of the app ----

// As the app's model files have them, under the same names. Every function takes the words as plain text, too, and
// enums of the app's own.

/** What {@link Credit.status} may be. */
export enum CreditStatus {
  ACTIVE = 'active',
  EXPIRED = 'expired',
  DELETED = 'deleted',
}

/** What {@link Credit.transactionType} may be. */
export enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

/** What {@link Credit.transactionScene} may be. Some versions of the app have `AWARD`, others `REWARD`. */
export enum CreditTransactionScene {
  PAYMENT = 'payment',
  SUBSCRIPTION = 'subscription',
  RENEWAL = 'renewal',
  GIFT = 'gift',
  AWARD = 'award',
  REWARD = 'reward',
}

/** What {@link AITask.status} may be. */
export enum AITaskStatus {
  PENDING = 'pending',
  PROCESSING = 'processing',
  SUCCESS = 'success',
  FAILED = 'failed',
  CANCELED = 'canceled',
}

/** What {@link MediaTask.status} may be. */
export type MediaTaskStatus =
  'pending' | 'downloading' | 'processing' | 'extracted' | 'translating' | 'completed' | 'failed'

// ---- Rows ----

/**
 * A row of `media_tasks`. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: name them once, in any `.ts` file of the app, and
 * {@link NewMediaTask} and {@link UpdateMediaTask} have them too. Or give {@link connect} a row type.
 *
 * @example
 * ```ts
 * declare module 'media-credits' {
 *   interface MediaTask { rewrittenScripts: string[] | null }
 * }
 * ```
 */
export interface MediaTask {
  /** Chosen by the app, for example a UUID. */
  id: string
  userId: string
  platform: 'youtube' | 'tiktok' | (string & {})
  videoUrl: string
  thumbnailUrl: string | null
  title: string | null
  author: string | null
  duration: number | null
  likes: number | null
  views: number | null
  shares: number | null
  publishedAt: Date | null
  sourceLang: string | null
  targetLang: string | null
  /**
   * `'pending'` unless the app says otherwise. Credits are at risk while a task is pending, downloading, processing
   * or translating. An update to `'failed'` refunds the task's charge.
   */
  status: MediaTaskStatus | (string & {})
  /** In percent. */
  progress: number
  srtUrl: string | null
  translatedSrtUrl: string | null
  resultVideoUrl: string | null
  errorMessage: string | null
  subtitleRaw: string | null
  subtitleTranslated: string | null
  videoUrlInternal: string | null
  expiresAt: Date | null
  outputType: 'subtitle' | 'video' | (string & {}) | null
  /** The `id` of the charge that paid for the task, or for its last step; `null` if nothing was charged. */
  creditId: string | null
  isFreeTrial: boolean | null
  createdAt: Date
  /** The time of the last write, set by every one. */
  updatedAt: Date
  /** When the app deleted the task. Lists of tasks leave it out from then on. */
  deletedAt: Date | null
}

/**
 * A row of `credit`: a grant or a charge. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface Credit {
  id: string
  userId: string
  userEmail: string | null
  orderNo: string | null
  subscriptionNo: string | null
  /** Unique; digits, unless the app chose it. */
  transactionNo: string
  /** `'grant'`, or `'consume'` for a charge. */
  transactionType: 'grant' | 'consume' | (string & {})
  transactionScene:
    'payment' | 'subscription' | 'renewal' | 'gift' | 'award' | 'reward' | (string & {}) | null
  /** What was granted; of a charge, what it took, as a negative number. */
  credits: number
  /** What is left of a grant; 0 for a charge. */
  remainingCredits: number
  description: string | null
  /** From when on a grant can't be spent any more; `null`: never expires. */
  expiresAt: Date | null
  /** A charge is `'active'` until it is refunded, then `'deleted'`. Only `'active'` grants can be spent. */
  status: 'active' | 'expired' | 'deleted' | (string & {})
  createdAt: Date
  updatedAt: Date
  deletedAt: Date | null
  /** The draws of a charge as the text of a JSON array: {@link Draw}. `null` for a grant. */
  consumedDetail: string | null
  /** Text, usually JSON. */
  metadata: string | null
  /** The row of `user`, if {@link getCredits} was asked for it. */
  user?: User | undefined
}

/**
 * A row of `user`, with the columns that every app has.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface User {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  createdAt: Date
  updatedAt: Date
}

/**
 * An item of a charge's {@link Credit.consumedDetail}: what it drew from one grant. A charge that the app wrote itself
 * may say less of it.
 */
export interface Draw {
  /** The grant's `id`. */
  creditId: string
  /** The grant's `transactionNo`. */
  transactionNo: string
  /** When the grant expires, as `toISOString` writes it; `null`: never. */
  expiresAt: string | null
  /** What was still to draw before this item. */
  creditsToConsume: number
  /** What this item drew. */
  creditsConsumed: number
  /** What the grant held before. */
  creditsBefore: number
  /** What the grant held after. */
  creditsAfter: number
  batchSize: number
  /** The item's number, from 1. */
  batchNo: number
}

/**
 * A row of `ai_task`. What is absent is `null`, times are `Date`s.
 *
 * A table with more columns than these: add them to this interface as {@link MediaTask} shows.
 */
export interface AITask {
  /** Chosen by the app, for example a UUID. */
  id: string
  userId: string
  mediaType: string
  provider: string
  model: string
  prompt: string
  options: string | null
  /** Credits are at risk while a task is pending or processing. An update to `'failed'` refunds its charge. */
  status: 'pending' | 'processing' | 'success' | 'failed' | 'canceled' | (string & {})
  createdAt: Date
  /** The time of the last write, set by every one. */
  updatedAt: Date
  deletedAt: Date | null
  /** The provider's id of it. */
  taskId: string | null
  taskInfo: string | null
  taskResult: string | null
  /** What it cost when it was created. */
  costCredits: number
  /** The charge's `transactionScene`. */
  scene: string
  /** The `id` of the charge that paid for the task, or for its last step; `null` if nothing was charged. */
  creditId: string | null
  /** The row of `user`, if {@link getAITasks} was asked for it. */
  user?: User | undefined
}

/** A row with its user, who may be gone. */
export type WithUser<Row extends object, UserRow extends object = User> = Omit<Row, 'user'> & {
  user: UserRow | undefined
}

// ---- What is written ----

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
>

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

/** Limits that hold in the transaction that creates a task, however many calls come at once. */
export interface CreateAITaskOptions extends ReplayOptions {
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
   * All items in one transaction, 500 at the most: all of them or none. An error then has `index`, the place
   * of the item that was refused. With `replay`, the first item tells whether this batch was made before.
   */
  atomic?: boolean | undefined
}

/** What must hold of a task before it is changed. If it does not, the call is `TASK_STATE_CONFLICT`. */
export interface TaskGuards {
  /** The task is in this state, or in one of these. */
  ifStatus?: string | readonly string[] | null | undefined
  /** Nobody has changed the task since: its `updatedAt` is earlier than this. */
  ifUpdatedBefore?: Date | null | undefined
}

/**
 * Where refunded credits go.
 *
 * - `'source'`, the default: back to the grants they came from, even to one that has expired since, where
 *   nobody can spend them. The app does so.
 * - `{ regrantDays: 30 }`: as above, and as many as can't be spent there come as a new grant that lives so many
 *   days, 1 to 36,500.
 */
export type RefundPolicy = 'source' | { regrantDays: number }

/** Options of a call that gives credits back. */
export interface RefundOptions {
  /** By default that of {@link connect}. */
  refundPolicy?: RefundPolicy | undefined
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
  /** Nobody has changed them for so many milliseconds: longer than your slowest worker is ever silent. */
  olderThanMs: number
  /** In these states, at most 1000; by default all in which a worker should be busy with a task. */
  statuses?: readonly string[] | undefined
  /** At most so many, 1 to 1000, 100 by default. */
  limit?: number | undefined
}

/** Which stuck tasks to fail, and what to say. */
export interface FailStuckQuery extends Omit<StuckQuery, 'limit'>, RefundOptions {
  /** What the tasks' `errorMessage` says from then on. AI tasks have no such column: leave it out. */
  errorMessage?: string | undefined
  /** At most so many, 1 to 1000, which is the default. */
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
>

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
   * A charge can't run inside a transaction of the app (`TRANSACTION_NOT_SUPPORTED`). A model that passes its own wants
   * to create a task: {@link createAITask} takes its place.
   */
  tx?: undefined
}

// ---- What comes back ----

/** What a refund gave back. All is zero if there was nothing to give back, or nothing any more. */
export interface Refund {
  /** How many credits the user has back. */
  credits: number
  /** How many of them can be spent now: a grant may have expired meanwhile. */
  spendable: number
  /** What could not go back. */
  skipped: SkippedRefund[]
  /** The new grant for what could not be spent otherwise, if {@link RefundPolicy} makes one. */
  regranted?: { creditId: string; credits: number; expiresAt: Date }
}

/** A row that a call with `replay` wrote, or that the same call had written before. */
export type Replayable<Row> = Row & {
  /** There if the row was there before. */
  replayed?: true
}

/** What a charge would do now. By the time you charge, it may be different. */
export interface Quote {
  /** Whether the balance covers it. */
  sufficient: boolean
  required: number
  /** The balance. */
  available: number
  /** Which grants would give how much, in order; nothing if the balance is too small. */
  draws: { creditId: string; transactionNo: string; credits: number; expiresAt: Date | null }[]
  /** What expires next of the balance; `null` if nothing ever does. */
  nextExpiry: { expiresAt: Date; credits: number } | null
}

/** What a user can spend. */
export interface Balance {
  /** All that can be spent now, as {@link getRemainingCredits} has it. */
  credits: number
  /** The grants that it comes from, in the order in which they are drawn on. */
  grants: {
    /** The grant's `id`. */
    creditId: string
    transactionNo: string
    /** What is left of it. */
    remaining: number
    /** What it was. */
    granted: number
    /** `null`: never. */
    expiresAt: Date | null
  }[]
  /** What expires next; `null` if nothing ever does. */
  nextExpiry: { expiresAt: Date; credits: number } | null
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

/** A page of what moved a user's balance. */
export interface Statement {
  /** The balance before the first entry. */
  openingBalance: number
  /** Oldest first. */
  entries: StatementEntry[]
  /** For the next page; `null` if this was the last. */
  cursor: string | null
  /** There if values of the user's grants and charges can't be read: what they are, and whether their rows are left out for it. */
  unreadable?: { creditId: string; field: string; found: string; leftOut: boolean }[]
}

/** Something that moved a user's balance. */
export interface StatementEntry {
  /**
   * - `'grant'`: credits were granted.
   * - `'charge'`: credits were taken, as many as at first.
   * - `'settlement'`: a charge gave back what it had taken too much.
   * - `'refund'`: a charge gave back the rest.
   * - `'expiry'`: what was left of a grant expired, or came back to it when it had expired already.
   * - `'revocation'`: what was left of a grant that the app marked as deleted.
   * - `'adjustment'`: a difference that the rows do not explain; {@link auditLedger} says more.
   */
  type: 'grant' | 'charge' | 'settlement' | 'refund' | 'expiry' | 'revocation' | 'adjustment'
  at: Date
  /** What it did to the balance: negative if it took. */
  credits: number
  /** The balance after it. */
  balance: number
  /** The `id` of the grant or charge behind it. */
  creditId: string
  transactionNo: string
  scene: Credit['transactionScene']
  description: string | null
  /** The task that was charged for. */
  task: { kind: 'media' | 'ai'; id: string } | null
}

/** Which books to audit. */
export interface AuditQuery {
  /** Without it, those of all users. */
  userId?: UserId | undefined
  /** At most so many findings. By default all. */
  limit?: number | undefined
  /** Called now and then with how far the audit is. */
  onProgress?: ((progress: AuditProgress) => void) | undefined
}

/** How far an audit is. */
export interface AuditProgress {
  /** Users whose books were read. */
  users: number
  /** Rows of `credit` that were read. */
  rows: number
  /** Rows of `credit` that there were when the audit began. */
  totalRows: number
}

/** Something that is wrong with a user's books. */
export interface LedgerFinding {
  /**
   * - `'grant-out-of-range'`: less than nothing is left of a grant, or more than was granted.
   * - `'refunded-more-than-once'`: credits came back to a grant that had come back before: they were minted.
   * - `'grant-draws-differ'`: what left a grant is not what its active charges drew.
   * - `'charge-draws-differ'`: a charge's draws don't add up to what it took: the user was overdrawn.
   * - `'detail-unreadable'`: a charge's `consumedDetail` can't be read.
   * - `'draw-on-foreign-grant'`: a charge drew on a grant that is not there, or on another user's.
   * - `'charge-without-task'`: the task that a charge was made for is not there, or another user's.
   * - `'task-without-charge'`: the charge that a task names is not there, or another user's.
   * - `'delivered-task-refunded'`: a task was delivered, and its charge was refunded.
   * - `'failed-task-charged'`: a task has failed, and its charge was not refunded.
   * - `'wrong-time-unit'`: a time in seconds among milliseconds, or the other way round.
   * - `'value-unreadable'`: a column holds something else than it says, such as text where a time belongs.
   */
  kind:
    | 'grant-out-of-range'
    | 'refunded-more-than-once'
    | 'grant-draws-differ'
    | 'charge-draws-differ'
    | 'detail-unreadable'
    | 'draw-on-foreign-grant'
    | 'charge-without-task'
    | 'task-without-charge'
    | 'delivered-task-refunded'
    | 'failed-task-charged'
    | 'wrong-time-unit'
    | 'value-unreadable'
  userId: string
  /** The row that is wrong, then those that show it. */
  rows: { table: 'credit' | 'media_tasks' | 'ai_task'; id: string }[]
  /** The numbers that don't fit, by name: `{ granted: 100, remaining: 130, drawn: 0 }`. */
  numbers: Record<string, number>
  /** The same as a sentence. */
  message: string
}

/** What to repair. */
export interface RepairOptions {
  /** If it is left out, the books of all users; `undefined` is refused, because no user is not all users. */
  userId?: string
  /** Writes the changes, all in one transaction. By default they are only listed. */
  apply?: boolean | undefined
}

/** What was put right, or could be. */
export interface Repair {
  /** Whether the changes are in the database. */
  applied: boolean
  changes: LedgerChange[]
}

/** A value that is put right. */
export interface LedgerChange {
  /** What was found. */
  kind: 'refunded-more-than-once' | 'failed-task-charged' | 'wrong-time-unit'
  userId: string
  table: 'credit'
  /** The row's `id`. */
  id: string
  column: 'remainingCredits' | 'status' | 'createdAt' | 'updatedAt' | 'deletedAt' | 'expiresAt'
  before: number | string | Date
  after: number | string | Date
  /** The same as a sentence. */
  message: string
}

/** What became of stuck tasks. */
export interface FailedStuckTasks {
  /** Those that failed now, oldest first: with the status that they had, and what was refunded. */
  tasks: { id: string; userId: string; status: string; refund: Refund }[]
  /** How many credits went back, of all of them. */
  credits: number
  /** How many of these can be spent. */
  spendable: number
  /**
   * Those that could not be failed, such as one whose charge can't be read. They are as they were, but for one whose
   * error is `OUTCOME_UNKNOWN`: that one may have failed.
   */
  errors: { id: string; userId: string; error: MediaCreditsError }[]
}

/** Credits that could not go back to the grant they came from. */
export interface SkippedRefund {
  /** The grant's `id`. */
  creditId: string
  credits: number
  /**
   * `'grant-not-found'`: the user has no such grant (any more). `'grant-full'`: the grant would hold more
   * than was granted, because something else gave these credits back already.
   */
  reason: 'grant-not-found' | 'grant-full'
}

/** A page of a user's tasks. */
export interface MediaTaskPage<Task extends object = MediaTask> {
  /** Newest first. */
  list: Task[]
  /** How many tasks there are on all pages. */
  total: number
  page: number
  limit: number
  totalPages: number
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

/** What was found when the database was opened. */
export type Diagnostics = SqliteDiagnostics | PostgresDiagnostics

/** What was found in an SQLite file. */
export interface SqliteDiagnostics {
  storage: 'sqlite'
  /** The file, or `:memory:`. */
  path: string
  /** SQLite's journal mode: `'wal'` wherever it can be had. */
  journalMode: string
  /** How the database keeps times: as epoch milliseconds or seconds. */
  timestampUnit: 'ms' | 's'
  /**
   * `'ofd'`: safe beside the app's own client in the same process (Linux). `'system'`: the system's own locks;
   * `docs/locking.md` says what that means.
   */
  locking: 'ofd' | 'system'
  /** The version of SQLite in this package. */
  sqliteVersion: string
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** What was found on a PostgreSQL server. */
export interface PostgresDiagnostics {
  storage: 'postgres'
  /** Such as `'18.4'`. */
  serverVersion: string
  /** The database's name. */
  database: string
  /** The schema that the tables are in. */
  schema: string
  /** The default isolation of transactions, such as `'read committed'`. */
  isolation: string
  /** Whether the server sees an encrypted connection. A pooler in between has two. */
  encrypted: boolean
  /** The most connections of this process, as {@link ConnectOptions.maxConnections} or the environment says. */
  maxConnections: number
  /** What keeps a commit through a crash, as the server says. `synchronousCommit` is its default: writes here never run with `'off'`. */
  durability: { fsync: boolean; fullPageWrites: boolean; synchronousCommit: string }
  /** What the connection's role may not do with the tables: a privilege or a policy that is missing, with the statement that adds it. */
  lacks: { table: string; command: 'SELECT' | 'INSERT' | 'UPDATE'; message: string }[]
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** A table as it was found. */
export interface TableDiagnostics {
  name: string
  /** The names that they have in the database: `video_url`. */
  columns: string[]
  /** Those on all rows. An expression in place of a column is `null`. */
  indexes: { name: string; columns: (string | null)[]; unique: boolean }[]
}

// ---- Statistics ----

/**
 * What the engine of a database has counted in this process since it was started, and how it is now. All connections
 * of a process to one database share one engine, worker threads included; other processes have their own.
 *
 * Counts only grow until the last connection is closed; {@link CommonStats.startedAt} tells when they began anew.
 */
export type Stats = SqliteStats | PostgresStats

/** What is counted on either storage. */
export interface CommonStats {
  /** When the engine was started: by the first call of the first connection. */
  startedAt: Date
  /**
   * What came of the calls, by the functions' names; those that nobody has called are not there. Calls that are wrong
   * by themselves are counted too. Not counted: `stats`, `close`, `on`, `once`, `off`, and what nobody could carry out (a URL
   * that is no use, a connection that is closed).
   *
   * A function that is made of others counts as those: `createMediaTasks` without `atomic` as so many
   * `createMediaTask`; `failStuckMediaTasks` as one each time it looks for tasks, and an `updateMediaTaskById` for each
   * task that it fails; `auditLedger` as one for each page of users; `grantCreditsForUser` as a `createCredit`.
   */
  operations: Partial<Record<keyof MediaCredits, OperationStats>>
  /** The requests that wait and run. With an SQLite file, those that write; reads are in `readQueue`. */
  queue: QueueStats
  /**
   * The transactions that requests share: on SQLite each transaction of the writer, on PostgreSQL each batch of calls
   * that charge. `count`: how many; `requests`: in all of them; `meanSize`, `largestSize`: requests in one.
   */
  batches: { count: number; requests: number; meanSize: number; largestSize: number }
  /**
   * How long commits took that have written something: until the data was on the disk, as `durability` says; on
   * PostgreSQL the round trip that writes and commits.
   */
  commits: Durations
}

/** The statistics of an SQLite file. */
export interface SqliteStats extends CommonStats {
  storage: 'sqlite'
  /** The requests that read, which have a thread of their own; `null` in memory, where the writer reads too. */
  readQueue: QueueStats | null
  locks: {
    /** How long the writer waited for the file's write lock, which others may hold. */
    waits: Durations
    /** How often it gave up after `busyTimeoutMs`: then all requests of that batch got `DATABASE_BUSY`. */
    timeouts: number
  }
  retries: {
    /** Batches that were undone because one of their requests failed, and then ran one by one. */
    oneByOne: number
    /** How often the file was opened anew after a failed write, or because it was replaced. */
    reopened: number
  }
}

/** The statistics of a PostgreSQL database. */
export interface PostgresStats extends CommonStats {
  storage: 'postgres'
  connections: {
    /** Those of this process's pool now. */
    open: number
    /** How many of them nobody uses. */
    idle: number
    /** How many transactions wait for one. */
    waiting: number
    /** `maxConnections`. */
    most: number
    /** How long transactions waited for a connection, be it for a free or for a new one. */
    waits: Durations
  }
  /** How long the server took to answer, network included. A call is two of them, a read one. */
  roundTrips: Durations
  retries: {
    /** Batches that were undone because one of their requests failed, or met a lock, and then ran one by one. */
    oneByOne: number
    /** Requests that ran again after a deadlock or a serialization failure, each time. */
    conflicts: number
    /** Requests that ran again because a connection of the pool turned out to be dead. */
    lostConnections: number
    /** Requests that ran again after a new look at the tables, because they did not fit. */
    schemaChanges: number
  }
}

/** What came of the calls of one function. */
export interface OperationStats {
  /** How many were carried out. */
  done: number
  /** How many were refused, by code: the caller's fault, or the ledger's refusal. */
  refused: Partial<Record<MediaCreditsErrorCode, number>>
  /** How many failed, by code: the database's trouble. */
  failed: Partial<Record<MediaCreditsErrorCode, number>>
}

/** Requests in front of a database. */
export interface QueueStats {
  /** How many wait now for somebody to work on them. */
  queued: number
  /** The most that ever waited. */
  mostQueued: number
  /** How many are being worked on now: they wait for a lock or a connection, or their transaction runs. */
  running: number
  /** `maxQueue`. On SQLite `queued` never exceeds it; on PostgreSQL `queued` and `running` together. */
  capacity: number
  /** How many were refused with `OVERLOADED`. */
  overloaded: number
  /**
   * How long requests waited from the call on: on SQLite until their transaction began, so that a lock which others
   * hold is in it; on PostgreSQL until they were `running`. Those that have not begun are not in it yet.
   */
  waits: Durations
}

/** How long something took, in milliseconds. */
export interface Durations {
  /** How often. */
  count: number
  /** All together: between two snapshots, its difference by that of `count` is the mean of the time between. */
  totalMs: number
  meanMs: number
  /** Half of them took no longer. It may be too high by a quarter, as `p99Ms`. */
  p50Ms: number
  /** 99 of a hundred took no longer. */
  p99Ms: number
  maxMs: number
}

// ---- Errors ----

/**
 * Why a call was refused or failed. `docs/errors.md` lists every code with cause and remedy.
 *
 * - The caller's fault: something is wrong with what was passed; the same call will fail again.
 * - The ledger's refusal: it looked, and said no.
 * - The database's trouble. Any call can reject with one of these.
 */
export type MediaCreditsErrorCode =
  // The caller's fault
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
  | 'TRANSACTION_NOT_SUPPORTED'
  | 'INVALID_URL'
  | 'UNSUPPORTED_DATABASE'
  | 'CLOSED'
  // The ledger's refusal
  | 'INSUFFICIENT_CREDITS'
  | 'CHARGE_OWNER_MISMATCH'
  | 'CHARGE_CORRUPT'
  | 'VALUE_UNREADABLE'
  | 'TOO_MANY_ACTIVE_TASKS'
  | 'FREE_TRIAL_USED_UP'
  | 'TASK_STATE_CONFLICT'
  | 'TASK_REFUNDED'
  | 'SETTLE_EXCEEDS_CHARGE'
  | 'SETTLE_CONFLICT'
  // The database's trouble
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
  /** The user who is not there (`USER_NOT_FOUND`). */
  readonly userId?: string
  /** The task in question (`TASK_EXISTS`, `TASK_STATE_CONFLICT`, `TASK_REFUNDED`). */
  readonly taskId?: string
  /** The status that the task has (`TASK_STATE_CONFLICT`). */
  readonly status?: string
  /** The charge in question (`CHARGE_…`, `SETTLE_…`, `TASK_REFUNDED`). */
  readonly creditId?: string
  /** How many credits were asked for (`INSUFFICIENT_CREDITS`). */
  readonly required?: number
  /** How many credits the user can spend (`INSUFFICIENT_CREDITS`). */
  readonly available?: number
  /** How many active tasks the user has (`TOO_MANY_ACTIVE_TASKS`). */
  readonly active?: number
  /** How many active tasks the call allowed (`TOO_MANY_ACTIVE_TASKS`). */
  readonly maxActive?: number
  /** How many free trials the user has used (`FREE_TRIAL_USED_UP`). */
  readonly used?: number
  /** How many free trials the call allowed (`FREE_TRIAL_USED_UP`). */
  readonly limit?: number
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

// ---- Events ----

/** What happened, by the name of the event. */
export interface MediaCreditsEvents {
  /** Credits were taken: a charge is in the database that was not there before. */
  charged: ChargedEvent
  /** Credits went back. */
  refunded: RefundedEvent
  /** The ledger looked, and said no. */
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
  /** How many credits were taken. */
  credits: number
  /** The charge's `id`. */
  creditId: string
  /** There if the call created or charged a task. */
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

/** The codes of the ledger's refusals: neither the caller's fault nor the database's trouble. */
export type RefusalCode = Extract<
  MediaCreditsErrorCode,
  | 'INSUFFICIENT_CREDITS'
  | 'CHARGE_OWNER_MISMATCH'
  | 'CHARGE_CORRUPT'
  | 'VALUE_UNREADABLE'
  | 'TOO_MANY_ACTIVE_TASKS'
  | 'FREE_TRIAL_USED_UP'
  | 'TASK_STATE_CONFLICT'
  | 'TASK_REFUNDED'
  | 'SETTLE_EXCEEDS_CHARGE'
  | 'SETTLE_CONFLICT'
>

/** A balance that was at or above a threshold, and is below it. */
export interface BalanceLowEvent {
  userId: string
  /** The balance, read after the charge. */
  balance: number
  /** The threshold. */
  below: number
}

// ---- Connections ----

/**
 * How to open a database. All connections of a process to one database must be given the same options. Those
 * that are about the other kind of database do nothing, so that an app can pass the same to both.
 */
export interface ConnectOptions {
  /**
   * SQLite: `file:data/local.db` (relative to the working directory), `file:/absolute/path`, a plain path, or
   * `:memory:` for tests. PostgreSQL: `postgres://user:password@host:5432/database?sslmode=require`, with the
   * parameters of libpq and postgres.js, and `PGPASSWORD` and its like for what it leaves out (docs/database-url.md). By
   * default the environment's `DATABASE_URL`.
   */
  url?: string | undefined
  /**
   * SQLite: what a promise that resolved means. `'full'`, the default: the data is on the disk, a power cut loses
   * nothing. `'normal'`: the operating system has it; a crash of the process loses nothing, a power cut may
   * lose the last moments. Neither leaves anything half done. PostgreSQL: the server's
   * `synchronous_commit`, but `on` where that is `off`.
   */
  durability?: 'full' | 'normal' | undefined
  /**
   * SQLite: `'wal'`, the default, turns the write-ahead log on, where it can be had. `'keep'` leaves the file's
   * journal mode as it is: for file systems that can't share memory, and for backups that copy one file only.
   * With a rollback journal a power cut may undo the last commit: SQLite does not sync the folder.
   */
  journalMode?: 'wal' | 'keep' | undefined
  /**
   * How long to wait for a lock that another process or connection holds, before `DATABASE_BUSY`: 0 to 600,000
   * milliseconds, 5000 by default.
   */
  busyTimeoutMs?: number | undefined
  /** How many calls may wait, before further ones get `OVERLOADED`: 1 to 1,000,000, 10,000 by default. */
  maxQueue?: number | undefined
  /** Where refunds go that say nothing about it; `'source'` by default. Each connection has its own. */
  refundPolicy?: RefundPolicy | undefined
  /**
   * The states that {@link getActiveMediaTasks} and {@link hasActiveMediaTask} look for: `'processing'` and
   * `'translating'` by default, as in the app. Each connection has its own.
   */
  activeStatuses?: readonly string[] | undefined
  /** SQLite: how the database keeps times, as epoch milliseconds or seconds. By default it is found out. */
  timestampUnit?: 'ms' | 's' | undefined
  /**
   * PostgreSQL: the most connections of this process, 1 to 1000. They open as they are needed. By default the
   * environment's `DB_MAX_CONNECTIONS`, and without that 10.
   */
  maxConnections?: number | undefined
  /**
   * PostgreSQL: how long to wait for a connection, be it for a free one (then `DATABASE_BUSY`) or for the server
   * (`DATABASE_UNAVAILABLE`): 1 to 600,000 milliseconds, 10,000 by default.
   */
  connectTimeoutMs?: number | undefined
  /**
   * PostgreSQL: how long a statement may take, 1 to 600,000 milliseconds, 30,000 by default. After that the server
   * gives up (`DATABASE_BUSY`); one that does not answer at all is given up two seconds later.
   */
  statementTimeoutMs?: number | undefined
  /**
   * PostgreSQL: the schema that the app's tables are in, or several with commas in between (`'app,public'`). One
   * with a comma or a quote in its name stands in quotes (`"`), and a quote in these is doubled. The tables are
   * looked up in these alone; the app's triggers find what is in them first, and then what the session's own
   * `search_path` has. By default the environment's `DB_SCHEMA`, and without that whichever schema the server finds
   * first.
   */
  schema?: string | undefined
}

/**
 * A connection to a database. It is cheap: nothing is opened before the first call, and all connections of
 * the process to one database share its threads, or its pool.
 *
 * With an app's own row types, its functions take and return those. They come in the order media task, credit, AI task,
 * user; an app without media tasks says `MediaTask` for the first.
 *
 * Throws `INVALID_ARGUMENT` or `UNKNOWN_FIELD` for options that are wrong. A URL that is no use is the first
 * call's error (`INVALID_URL`, `UNSUPPORTED_DATABASE`), so that an app builds where there is no database.
 *
 * @example
 * ```ts
 * export const { createMediaTask, updateMediaTaskById, consumeCredits } =
 *   connect<typeof mediaTasks.$inferSelect, typeof credit.$inferSelect>()
 * ```
 */
export function connect<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
>(options?: ConnectOptions): MediaCredits<Task, CreditRow, AITaskRow, UserRow>

/**
 * A connection, made by {@link connect}. Its functions are those of the module, and may be taken off it:
 * `const { createMediaTask } = connect()`.
 */
export class MediaCredits<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
> {
  private constructor()

  /**
   * Creates a task and charges `costCredits` for it, in one transaction.
   * Guarantees, errors, example: {@link createMediaTask}.
   */
  readonly createMediaTask: (
    task: NewMediaTask<Task>,
    costCredits: number,
    options?: CreateMediaTaskOptions,
  ) => Promise<Replayable<Task>>

  /** Creates several tasks, each for itself or all together. More: {@link createMediaTasks}. */
  readonly createMediaTasks: {
    (
      items: readonly { task: NewMediaTask<Task>; costCredits: number }[],
      options: BatchOptions & CreateMediaTaskOptions & { atomic: true },
    ): Promise<Replayable<Task>[]>
    (
      items: readonly { task: NewMediaTask<Task>; costCredits: number }[],
      options?: BatchOptions & CreateMediaTaskOptions,
    ): Promise<PromiseSettledResult<Replayable<Task>>[]>
  }

  /**
   * Changes a task; `status: 'failed'` also refunds its charge, once, in the same transaction.
   * Guarantees, errors, example: {@link updateMediaTaskById}.
   */
  readonly updateMediaTaskById: (
    id: string,
    patch: UpdateMediaTask<Task>,
    options?: UpdateOptions,
  ) => Promise<(Task & { refund?: Refund }) | undefined>

  /** Charges for a further step of a task, and changes the task with it. More: {@link chargeMediaTask}. */
  readonly chargeMediaTask: (
    id: string,
    charge: StepCharge,
    patch?: UpdateMediaTask<Task>,
    options?: TaskGuards,
  ) => Promise<Task | undefined>

  /** Settles a task's charge to what the task really cost. More: {@link settleMediaTask}. */
  readonly settleMediaTask: (
    id: string,
    finalCredits: number,
    options?: RefundOptions,
  ) => Promise<(CreditRow & { refund: Refund }) | undefined>

  /** All charges of a task, oldest first. More: {@link getMediaTaskCharges}. */
  readonly getMediaTaskCharges: (id: string) => Promise<CreditRow[]>

  /** Tasks that nobody works on any more, oldest first. More: {@link findStuckMediaTasks}. */
  readonly findStuckMediaTasks: (query: StuckQuery) => Promise<Task[]>

  /** Fails and refunds tasks that nobody works on any more. More: {@link failStuckMediaTasks}. */
  readonly failStuckMediaTasks: (query: FailStuckQuery) => Promise<FailedStuckTasks>

  /** As {@link createMediaTask}, for AI tasks. */
  readonly createAITask: (
    task: AITaskToCreate<AITaskRow>,
    options?: CreateAITaskOptions,
  ) => Promise<Replayable<AITaskRow>>

  /** As {@link createMediaTasks}, for AI tasks. */
  readonly createAITasks: {
    (
      items: readonly AITaskToCreate<AITaskRow>[],
      options: BatchOptions & CreateAITaskOptions & { atomic: true },
    ): Promise<Replayable<AITaskRow>[]>
    (
      items: readonly AITaskToCreate<AITaskRow>[],
      options?: BatchOptions & CreateAITaskOptions,
    ): Promise<PromiseSettledResult<Replayable<AITaskRow>>[]>
  }

  /** As {@link updateMediaTaskById}, for AI tasks. */
  readonly updateAITaskById: (
    id: string,
    patch: AITaskPatch<AITaskRow>,
    options?: UpdateOptions,
  ) => Promise<(AITaskRow & { refund?: Refund }) | undefined>

  /** As {@link chargeMediaTask}, for AI tasks. */
  readonly chargeAITask: (
    id: string,
    charge: StepCharge,
    patch?: AITaskPatch<AITaskRow>,
    options?: TaskGuards,
  ) => Promise<AITaskRow | undefined>

  /** As {@link settleMediaTask}, for AI tasks. */
  readonly settleAITask: (
    id: string,
    finalCredits: number,
    options?: RefundOptions,
  ) => Promise<(CreditRow & { refund: Refund }) | undefined>

  /** The AI task with this id, or `undefined`. */
  readonly findAITaskById: (id: string) => Promise<AITaskRow | undefined>

  /** As {@link getMediaTaskCharges}, for AI tasks. */
  readonly getAITaskCharges: (id: string) => Promise<CreditRow[]>

  /** A page of AI tasks, newest first. */
  readonly getAITasks: {
    (query: AITasksQuery & { getUser: true }): Promise<WithUser<AITaskRow, UserRow>[]>
    (query?: AITasksQuery): Promise<AITaskRow[]>
  }

  /** How many AI tasks there are. */
  readonly getAITasksCount: typeof getAITasksCount

  /** As {@link findStuckMediaTasks}, for AI tasks. */
  readonly findStuckAITasks: (query: StuckQuery) => Promise<AITaskRow[]>

  /** As {@link failStuckMediaTasks}, for AI tasks. */
  readonly failStuckAITasks: typeof failStuckAITasks

  /** The task with this id, or `undefined`. More: {@link findMediaTaskById}. */
  readonly findMediaTaskById: (id: string) => Promise<Task | undefined>

  /** Whether the user has a task that is still being worked on. More: {@link hasActiveMediaTask}. */
  readonly hasActiveMediaTask: (userId: UserId) => Promise<boolean>

  /** The user's tasks that are still being worked on, newest first. More: {@link getActiveMediaTasks}. */
  readonly getActiveMediaTasks: (userId: UserId) => Promise<Task[]>

  /** A page of the user's tasks, newest first. More: {@link getMediaTaskHistory}. */
  readonly getMediaTaskHistory: (
    userId: UserId,
    page?: number | string,
    limit?: number | string,
  ) => Promise<MediaTaskPage<Task>>

  /**
   * Charges a user, drawing on the grants that expire first, in one transaction.
   * Guarantees, errors, example: {@link consumeCredits}.
   */
  readonly consumeCredits: (
    parameters: ConsumeCreditsParameters,
    options?: ReplayOptions,
  ) => Promise<Replayable<CreditRow>>

  /** Charges several times, each for itself or all together. More: {@link consumeCreditsBatch}. */
  readonly consumeCreditsBatch: {
    (
      items: readonly ConsumeCreditsParameters[],
      options: BatchOptions & { atomic: true },
    ): Promise<Replayable<CreditRow>[]>
    (
      items: readonly ConsumeCreditsParameters[],
      options?: BatchOptions,
    ): Promise<PromiseSettledResult<Replayable<CreditRow>>[]>
  }

  /** Gives a charge's credits back, or some of them. More: {@link refundCredits}. */
  readonly refundCredits: (
    chargeId: string,
    credits?: number,
    options?: RefundOptions,
  ) => Promise<CreditRow & { refund: Refund }>

  /** Grants credits to a user. Guarantees, errors, example: {@link createCredit}. */
  readonly createCredit: (
    newCredit: NewGrant<CreditRow>,
    options?: ReplayOptions,
  ) => Promise<Replayable<CreditRow>>

  /** Grants credits for some days, or for ever. More: {@link grantCreditsForUser}. */
  readonly grantCreditsForUser: (
    grant: GrantForUser<CreditRow>,
    options?: ReplayOptions,
  ) => Promise<Replayable<CreditRow> | undefined>

  /** What the user can spend, grant by grant. More: {@link getBalance}. */
  readonly getBalance: typeof getBalance

  /** A page of everything that moved the user's balance. More: {@link getStatement}. */
  readonly getStatement: typeof getStatement

  /** What is wrong with the ledger. Guarantees, errors, example: {@link auditLedger}. */
  readonly auditLedger: typeof auditLedger

  /** Puts right what can be only one way. Guarantees, errors, example: {@link repairLedger}. */
  readonly repairLedger: typeof repairLedger

  /** What a charge would do now, without doing it. More: {@link quoteCredits}. */
  readonly quoteCredits: (userId: UserId, credits: number) => Promise<Quote>

  /** The user's balance: how many credits can be spent now. More: {@link getRemainingCredits}. */
  readonly getRemainingCredits: (userId: UserId) => Promise<number>

  /** A page of grants and charges, newest first. More: {@link getCredits}. */
  readonly getCredits: {
    (query: CreditsQuery & { getUser: true }): Promise<WithUser<CreditRow, UserRow>[]>
    (query?: CreditsQuery): Promise<CreditRow[]>
  }

  /** How many grants and charges there are. More: {@link getCreditsCount}. */
  readonly getCreditsCount: (filter?: CreditsFilter) => Promise<number>

  /** Makes the app's tables where they are missing, for tests and a fresh start: {@link createTables}. */
  readonly createTables: (options?: CreateTablesOptions) => Promise<void>

  /** What was found when the database was opened. */
  readonly getDiagnostics: () => Promise<Diagnostics>

  /** What the engine of this database has counted in this process: {@link stats}. */
  readonly stats: () => Promise<Stats>

  /** Calls a listener whenever a call of this connection did this. More: {@link on}. */
  readonly on: typeof on

  /** As {@link on}, once. */
  readonly once: typeof once

  /** Takes a listener off. More: {@link off}. */
  readonly off: typeof off

  /**
   * Closes the connection. It resolves when the calls made before are answered and, if this was the process's
   * last connection to the database, the file is released. Later calls reject with `CLOSED`. An app that only
   * exits need not close: whatever was acknowledged is in the database.
   */
  readonly close: () => Promise<void>
}

// ---- The functions, on the default connection ----

/**
 * Creates a task and charges its user `costCredits` (a whole number from 0 to 2,147,483,647), in one
 * transaction: when the promise resolves, both the charge and the task are in the database, durably; if it
 * rejects, neither is.
 *
 * The charge draws on the grants that expire first, as {@link consumeCredits} does; its `id` becomes the
 * task's `creditId`. A cost of 0 charges nothing.
 *
 * You choose the task's `id`, so a call can be repeated safely: if the first one went through after all, the
 * second is refused with `TASK_EXISTS` and charges nothing. With `{ replay: true }` it returns the task of the
 * first instead, as it is now.
 *
 * `maxActive` and `freeTrialLimit` are the plan's limits: checked here, they hold for calls that come at once.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`), `TOO_MANY_ACTIVE_TASKS` (`active`, `maxActive`),
 * `FREE_TRIAL_USED_UP` (`used`, `limit`), `USER_NOT_FOUND`, `TASK_EXISTS`, `IDEMPOTENCY_CONFLICT` (with `replay`, if the task that is there is another user's or cost something else),
 * `INVALID_AMOUNT`, `INVALID_ID`, `UNKNOWN_FIELD`, `MISSING_FIELD`, `INVALID_VALUE`, `INVALID_DATE`, or, for
 * a `creditId` in the task, `READ_ONLY_FIELD` (the charge sets it), `CHARGE_NOT_FOUND` or
 * `CHARGE_OWNER_MISMATCH` (with a cost of 0; the charge is another user's, or was made for another task).
 *
 * @returns The new task, with all columns.
 *
 * @example
 * ```ts
 * const task = await createMediaTask({ id: getUuid(), userId, platform: 'youtube', videoUrl }, 10)
 * ```
 */
export function createMediaTask(
  task: NewMediaTask,
  costCredits: number,
  options?: CreateMediaTaskOptions,
): Promise<Replayable<MediaTask>>

/**
 * Creates several tasks, as {@link createMediaTask} does. With `{ atomic: true }` in one transaction, all of
 * them or none: it resolves to the tasks in the order of the items, or rejects with the error of the first
 * item that was refused, and its `index`. Otherwise each stands for itself, and it resolves to an outcome for
 * each, as `Promise.allSettled` does. Either way an item has `task` and `costCredits` alone (`UNKNOWN_FIELD`).
 *
 * @example
 * ```ts
 * const outcomes = await createMediaTasks(urls.map((videoUrl) => ({ task: newTask(videoUrl), costCredits: 10 })))
 * const created = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value)
 * ```
 */
export function createMediaTasks(
  items: readonly { task: NewMediaTask; costCredits: number }[],
  options: BatchOptions & CreateMediaTaskOptions & { atomic: true },
): Promise<Replayable<MediaTask>[]>
export function createMediaTasks(
  items: readonly { task: NewMediaTask; costCredits: number }[],
  options?: BatchOptions & CreateMediaTaskOptions,
): Promise<PromiseSettledResult<Replayable<MediaTask>>[]>

/**
 * Changes a task, and sets its `updatedAt`. `null` in the patch empties a column, `undefined` leaves it
 * alone.
 *
 * `status: 'failed'` also refunds the charge that `patch.creditId` names, or else the task's own, in the same
 * transaction. The credits go back to the grants they came from, no grant is raised above what was granted,
 * and the charge becomes `'deleted'`. A charge is refunded once, however often and from however many places
 * at once the task is made to fail. The result then has `refund`: it says what went back, and is all zero if
 * nothing did.
 *
 * `ifStatus` and `ifUpdatedBefore` let the update happen only if the task is as the caller believes: so one
 * worker of many claims a task. A worker that is late and delivers (`extracted`, `completed`) what was refunded
 * meanwhile is refused, unless `allowRefunded` says otherwise.
 *
 * Rejects with `TASK_STATE_CONFLICT` (a guard did not hold; `status`), `TASK_REFUNDED`, `CHARGE_OWNER_MISMATCH` (the charge is another user's, or was made for another task), `CHARGE_CORRUPT` (its draws
 * can't be read), `CHARGE_NOT_FOUND` (no charge has the id `patch.creditId`), `READ_ONLY_FIELD` (`id` or
 * `userId` in the patch), `UNKNOWN_FIELD`, `INVALID_ID`, `INVALID_VALUE` or `INVALID_DATE`. The task is then
 * as it was.
 *
 * @returns The whole task as it is now, or `undefined` if there is none with this id.
 *
 * @example
 * ```ts
 * const failed = await updateMediaTaskById(task.id, {
 *   status: 'failed',
 *   errorMessage: message,
 *   progress: 0,
 *   creditId: task.creditId || null,
 * })
 * failed?.refund?.credits // 10; 0 if they had gone back before
 * ```
 */
export function updateMediaTaskById(
  id: string,
  patch: UpdateMediaTask,
  options?: UpdateOptions,
): Promise<(MediaTask & { refund?: Refund }) | undefined>

/**
 * Charges for a further step of a task, such as a translation, and changes the task, in one transaction: the
 * charge becomes the task's `creditId`, and a failure from then on refunds this step alone. Earlier charges stay
 * ({@link getMediaTaskCharges}). `credits: 0` charges nothing and empties `creditId`, so that a step that was
 * free refunds nothing. Charging a task that has failed makes it live again: give it another status.
 *
 * Rejects with `INSUFFICIENT_CREDITS`, `TASK_STATE_CONFLICT`, `CREDIT_EXISTS`, `INVALID_AMOUNT`,
 * `READ_ONLY_FIELD` (`creditId` or `status: 'failed'` in the patch), `INVALID_ARGUMENT` or the errors of
 * {@link updateMediaTaskById}. Nothing is written then.
 *
 * @returns The whole task as it is now, or `undefined` if there is none with this id.
 *
 * @example
 * ```ts
 * await chargeMediaTask(
 *   taskId,
 *   { credits: 5, description: 'Subtitle translation: fr', metadata: { type: 'media-task-translation' } },
 *   { status: 'translating', targetLang: 'fr', progress: 0 },
 *   { ifStatus: 'extracted' },
 * )
 * ```
 */
export function chargeMediaTask(
  id: string,
  charge: StepCharge,
  patch?: UpdateMediaTask,
  options?: TaskGuards,
): Promise<MediaTask | undefined>

/**
 * Settles a task's charge: it was an estimate, and now the real cost is known, a whole number from 0 to what was
 * charged. The difference goes back to the grants that it came from, last drawn first, once. 0 is a refund.
 *
 * Settling twice to the same number changes nothing; to another one is `SETTLE_CONFLICT`. Afterwards the charge's
 * `credits` and `consumedDetail` say what it took in the end, and its `metadata` has
 * `settled: { charged, credits }`. If the task fails later, the rest goes back.
 *
 * Rejects with `SETTLE_EXCEEDS_CHARGE` (more than was charged), `SETTLE_CONFLICT`, `CHARGE_NOT_FOUND` (the task
 * has no charge), `CHARGE_OWNER_MISMATCH`, `CHARGE_CORRUPT` or `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with what went back, or `undefined` if there is no task with this id.
 */
export function settleMediaTask(
  id: string,
  finalCredits: number,
  options?: RefundOptions,
): Promise<(Credit & { refund: Refund }) | undefined>

/**
 * All charges of a task, oldest first, refunded ones included: the one that created it, and those of further
 * steps. It knows them by the `taskId` in their `metadata`, and the last one by the task's `creditId`.
 */
export function getMediaTaskCharges(id: string): Promise<Credit[]>

/**
 * Tasks that nobody works on any more: in a state in which somebody should, and not changed for `olderThanMs`.
 * Oldest first; those with a `deletedAt` too, since their credits are still taken.
 */
export function findStuckMediaTasks(query: StuckQuery): Promise<MediaTask[]>

/**
 * Fails tasks that nobody works on any more, and refunds them, oldest first. It may run on many servers at once,
 * and beside a worker that finishes at the same moment: a task that was changed since it was found is left
 * alone. Run it every minute or so; it works in batches, a transaction a task.
 *
 * @example
 * ```ts
 * const { tasks, credits } = await failStuckMediaTasks({ olderThanMs: 15 * 60_000, errorMessage: 'timed out' })
 * ```
 */
export function failStuckMediaTasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/**
 * Creates an AI task and charges its user `task.costCredits`, in one transaction, as {@link createMediaTask}
 * does. The charge has the task's `scene`, and is described as `generate <mediaType>`.
 */
export function createAITask(task: AITaskToCreate, options?: CreateAITaskOptions): Promise<Replayable<AITask>>

/** As {@link createMediaTasks}, for AI tasks. */
export function createAITasks(
  items: readonly AITaskToCreate[],
  options: BatchOptions & CreateAITaskOptions & { atomic: true },
): Promise<Replayable<AITask>[]>
export function createAITasks(
  items: readonly AITaskToCreate[],
  options?: BatchOptions & CreateAITaskOptions,
): Promise<PromiseSettledResult<Replayable<AITask>>[]>

/**
 * As {@link updateMediaTaskById}, for AI tasks: `status: 'failed'` refunds. `canceled` does not; to give something
 * back then, settle the task.
 */
export function updateAITaskById(
  id: string,
  patch: AITaskPatch,
  options?: UpdateOptions,
): Promise<(AITask & { refund?: Refund }) | undefined>

/** As {@link chargeMediaTask}, for AI tasks. The `type` in the metadata begins with `'ai-task-'`. */
export function chargeAITask(
  id: string,
  charge: StepCharge,
  patch?: AITaskPatch,
  options?: TaskGuards,
): Promise<AITask | undefined>

/** As {@link settleMediaTask}, for AI tasks. */
export function settleAITask(
  id: string,
  finalCredits: number,
  options?: RefundOptions,
): Promise<(Credit & { refund: Refund }) | undefined>

/** The AI task with this id, or `undefined`. */
export function findAITaskById(id: string): Promise<AITask | undefined>

/** As {@link getMediaTaskCharges}, for AI tasks. */
export function getAITaskCharges(id: string): Promise<Credit[]>

/** A page of AI tasks, newest first: one user's, or all. With `getUser: true` each has its `user`. */
export function getAITasks(query: AITasksQuery & { getUser: true }): Promise<WithUser<AITask>[]>
export function getAITasks(query?: AITasksQuery): Promise<AITask[]>

/** How many AI tasks there are, on all pages of {@link getAITasks}. */
export function getAITasksCount(filter?: AITasksFilter): Promise<number>

/** As {@link findStuckMediaTasks}, for AI tasks. */
export function findStuckAITasks(query: StuckQuery): Promise<AITask[]>

/** As {@link failStuckMediaTasks}, for AI tasks. */
export function failStuckAITasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/**
 * The task with this id, or `undefined`. A task with a `deletedAt` is found, too.
 *
 * Rejects with `INVALID_ID`.
 */
export function findMediaTaskById(id: string): Promise<MediaTask | undefined>

/**
 * Whether the user has a task that is still being worked on: processing or translating, unless
 * {@link ConnectOptions.activeStatuses} says otherwise, and without a `deletedAt`.
 *
 * Rejects with `INVALID_ID`.
 */
export function hasActiveMediaTask(userId: UserId): Promise<boolean>

/**
 * The user's tasks that are still being worked on, newest first, as {@link hasActiveMediaTask} counts them.
 *
 * Rejects with `INVALID_ID`.
 */
export function getActiveMediaTasks(userId: UserId): Promise<MediaTask[]>

/**
 * A page of the user's tasks, newest first, without those that have a `deletedAt`.
 *
 * Rejects with `INVALID_ID` or `INVALID_ARGUMENT`.
 *
 * @param page From 1, which is the default.
 * @param limit Tasks a page, 20 by default. Both may be text, as a URL has them.
 */
export function getMediaTaskHistory(
  userId: UserId,
  page?: number | string,
  limit?: number | string,
): Promise<MediaTaskPage>

/**
 * Charges a user, in one transaction: when the promise resolves, the charge is in the database, durably, and
 * its credits are gone from the grants; if it rejects, nothing has changed.
 *
 * It draws on the grant that expires first; those that never expire come last, then the older one first. It
 * never takes more than the balance, however many calls come at once. {@link updateMediaTaskById} refunds it,
 * given its `id` as `creditId`.
 *
 * Rejects with `INSUFFICIENT_CREDITS` (`required`, `available`), `USER_NOT_FOUND`, `CREDIT_EXISTS` (your
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
export function consumeCredits(
  parameters: ConsumeCreditsParameters,
  options?: ReplayOptions,
): Promise<Replayable<Credit>>

/** Charges several times, as {@link createMediaTasks} creates several tasks. */
export function consumeCreditsBatch(
  items: readonly ConsumeCreditsParameters[],
  options: BatchOptions & { atomic: true },
): Promise<Replayable<Credit>[]>
export function consumeCreditsBatch(
  items: readonly ConsumeCreditsParameters[],
  options?: BatchOptions,
): Promise<PromiseSettledResult<Replayable<Credit>>[]>

/**
 * Gives `credits` of a charge back to the grants that it came from, last drawn first, or, if `credits` is left
 * out, whatever it has not given back yet. For a charge without a task, or an earlier one of a task.
 *
 * Refunding the same number twice changes nothing; another one is `SETTLE_CONFLICT`, as for
 * {@link settleMediaTask}. A task whose last charge is refunded can't be delivered any more.
 *
 * Rejects with `CHARGE_NOT_FOUND`, `SETTLE_EXCEEDS_CHARGE`, `SETTLE_CONFLICT`, `CHARGE_CORRUPT` or
 * `INVALID_AMOUNT`.
 *
 * @returns The charge as it is now, with what went back.
 */
export function refundCredits(
  chargeId: string,
  credits?: number,
  options?: RefundOptions,
): Promise<Credit & { refund: Refund }>

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
export function createCredit(newCredit: NewGrant, options?: ReplayOptions): Promise<Replayable<Credit>>

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
export function grantCreditsForUser(
  grant: GrantForUser,
  options?: ReplayOptions,
): Promise<Replayable<Credit> | undefined>

/**
 * When credits expire that are granted now: with the subscription's period, if there is one, else after
 * `creditsValidDays`. `null`: never, if these are 0 or less.
 */
export function calculateCreditExpirationTime(validity: {
  creditsValidDays: number
  currentPeriodEnd?: Date | null | undefined
}): Date | null

/**
 * The user's balance: what is left of the grants that are active and not expired. 0 for a user who is not
 * there.
 *
 * By the time you act on it, it may have changed; a charge checks for itself.
 *
 * Rejects with `INVALID_ID`.
 */
export function getRemainingCredits(userId: UserId): Promise<number>

/**
 * What the user can spend now, grant by grant, and what expires next. All zero for a user who is not there.
 *
 * Rejects with `INVALID_ID`.
 */
export function getBalance(userId: UserId): Promise<Balance>

/**
 * A page of everything that moved the user's balance, oldest first, with the balance after each entry. The last
 * entry's is the balance, exactly as {@link getRemainingCredits} has it.
 *
 * It is read off the grants and charges as they are now: a grant's row says when it was made and expires, a charge's
 * what it drew, and that it was settled or refunded. The time of both is that of the row's last change.
 *
 * Rejects with `INVALID_ID`, `INVALID_DATE`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * const { entries, openingBalance, cursor } = await getStatement(userId, { from: firstOfMonth })
 * ```
 */
export function getStatement(userId: UserId, query?: StatementQuery): Promise<Statement>

/**
 * Looks for everything that is wrong with the ledger, and changes nothing: what the TypeScript models left behind, or
 * anybody else who writes to the tables. A ledger that this package alone writes has no findings.
 *
 * It reads some users at a time, each from one snapshot, so it takes little memory, and the app goes on meanwhile. It
 * looks at nothing after the loop is left.
 *
 * The first step rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * for await (const { kind, userId, message } of auditLedger()) console.log(kind, userId, message)
 * ```
 */
export function auditLedger(query?: AuditQuery): AsyncGenerator<LedgerFinding, void, undefined>

/**
 * Puts right what {@link auditLedger} finds, where the rows leave one way:
 *
 * - `'refunded-more-than-once'`, of a grant that holds more than was granted, by what refunds of its own charges may explain:
 *   the minted credits go, so that it holds what was granted less what its active charges drew. The user has fewer
 *   credits then.
 * - `'failed-task-charged'`, of a task that failed more than ten minutes ago: the charge is refunded to its grants, as
 *   with {@link RefundPolicy} `'source'`, if it and they are right otherwise and no other task names it.
 * - `'wrong-time-unit'` in `credit`: the time is converted.
 *
 * All else stays: what a charge without draws should have cost, only the app's owner knows. Without `apply: true`
 * nothing is written. With it, all changes are made in one transaction, worked out anew under its locks, and each row's
 * `metadata` remembers them: `"repaired":[{"kind":…,"column":…,"before":…,"after":…,"at":…}]`. Doing it again changes
 * nothing, so a second call answers `OUTCOME_UNKNOWN`. No event tells of it.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * const { changes } = await repairLedger()
 * if (await confirm(changes)) await repairLedger({ apply: true })
 * ```
 */
export function repairLedger(options?: RepairOptions): Promise<Repair>

/**
 * What a charge would do now, without doing it: whether it would work, which grants it would draw on, and what
 * expires next. For a page that shows a price; a charge checks for itself.
 *
 * Rejects with `INVALID_ID` or `INVALID_AMOUNT`.
 */
export function quoteCredits(userId: UserId, credits: number): Promise<Quote>

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
export function getCredits(query: CreditsQuery & { getUser: true }): Promise<WithUser<Credit>[]>
export function getCredits(query?: CreditsQuery): Promise<Credit[]>

/**
 * How many grants and charges there are, on all pages of {@link getCredits}.
 *
 * Rejects with `INVALID_ID` or `UNKNOWN_FIELD`.
 */
export function getCreditsCount(filter?: CreditsFilter): Promise<number>

/**
 * Makes those of the app's tables that are missing (`user`, `credit`, `media_tasks`, `ai_task`), or those of them that
 * are asked for, and the file if there is none. For tests and a fresh start; in an app, `npx drizzle-kit push` does
 * this. Tables that are there stay as they are.
 *
 * Rejects with `INVALID_ARGUMENT` for a table that there is not.
 *
 * @example
 * ```ts
 * await createTables({ tables: ['ai_task'] }) // and user and credit
 * ```
 */
export function createTables(options?: CreateTablesOptions): Promise<void>

/** What was found when the database was opened. */
export function getDiagnostics(): Promise<Diagnostics>

/**
 * A snapshot of what the engine of this database has counted in this process, whichever of its connections was used:
 * calls by outcome, the queue, batches, commits, waits and retries. `docs/observability.md` says what to watch.
 *
 * It waits for nobody, neither for the queue nor for the database, and opens nothing: it answers at once when all else
 * is stuck, and with zeros before the first call. Counting costs a call well below a microsecond.
 *
 * @example
 * ```ts
 * const { queue, operations } = await stats()
 * console.log(queue.queued, operations.createMediaTask?.refused.INSUFFICIENT_CREDITS ?? 0)
 * ```
 */
export function stats(): Promise<Stats>

/**
 * Calls `listener` whenever a call of this connection, made in this process, did this. What other connections and
 * other processes do is theirs to tell.
 *
 * `charged`, `refunded` and `refused` come when the database has committed, or refused, and right before the call's
 * promise settles. `balance-low` comes once each time when charges bring a user's balance from `below` or more to
 * less, a moment after the promise, because the balance is read then.
 *
 * A listener that throws, or whose promise rejects, is an unhandled rejection: neither the call nor another listener
 * notices. An event is not stored: if the process dies, nobody hears of it. `docs/observability.md` says more.
 *
 * Throws `INVALID_ARGUMENT` for an event that there is not, a listener that is no function, or a threshold that is not
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

/**
 * Closes the default connection for good: later calls at module level reject with `CLOSED`. It resolves when
 * the calls made before are answered. For scripts and tests; an app need not close.
 */
export function close(): Promise<void>

// Keeps `Some`, `NewRow`, `WithJson` and their like private.
export {}
