// Functions, on the default connection, whose types know no column of yours: `MediaCredits` has them from here.

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
 * Whether the user has a task that is still being worked on: processing or translating, unless
 * {@link ConnectOptions.activeStatuses} says otherwise, and without a `deletedAt`.
 *
 * Rejects with `INVALID_ID`.
 */
export function hasActiveMediaTask(userId: UserId): Promise<boolean>

/**
 * Fails tasks that no worker is busy with any more, and refunds them, oldest first. It may run on many servers at once,
 * and beside a worker that finishes at the same moment: a task that was changed since it was found is left
 * alone. Run it every minute or so; it works in batches, a transaction a task.
 *
 * @example
 * ```ts
 * const { tasks, credits } = await failStuckMediaTasks({ olderThanMs: 15 * 60_000, errorMessage: 'timed out' })
 * ```
 */
export function failStuckMediaTasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/** As {@link failStuckMediaTasks}, for AI tasks. */
export function failStuckAITasks(query: FailStuckQuery): Promise<FailedStuckTasks>

/**
 * Gives holds back that are over: charges with a `holdUntil` that nothing settled or kept by then. It may run on many servers
 * at once, and beside a call that settles at the same moment: one of both wins. Run it every minute or so; it works in
 * batches, a transaction a charge.
 *
 * @example
 * ```ts
 * const { charges, credits } = await releaseHolds()
 * ```
 */
export function releaseHolds(query?: ReleaseHoldsQuery): Promise<ReleasedHolds>

/** How many AI tasks there are, on all pages of {@link getAITasks}. */
export function getAITasksCount(filter?: AITasksFilter): Promise<number>

/**
 * The user's balance: what is left of the grants that are active and not expired, or of those that `scenes` or
 * `exceptScenes` let pay. 0 for an unknown user.
 *
 * By the time you act on it, it may have changed; a charge checks for itself.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function getRemainingCredits(userId: UserId, options?: PayingOptions): Promise<number>

/**
 * What the user can spend now, grant by grant in draw order, and what expires next; with `scenes` or `exceptScenes` of the
 * credits that these let pay. All zero for an unknown user.
 *
 * Rejects with `INVALID_ID`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function getBalance(userId: UserId, options?: PayingOptions): Promise<Balance>

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
 * What a charge would do now, without doing it: whether it would work, which grants it would draw on, and what
 * expires next. For a page that shows a price; a charge checks for itself. With `scenes` or `exceptScenes` all of it is of
 * the credits that these let pay.
 *
 * Rejects with `INVALID_ID`, `INVALID_AMOUNT`, `INVALID_ARGUMENT` or `UNKNOWN_FIELD`.
 */
export function quoteCredits(userId: UserId, credits: number, options?: PayingOptions): Promise<Quote>

/**
 * Users of whom credits end soon, for a mail: one entry a user, however many grants these are of, by the users' ids. Pages
 * follow each other by `cursor`, so that none is left out or comes twice, whatever changes meanwhile.
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
 * How many grants and charges there are, on all pages of {@link getCredits}.
 *
 * Rejects with `INVALID_ID` or `UNKNOWN_FIELD`.
 */
export function getCreditsCount(filter?: CreditsFilter): Promise<number>

/**
 * Looks for everything that is wrong with the ledger, and changes nothing: what the TypeScript models left behind, or
 * anything else that writes to the tables. A ledger that this package alone writes has no findings.
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
 * nothing is written. With it, all changes are made in one transaction, computed again under its locks, and each row's
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
 * It waits neither for the queue nor for the database, and opens nothing: it answers at once when all else
 * is stuck, and with zeros before the first call. Counting costs a call well below a microsecond.
 *
 * @example
 * ```ts
 * const { queue, operations } = await stats()
 * console.log(queue.queued, operations.createMediaTask?.refused.INSUFFICIENT_CREDITS ?? 0)
 * ```
 */
export function stats(): Promise<Stats>
