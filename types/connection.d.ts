// Connections.

import type {
  consumeCredits,
  consumeCreditsBatch,
  createCredit,
  getCredits,
  grantCreditsForUser,
  keepCharge,
  refundCredits,
  settleCredits,
} from './credits.js'
import type { hasActiveMediaTask } from './ledger.js'
import type {
  chargeMediaTask,
  createMediaTask,
  createMediaTasks,
  findMediaTaskById,
  findStuckMediaTasks,
  getActiveMediaTasks,
  getMediaTaskCharges,
  getMediaTaskHistory,
  settleMediaTask,
  updateMediaTaskById,
} from './media-tasks.js'
import type {
  AITaskPatch,
  AITaskToCreate,
  AITasksQuery,
  BatchOptions,
  ChargeOptions,
  ConsumeCreditsParameters,
  CreateAITaskOptions,
  CreateMediaTaskOptions,
  CreditsQuery,
  DrawOrderKey,
  GrantForUser,
  NewGrant,
  NewMediaTask,
  RefundOptions,
  RefundPolicy,
  ReplayOptions,
  SettleOptions,
  StepCharge,
  StepOptions,
  StuckQuery,
  TopUpParameters,
  TopUpsQuery,
  UpdateMediaTask,
  UpdateOptions,
  UserId,
} from './options.js'
import type { ClaimedTopUp, MediaTaskPage, Refund, Replayable, Settled } from './results.js'
import type { AITask, Credit, MediaTask, User, WithUser } from './rows.js'
import type { WithinTransaction } from './within.js'

/**
 * How to open a database. All connections of a process to one database must be given the same options. Those
 * that are about another kind of database do nothing, so that an app can pass the same to all.
 */
