// Functions, on the default connection, whose types do not depend on the app's columns.

import type { getAITasks } from './ai-tasks.js'
import type { ConnectOptions } from './connection.js'
import type { getCredits } from './credits.js'
import type {
  AITasksFilter,
  AuditQuery,
  CreateTablesOptions,
  CreditsFilter,
  ExpiringQuery,
  FailStuckQuery,
  PayingOptions,
  RefundPolicy,
  ReleaseHoldsQuery,
  RepairOptions,
  StatementQuery,
  UserId,
} from './options.js'
import type {
  Balance,
  ExpiringPage,
  FailedStuckTasks,
  LedgerFinding,
  Quote,
  ReleasedHolds,
  Repair,
  Statement,
} from './results.js'
import type { Diagnostics, Stats } from './stats.js'

/**
 * Whether the user has an active task: processing or translating, unless {@link ConnectOptions.activeStatuses} sets
 * other statuses, and without a `deletedAt`.
 *
 * Rejects with `INVALID_ID`.
 */
export function hasActiveMediaTask(userId: UserId): Promise<boolean>

/**
 * Fails and refunds tasks that no worker works on any more, oldest first. It may run on many servers at once, and while a
 * worker finishes: a task that was changed since it was listed is left alone. Run it about every minute; it works in
 * batches, with one transaction per task.
 *
 * @example
 * ```ts
 * const { tasks, credits } = await failStuckMediaTasks({ olderThanMs: 15 * 60_000, errorMessage: 'timed out' })
 * ```
 */
export function failStuckMediaTasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/** Like {@link failStuckMediaTasks}, for AI tasks. */
export function failStuckAITasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/**
 * Refunds holds that have ended: charges with a `holdUntil` that were not settled or kept by then. It may run on many
 * servers at once, and while a call settles the same hold: only one of them takes effect. Run it about every minute; it
 * works in batches, with one transaction per charge.
 *
 * @example
 * ```ts
 * const { charges, credits } = await releaseHolds()
 * ```
 */
export function releaseHolds(query?: ReleaseHoldsQuery): Promise<ReleasedHolds>

/** The number of AI tasks on all pages of {@link getAITasks}. */
export function getAITasksCount(filter?: AITasksFilter): Promise<number>

/**
 * The user's balance: the remaining credits of active grants that have not expired. With `scenes` or `exceptScenes`, only
 * grants that may pay count. 0 for an unknown user.
 *
 * It may change before you act on it; a charge checks the balance itself.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function getRemainingCredits(userId: UserId, options?: PayingOptions): Promise<number>

/**
 * The user's balance by grant, in draw order, and what expires next. With `scenes` or `exceptScenes`, only grants that may
 * pay count. All zero for an unknown user.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function getBalance(userId: UserId, options?: PayingOptions): Promise<Balance>

/**
 * A page of all changes of the user's balance, oldest first, with the balance after each. The last one equals
 * {@link getRemainingCredits}.
 *
 * The entries are derived from the current rows: a grant has its creation and expiry, a charge its draws, and whether it
 * was settled or refunded. The time of a settlement or refund is that of the row's last change.
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
 * What a charge would do now, without making it: whether it would succeed, which grants it would draw on, and what
 * expires next. For a page that shows a price; a charge checks the balance itself. With `scenes` or `exceptScenes`, only
 * grants that may pay count.
 *
 * Rejects with `INVALID_ID`, `INVALID_AMOUNT`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function quoteCredits(userId: UserId, credits: number, options?: PayingOptions): Promise<Quote>

/**
 * Users with credits that expire soon, for a reminder: one entry per user, in the order of ids. Pages are continued with
 * `cursor`, so that no user is left out or repeated, even if rows change meanwhile.
 *
 * Rejects with `INVALID_ARGUMENT`, `INVALID_ID` or `UNKNOWN_FIELD`.
 *
 * @example
 * ```ts
 * for (let cursor; cursor !== null; ) {
 *   const page = await listExpiring({ within: 3 * 86_400_000, atLeast: 10, cursor })
 *   for (const { userId, credits, expiresAt } of page.users) await remind(userId, credits, expiresAt)
 *   cursor = page.cursor
 * }
 * ```
 */
export function listExpiring(query: ExpiringQuery): Promise<ExpiringPage>

/**
 * The number of grants and charges on all pages of {@link getCredits}.
 *
 * Rejects with `INVALID_ID` or `UNKNOWN_FIELD`.
 */
export function getCreditsCount(filter?: CreditsFilter): Promise<number>

/**
 * Finds all errors in the ledger, and changes nothing: errors made by the TypeScript models, or by anything else that
 * writes to the tables. A ledger that only this package writes has no findings.
 *
 * It reads some users at a time, each from one snapshot, so it needs little memory, and the app can go on meanwhile. It
 * stops when the loop is left.
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
 * Repairs findings of {@link auditLedger} for which the rows allow only one right value:
 *
 * - `'refunded-more-than-once'`, if a grant holds too many credits and refunds of its own charges can explain the surplus:
 *   the minted credits are removed, so that it holds what was granted less what its active charges drew. The user then
 *   has fewer credits.
 * - `'failed-task-charged'`, if the task failed more than ten minutes ago: the charge is refunded to its grants, as with
 *   {@link RefundPolicy} `'source'`, if charge and grants are otherwise consistent and no other task refers to it.
 * - `'wrong-time-unit'` in `credit`: the time is converted.
 *
 * Everything else stays: only an operator knows, for instance, what a charge without draws should have cost. Without
 * `apply: true` nothing is written. With it, all changes are made in one transaction, computed again under its locks,
 * and recorded in each row's `metadata`: `"repaired":[{"kind":…,"column":…,"before":…,"after":…,"at":…}]`. A second
 * call changes nothing, so after `OUTCOME_UNKNOWN` it is safe to repeat. It emits no events.
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
 * Creates the app's tables that are missing (`user`, `credit`, `media_tasks`, `ai_task`), or only some of them, and the
 * SQLite file if there is none. For tests and new databases; an app uses `npx drizzle-kit push`. Existing tables are not
 * changed.
 *
 * Rejects with `INVALID_ARGUMENT` for an unknown table.
 *
 * @example
 * ```ts
 * await createTables({ tables: ['ai_task'] }) // and user and credit
 * ```
 */
export function createTables(options?: CreateTablesOptions): Promise<void>

/** What the package detected when the database was opened. */
export function getDiagnostics(): Promise<Diagnostics>

/**
 * A snapshot of this database's statistics in this process, over all its connections: calls by outcome, the queue,
 * batches, commits, waits and retries. `docs/observability.md` says what to watch.
 *
 * It waits neither for the queue nor for the database, and opens nothing: it returns at once even if everything else is
 * blocked, and returns zeros before the first call. Counting adds well below a microsecond to a call.
 *
 * @example
 * ```ts
 * const { queue, operations } = await stats()
 * console.log(queue.queued, operations.createMediaTask?.refused.INSUFFICIENT_CREDITS ?? 0)
 * ```
 */
export function stats(): Promise<Stats>
