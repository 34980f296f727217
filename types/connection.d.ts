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
 * How to open a database. All connections of a process to one database must have the same options. Options for
 * another kind of database have no effect, so that an app can pass the same ones to all.
 */
export interface ConnectOptions {
  /**
   * SQLite: `file:data/local.db` (relative to the working directory), `file:/absolute/path`, a plain path, or
   * `:memory:` for tests. PostgreSQL: `postgres://user:password@host:5432/database?sslmode=require`, with the
   * parameters of libpq and postgres.js; variables such as `PGPASSWORD` add what the URL leaves out. MySQL and
   * MariaDB: `mysql://user:password@host:3306/database?ssl-mode=REQUIRED`. Turso and other libSQL servers:
   * `libsql://name.turso.io`, or `https:`, `wss:`, `http:` and `ws:` as in `@libsql/client`. See
   * docs/database-url.md. By default the environment's `DATABASE_URL`.
   */
  url?: string | undefined
  /**
   * libSQL servers: the access token. It takes precedence over `?authToken=` in the URL, and that over the
   * environment's `DATABASE_AUTH_TOKEN`, which is used only for the environment's `DATABASE_URL`.
   */
  authToken?: string | undefined
  /**
   * SQLite: when a commit is durable. `'full'`, the default: the data is on disk, and a power failure loses nothing.
   * `'normal'`: the operating system has the data; a crash of the process loses nothing, but a power failure may lose
   * the last commits. With either, no transaction is half done. On PostgreSQL the server's `synchronous_commit`
   * applies, but `off` is replaced by `on`. On MySQL the server's settings apply.
   */
  durability?: 'full' | 'normal' | undefined
  /**
   * SQLite: `'wal'`, the default, turns on write-ahead logging if possible. `'keep'` leaves the file's journal mode
   * unchanged: for file systems that can't share memory, and for backups that copy only one file. With a rollback
   * journal, a power failure may undo the last commit, because SQLite does not sync the directory.
   */
  journalMode?: 'wal' | 'keep' | undefined
  /**
   * How long to wait for another connection's lock before `DATABASE_BUSY`, in milliseconds: 0 to 600,000, default
   * 5000. MySQL counts whole seconds, at least 1.
   */
  busyTimeoutMs?: number | undefined
  /**
   * Maximum number of waiting calls, before further ones reject with `OVERLOADED`: 1 to 1,000,000, default 10,000.
   */
  maxQueue?: number | undefined
  /** The default of the option `refundPolicy`: `'source'` unless set. It may differ between connections. */
  refundPolicy?: RefundPolicy | undefined
  /**
   * The order in which grants are drawn on: by the first key, then by the second, and so on; then by expiry, age and
   * `id`. By default `['expiry', 'age']`, as in the app. With another order, credits may expire that a charge would
   * have used (docs/ledger.md). It may differ between connections.
   */
  drawOrder?: readonly DrawOrderKey[] | undefined
  /**
   * The statuses that {@link getActiveMediaTasks} and {@link hasActiveMediaTask} count: by default `'processing'` and
   * `'translating'`, as in the app. They may differ between connections.
   */
  activeStatuses?: readonly string[] | undefined
  /** SQLite and libSQL: the unit of stored times, milliseconds or seconds since 1970. By default it is detected. */
  timestampUnit?: 'ms' | 's' | undefined
  /**
   * Servers: the maximum number of connections of this process, 1 to 1000. They are opened when needed. By default
   * the environment's `DB_MAX_CONNECTIONS`, otherwise 10.
   */
  maxConnections?: number | undefined
  /**
   * Servers: how long to wait for a free connection (then `DATABASE_BUSY`) or for a new one (then
   * `DATABASE_UNAVAILABLE`), in milliseconds: 1 to 600,000, default 10,000.
   */
  connectTimeoutMs?: number | undefined
  /**
   * Servers: the maximum duration of a statement in milliseconds, 1 to 600,000, default 30,000. PostgreSQL then
   * cancels it (`DATABASE_BUSY`). If a PostgreSQL or MySQL server does not respond at all, the call fails two seconds
   * later. MySQL 8 limits only statements that read; those that write end with that call. For a libSQL server, the
   * longer one of this and {@link ConnectOptions.busyTimeoutMs} applies; a call as a whole ends `connectTimeoutMs` after
   * that at the latest. On PostgreSQL and MySQL that deadline bounds when an attempt begins: one that has begun goes on,
   * and each of its waits ends by its own timeout (docs/configuration.md).
   */
  statementTimeoutMs?: number | undefined
  /**
   * PostgreSQL: the schema with the app's tables, or several separated by commas (`'app,public'`). A name with a
   * comma or a quote must be in double quotes (`"`), in which a quote is doubled. The tables are looked up only in
   * these schemas; the app's triggers search these first, and then the session's own `search_path`. By default the
   * environment's `DB_SCHEMA`, otherwise the first schema in which the server finds the tables.
   */
  schema?: string | undefined
}

/**
 * Creates a connection to a database. It is cheap: nothing is opened before the first call, and all connections of a
 * process to one database share its threads or its pool.
 *
 * With an app's own row types as type arguments, the functions take and return those. Their order: media task, credit,
 * AI task, user; an app without media tasks passes `MediaTask` for the first.
 *
 * Throws `INVALID_ARGUMENT` or `UNKNOWN_FIELD` if the options are invalid. An unusable URL is an error of the first call
 * (`INVALID_URL`, `UNSUPPORTED_DATABASE`), so that an app can be built without a database.
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
 * Closes the default connection permanently: later calls of the module's functions reject with `CLOSED`. It resolves
 * when all earlier calls are answered. For scripts and tests; an app need not close.
 */
export function close(): Promise<void>

/**
 * The functions of a module with their documentation: those in {@link RowFunctions} with the types of an app's rows,
 * all others with the module's own types.
 */
type OfRows<Module, Functions> = {
  readonly [Name in keyof Module]: Name extends keyof Functions ? Functions[Name] : Module[Name]
}

/** The functions whose types depend on an app's rows. Their documentation is in the modules. */
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
    /** In one transaction, all or none: {@link createMediaTasks}. */
    (
      items: readonly { task: NewMediaTask<Task>; costCredits: number }[],
      options: BatchOptions & CreateMediaTaskOptions & { atomic: true },
    ): Promise<Replayable<Task>[]>
    /** Each by itself, with an outcome for each: {@link createMediaTasks}. */
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
    /** In one transaction, all or none: {@link createAITasks}. */
    (
      items: readonly AITaskToCreate<AITaskRow>[],
      options: BatchOptions & CreateAITaskOptions & { atomic: true },
    ): Promise<Replayable<AITaskRow>[]>
    /** Each by itself, with an outcome for each: {@link createAITasks}. */
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
    /** In one transaction, all or none: {@link consumeCreditsBatch}. */
    (
      items: readonly ConsumeCreditsParameters[],
      options: BatchOptions & ChargeOptions & { atomic: true },
    ): Promise<Replayable<CreditRow>[]>
    /** Each by itself, with an outcome for each: {@link consumeCreditsBatch}. */
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
 * A connection, created by {@link connect}. It has the functions of the module, which also work without it: `const {
 * createMediaTask } = connect()`.
 */
export class MediaCredits<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
> {
  private constructor()

  /**
   * Closes the connection. It resolves when all earlier calls are answered and, if this was the process's last
   * connection to the database, the database is closed. Later calls reject with `CLOSED`. An app need not close
   * before it exits: every confirmed call is in the database.
   */
  readonly close: () => Promise<void>
}

/** The functions, with the documentation of the modules. */
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