export interface ConnectOptions {
  /**
   * SQLite: `file:data/local.db` (relative to the working directory), `file:/absolute/path`, a plain path, or
   * `:memory:` for tests. PostgreSQL: `postgres://user:password@host:5432/database?sslmode=require`, with the
   * parameters of libpq and postgres.js, and `PGPASSWORD` and its like for what it leaves out. MySQL and MariaDB:
   * `mysql://user:password@host:3306/database?ssl-mode=REQUIRED`. Turso and other libSQL
   * servers: `libsql://name.turso.io`, or `https:`, `wss:`, `http:` and `ws:` as `@libsql/client` reads them
   * (docs/database-url.md). By default the environment's `DATABASE_URL`.
   */
  url?: string | undefined
  /**
   * A libSQL server: the token that lets the app in. It comes before the URL's `?authToken=`, and that before the
   * environment's `DATABASE_AUTH_TOKEN`, which is for the environment's `DATABASE_URL`.
   */
  authToken?: string | undefined
  /**
   * SQLite: what a promise that resolved means. `'full'`, the default: the data is on the disk, a power cut loses
   * nothing. `'normal'`: the operating system has it; a crash of the process loses nothing, a power cut may
   * lose the last moments. Neither leaves anything half done. PostgreSQL: the server's
   * `synchronous_commit`, but `on` where that is `off`. MySQL: as the server is set.
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
   * milliseconds, 5000 by default. MySQL counts whole seconds, at least one.
   */
  busyTimeoutMs?: number | undefined
  /** How many calls may wait, before further ones get `OVERLOADED`: 1 to 1,000,000, 10,000 by default. */
  maxQueue?: number | undefined
  /** Where refunds go that say nothing about it; `'source'` by default. Each connection has its own. */
  refundPolicy?: RefundPolicy | undefined
  /**
   * In which order grants are drawn on: by the first key, then by the second, …; where all say the same by expiry, by
   * age, and by `id`. By default `['expiry', 'age']`, as in the app: another order may let credits expire that a charge
   * would have used (docs/ledger.md). Each connection has its own.
   */
  drawOrder?: readonly DrawOrderKey[] | undefined
  /**
   * The states that {@link getActiveMediaTasks} and {@link hasActiveMediaTask} look for: `'processing'` and
   * `'translating'` by default, as in the app. Each connection has its own.
   */
  activeStatuses?: readonly string[] | undefined
  /** SQLite and libSQL: how the database keeps times, as epoch milliseconds or seconds. By default it is found out. */
  timestampUnit?: 'ms' | 's' | undefined
  /**
   * A server: the most connections of this process, 1 to 1000. They open as they are needed. By default the
   * environment's `DB_MAX_CONNECTIONS`, and without that 10.
   */
  maxConnections?: number | undefined
  /**
   * A server: how long to wait for a connection, be it for a free one (then `DATABASE_BUSY`) or for the server
   * (`DATABASE_UNAVAILABLE`): 1 to 600,000 milliseconds, 10,000 by default.
   */
  connectTimeoutMs?: number | undefined
  /**
   * A server: how long a statement may take, 1 to 600,000 milliseconds, 30,000 by default. After that PostgreSQL gives
   * up (`DATABASE_BUSY`); PostgreSQL and MySQL servers that do not answer at all are given up two seconds later. MySQL 8 bounds
   * statements that read alone: those that write end with that wait. libSQL's server is waited for for the longer one of this and
   * {@link ConnectOptions.busyTimeoutMs}.
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
 * Throws `INVALID_ARGUMENT` or `UNKNOWN_FIELD` for options that are wrong. An unusable URL is the first
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
 * Closes the default connection for good: later calls at module level reject with `CLOSED`. It resolves when
 * the calls made before are answered. For scripts and tests; an app need not close.
 */
export function close(): Promise<void>

/**
 * The functions of the module, with their texts, for the rows of an app: what {@link RowFunctions} has is of its types, all else
 * of the module's own.
 */
type OfRows<Module, Functions> = {
  readonly [Name in keyof Module]: Name extends keyof Functions ? Functions[Name] : Module[Name]
}

/** What the functions take and return whose types follow from an app's rows. Their texts are beside their names, in the module. */
export interface RowFunctions<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
> {
  createMediaTask: (
    task: NewMediaTask<Task>,
    costCredits: number,
    options?: CreateMediaTaskOptions,
  ) => Promise<Replayable<Task>>
  createMediaTasks: {
    /** In one transaction, all of them or none: {@link createMediaTasks}. */
    (
      items: readonly { task: NewMediaTask<Task>; costCredits: number }[],
      options: BatchOptions & CreateMediaTaskOptions & { atomic: true },
    ): Promise<Replayable<Task>[]>
    /** Each for itself, with an outcome for each: {@link createMediaTasks}. */
    (
      items: readonly { task: NewMediaTask<Task>; costCredits: number }[],
      options?: BatchOptions & CreateMediaTaskOptions,
    ): Promise<PromiseSettledResult<Replayable<Task>>[]>
  }
  updateMediaTaskById: (
    id: string,
    patch: UpdateMediaTask<Task>,
    options?: UpdateOptions,
  ) => Promise<(Task & { refund?: Refund }) | undefined>
  chargeMediaTask: (
    id: string,
    charge: StepCharge,
    patch?: UpdateMediaTask<Task>,
    options?: StepOptions,
  ) => Promise<Task | undefined>
  settleMediaTask: (
    id: string,
    finalCredits: number,
    options?: SettleOptions,
  ) => Promise<Settled<CreditRow> | undefined>
  getMediaTaskCharges: (id: string) => Promise<CreditRow[]>
  findStuckMediaTasks: (query: StuckQuery) => Promise<Task[]>
  createAITask: (
    task: AITaskToCreate<AITaskRow>,
    options?: CreateAITaskOptions,
  ) => Promise<Replayable<AITaskRow>>
  createAITasks: {
    /** In one transaction, all of them or none: {@link createAITasks}. */
    (
      items: readonly AITaskToCreate<AITaskRow>[],
      options: BatchOptions & CreateAITaskOptions & { atomic: true },
    ): Promise<Replayable<AITaskRow>[]>
    /** Each for itself, with an outcome for each: {@link createAITasks}. */
    (
      items: readonly AITaskToCreate<AITaskRow>[],
      options?: BatchOptions & CreateAITaskOptions,
    ): Promise<PromiseSettledResult<Replayable<AITaskRow>>[]>
  }
  updateAITaskById: (
    id: string,
    patch: AITaskPatch<AITaskRow>,
    options?: UpdateOptions,
  ) => Promise<(AITaskRow & { refund?: Refund }) | undefined>
  chargeAITask: (
    id: string,
    charge: StepCharge,
    patch?: AITaskPatch<AITaskRow>,
    options?: StepOptions,
  ) => Promise<AITaskRow | undefined>
  settleAITask: (
    id: string,
    finalCredits: number,
    options?: SettleOptions,
  ) => Promise<Settled<CreditRow> | undefined>
  findAITaskById: (id: string) => Promise<AITaskRow | undefined>
  getAITaskCharges: (id: string) => Promise<CreditRow[]>
  getAITasks: {
    /** A page of rows, each with its user: {@link getAITasks}. */
    (query: AITasksQuery & { getUser: true }): Promise<WithUser<AITaskRow, UserRow>[]>
    /** A page of rows: {@link getAITasks}. */
    (query?: AITasksQuery): Promise<AITaskRow[]>
  }
  findStuckAITasks: (query: StuckQuery) => Promise<AITaskRow[]>
  findMediaTaskById: (id: string) => Promise<Task | undefined>
  getActiveMediaTasks: (userId: UserId) => Promise<Task[]>
  getMediaTaskHistory: (
    userId: UserId,
    page?: number | string,
    limit?: number | string,
  ) => Promise<MediaTaskPage<Task>>
  consumeCredits: (
    parameters: ConsumeCreditsParameters,
    options?: ChargeOptions,
  ) => Promise<Replayable<CreditRow>>
  consumeCreditsBatch: {
    /** In one transaction, all of them or none: {@link consumeCreditsBatch}. */
    (
      items: readonly ConsumeCreditsParameters[],
      options: BatchOptions & ChargeOptions & { atomic: true },
    ): Promise<Replayable<CreditRow>[]>
    /** Each for itself, with an outcome for each: {@link consumeCreditsBatch}. */
    (
      items: readonly ConsumeCreditsParameters[],
      options?: BatchOptions & ChargeOptions,
    ): Promise<PromiseSettledResult<Replayable<CreditRow>>[]>
  }
  settleCredits: (chargeId: string, credits: number, options?: SettleOptions) => Promise<Settled<CreditRow>>
  claimTopUp: (parameters: TopUpParameters) => Promise<ClaimedTopUp<CreditRow>>
  confirmTopUp: (transactionNo: string) => Promise<Replayable<CreditRow>>
  abandonTopUp: (transactionNo: string) => Promise<Replayable<CreditRow>>
  listTopUps: (query?: TopUpsQuery) => Promise<CreditRow[]>
  keepCharge: (chargeId: string) => Promise<CreditRow>
  refundCredits: (
    chargeId: string,
    credits?: number,
    options?: RefundOptions,
  ) => Promise<CreditRow & { refund: Refund }>
  createCredit: (newCredit: NewGrant<CreditRow>, options?: ReplayOptions) => Promise<Replayable<CreditRow>>
  grantCreditsForUser: (
    grant: GrantForUser<CreditRow>,
    options?: ReplayOptions,
  ) => Promise<Replayable<CreditRow> | undefined>
  getCredits: {
    /** A page of rows, each with its user: {@link getCredits}. */
    (query: CreditsQuery & { getUser: true }): Promise<WithUser<CreditRow, UserRow>[]>
    /** A page of rows: {@link getCredits}. */
    (query?: CreditsQuery): Promise<CreditRow[]>
  }
  within: (tx: object) => WithinTransaction<Task, CreditRow, AITaskRow, UserRow>
}

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
   * Closes the connection. It resolves when the calls made before are answered and, if this was the process's
   * last connection to the database, the file is released. Later calls reject with `CLOSED`. An app that only
   * exits need not close: whatever was acknowledged is in the database.
   */
  readonly close: () => Promise<void>
}

/** The functions, each with the text of the module's. */
export interface MediaCredits<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
>
  extends
    OfRows<typeof import('./media-tasks.js'), RowFunctions<Task, CreditRow, AITaskRow, UserRow>>,
    OfRows<typeof import('./ai-tasks.js'), RowFunctions<Task, CreditRow, AITaskRow, UserRow>>,
    OfRows<typeof import('./credits.js'), RowFunctions<Task, CreditRow, AITaskRow, UserRow>>,
    OfRows<typeof import('./within.js'), RowFunctions<Task, CreditRow, AITaskRow, UserRow>>,
    Readonly<typeof import('./grants.js')>,
    Readonly<typeof import('./ledger.js')>,
    Readonly<typeof import('./events.js')> {}
