// What functions return, besides rows.

import type { claimTopUp } from './credits.js'
import type { MediaCreditsError } from './errors.js'
import type { revokeGrants } from './grants.js'
import type { auditLedger, getRemainingCredits } from './ledger.js'
import type { RefundPolicy } from './options.js'
import type { Credit, MediaTask } from './rows.js'

/** The result of a refund. All numbers are zero if there was nothing to refund, or nothing left. */
export interface Refund {
  /** The refunded credits. */
  credits: number
  /** The part of them that can be spent now: a grant may have expired meanwhile, or may be withdrawn. */
  spendable: number
  /** Credits that could not be returned. */
  skipped: SkippedRefund[]
  /** The new grant for credits that can't be spent otherwise, if the {@link RefundPolicy} makes one. */
  regranted?: Regranted
}

/** The new grant for refunded credits that can't be spent in their own grant. */
export interface Regranted {
  /** Its `id`; if there are several grants, the first one's. */
  creditId: string
  /** Its number of credits; if there are several grants, their sum. */
  credits: number
  /** Its expiry; if there are several grants, they expire at the same time. */
  expiresAt: Date
  /** All new grants, if the credits came from grants with several scenes, orders or subscriptions. */
  grants?: { creditId: string; credits: number }[]
}

/** A charge after a settlement. */
export type Settled<Row> = Row & {
  /** The refund; zero if the final cost was the charged one or higher. */
  refund: Refund
  /** The credits that this call has drawn in addition. */
  collected: number
  /** The credits that should have been drawn in addition, but exceeded the user's balance. */
  uncollected: number
}

/** Credits that could not be returned to their grant. */
export interface SkippedRefund {
  /** The grant's `id`. */
  creditId: string
  credits: number
  /**
   * `'grant-not-found'`: the user has no such grant, or no longer has it. `'grant-full'`: the grant would hold more
   * than was granted, because these credits were returned before.
   */
  reason: 'grant-not-found' | 'grant-full'
}

/** A row that a call with `replay` wrote, or that an earlier, identical call wrote. */
export type Replayable<Row> = Row & {
  /** Present if an earlier call wrote the row. */
  replayed?: true
}

/** What a charge would do now. It may change before you charge. */
export interface Quote {
  /** Whether the balance covers the charge. */
  sufficient: boolean
  required: number
  /** The balance. */
  available: number
  /** Which grants would be drawn on, in order; empty if the balance is too small. */
  draws: { creditId: string; transactionNo: string; credits: number; expiresAt: Date | null }[]
  /** The part of the balance that expires next; `null` if nothing ever expires. */
  nextExpiry: { expiresAt: Date; credits: number } | null
}

/** The state of a payment's grants. `revoked` and `outstanding` together are the claimed credits. */
export interface OrderStanding {
  /** The credits that are withdrawn, or were drawn from other grants instead. */
  revoked: number
  /** The credits that were spent. */
  spent: number
  /** The credits that are claimed but could not be collected, because they were spent. */
  outstanding: number
  /** The credits that can still be spent. */
  remaining: number
}

/** A user's balance in detail. */
export interface Balance {
  /** The balance, as from {@link getRemainingCredits}. */
  credits: number
  /** The credits in holds, of all scenes: charges with a `holdUntil` that were not settled, kept or refunded yet. */
  held: number
  /** The grants that make up the balance, in draw order. */
  grants: {
    /** The grant's `id`. */
    creditId: string
    transactionNo: string
    /** The remaining credits. */
    remaining: number
    /** The granted credits. */
    granted: number
    /** `null` if it never expires. */
    expiresAt: Date | null
  }[]
  /** The part of the balance that expires next; `null` if nothing ever expires. */
  nextExpiry: { expiresAt: Date; credits: number } | null
}

/** A page of users with expiring credits. */
export interface ExpiringPage {
  /** In the order of their ids. */
  users: {
    userId: string
    /** The number of credits that expire within that time. */
    credits: number
    /** The number of grants that they belong to. */
    grants: number
    /** The earliest expiry. */
    expiresAt: Date
  }[]
  /** The cursor for the next page; `null` on the last page. */
  cursor: string | null
}

/** A page of changes of a user's balance. */
export interface Statement {
  /** The balance before the first entry. */
  openingBalance: number
  /** The entries, oldest first. */
  entries: StatementEntry[]
  /** The cursor for the next page; `null` on the last page. */
  cursor: string | null
  /**
   * Present if values of the user's grants and charges are unreadable: a description of each, and whether its row had
   * to be left out.
   */
  unreadable?: { creditId: string; field: string; found: string; leftOut: boolean }[]
}

/** A change of a user's balance. */
export interface StatementEntry {
  /**
   * - `'grant'`: credits were granted.
   * - `'charge'`: credits were charged, with the original number of credits.
   * - `'settlement'`: the difference when a charge was settled.
   * - `'refund'`: all that remained of a charge was refunded.
   * - `'expiry'`: the remaining credits of a grant expired, or were refunded to an expired grant; or a renewal did not
   *   carry them over.
   * - `'revocation'`: the remaining credits of a withdrawn grant, or credits drawn by {@link revokeGrants}.
   * - `'adjustment'`: a difference that the rows do not explain; see {@link auditLedger}.
   */
  type: 'grant' | 'charge' | 'settlement' | 'refund' | 'expiry' | 'revocation' | 'adjustment'
  at: Date
  /** The change in credits; negative for a deduction. */
  credits: number
  /** The balance afterwards. */
  balance: number
  /** The `id` of the grant or charge. */
  creditId: string
  transactionNo: string
  scene: Credit['transactionScene']
  description: string | null
  /** The task that was charged for. */
  task: { kind: 'media' | 'ai'; id: string } | null
}

/** The progress of an audit. */
export interface AuditProgress {
  /** Users whose rows were read. */
  users: number
  /** Rows of `credit` that were read. */
  rows: number
  /** Rows of `credit` at the start of the audit. */
  totalRows: number
}

/** An error in a user's rows. */
export interface LedgerFinding {
  /**
   * - `'grant-out-of-range'`: a grant's remaining credits are below zero, or above what was granted.
   * - `'refunded-more-than-once'`: more credits were refunded to a grant than its charges had drawn.
   * - `'grant-draws-differ'`: the credits that have left a grant differ from what its active charges drew.
   * - `'charge-draws-differ'`: a charge's draws don't add up to its credits: the user was overdrawn.
   * - `'detail-unreadable'`: a charge's `consumedDetail` is unreadable.
   * - `'draw-on-foreign-grant'`: a charge drew on a grant that does not exist or belongs to another user.
   * - `'charge-without-task'`: a charge refers to a task that does not exist or belongs to another user.
   * - `'task-without-charge'`: a task refers to a charge that does not exist or belongs to another user.
   * - `'delivered-task-refunded'`: a task was delivered, but its charge was refunded.
   * - `'failed-task-charged'`: a task has failed, but its charge was not refunded.
   * - `'revocation-differs'`: a {@link revokeGrants} was only partly carried out: a withdrawn grant can be spent, or a
   *   grant is withdrawn by a revocation that does not exist.
   * - `'hold-without-deadline'`: a charge is a hold without a deadline.
   * - `'top-up-differs'`: the grant of a {@link claimTopUp} can be spent but was not confirmed, or was confirmed but can't
   *   be spent.
   * - `'wrong-time-unit'`: a time is in seconds among milliseconds, or the reverse.
   * - `'value-unreadable'`: a column holds a value of the wrong type, such as text in place of a time.
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
    | 'revocation-differs'
    | 'hold-without-deadline'
    | 'top-up-differs'
    | 'wrong-time-unit'
    | 'value-unreadable'
  userId: string
  /** The rows: first the wrong one, then those that prove it. */
  rows: { table: 'credit' | 'media_tasks' | 'ai_task'; id: string }[]
  /** The numbers that contradict each other, by name: `{ granted: 100, remaining: 130, drawn: 0 }`. */
  numbers: Record<string, number>
  /** A sentence for a reader. */
  message: string
}

/** The repairs that were made, or that are possible. */
export interface Repair {
  /** Whether the changes were written. */
  applied: boolean
  changes: LedgerChange[]
}

/** A repaired value. */
export interface LedgerChange {
  /** The kind of the finding. */
  kind: 'refunded-more-than-once' | 'failed-task-charged' | 'wrong-time-unit'
  userId: string
  table: 'credit'
  /** The row's `id`. */
  id: string
  column: 'remainingCredits' | 'status' | 'createdAt' | 'updatedAt' | 'deletedAt' | 'expiresAt'
  before: number | string | Date
  after: number | string | Date
  /** A sentence for a reader. */
  message: string
}

/** The result of failing stuck tasks. */
export interface FailedStuckTasks {
  /** The tasks that this call failed, oldest first, with their previous status and refund. */
  tasks: { id: string; userId: string; status: string; refund: Refund }[]
  /** The refunded credits, in total. */
  credits: number
  /** The part of them that can be spent. */
  spendable: number
  /**
   * Tasks that could not be failed, for instance because their charge is unreadable. They are unchanged, except that
   * a task with `OUTCOME_UNKNOWN` may have failed.
   */
  errors: { id: string; userId: string; error: MediaCreditsError }[]
}

/** The result of claiming a top-up. */
export type ClaimedTopUp<Row> =
  | {
      claimed: true
      /** The grant, with `status` `pending`. */
      credit: Row
      /** Present if an earlier, identical call made the claim; `credit` is as it is now. */
      replayed?: true
    }
  | {
      claimed: false
      /**
       * `'balance'`: the balance is not below the threshold. `'open'`: an earlier claim is neither confirmed nor
       * abandoned. `'cooldown'`: the last claim was too recent. `'limit'`: the claim would exceed `atMost`.
       */
      reason: 'balance' | 'open' | 'cooldown' | 'limit'
      balance: number
      /** When the cooldown ends. */
      retryAt: Date | null
    }

/** The result of releasing holds. */
export interface ReleasedHolds {
  /** The holds that this call refunded, earliest end first. */
  charges: { id: string; userId: string; transactionNo: string; refund: Refund }[]
  /** The refunded credits, in total. */
  credits: number
  /** The part of them that can be spent. */
  spendable: number
  /**
   * Holds that could not be refunded, for instance because their draws are unreadable. They are unchanged, except
   * perhaps those with `OUTCOME_UNKNOWN`.
   */
  errors: { id: string; userId: string; error: MediaCreditsError }[]
}

/** A page of a user's tasks. */
export interface MediaTaskPage<Task extends object = MediaTask> {
  /** Newest first. */
  list: Task[]
  /** The number of tasks on all pages. */
  total: number
  page: number
  limit: number
  totalPages: number
}
