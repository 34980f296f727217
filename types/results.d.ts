// What functions give back, besides rows.

import type { claimTopUp } from './credits.js'
import type { MediaCreditsError } from './errors.js'
import type { revokeGrants } from './grants.js'
import type { auditLedger, getRemainingCredits } from './ledger.js'
import type { RefundPolicy } from './options.js'
import type { Credit, MediaTask } from './rows.js'

/** What a refund gave back. All is zero if there was nothing to give back, or nothing any more. */
export interface Refund {
  /** How many credits the user has back. */
  credits: number
  /** How many of them can be spent now: a grant may have expired meanwhile, or was withdrawn. */
  spendable: number
  /** What could not go back. */
  skipped: SkippedRefund[]
  /** The new grant for what could not be spent otherwise, if {@link RefundPolicy} makes one. */
  regranted?: Regranted
}

/** The new grant for credits that can't be spent where they went back. */
export interface Regranted {
  /** Its `id`; of several grants, the first one's. */
  creditId: string
  /** How many credits; of several grants, all of theirs. */
  credits: number
  /** When it expires, or each of several. */
  expiresAt: Date
  /** Each of them, if the credits came from grants of several scenes, orders or subscriptions. */
  grants?: { creditId: string; credits: number }[]
}

/** A charge as it is after it was settled. */
export type Settled<Row> = Row & {
  /** What went back: nothing if it cost as much as was charged, or more. */
  refund: Refund
  /** What the charge has drawn besides, with this call. */
  collected: number
  /** What it should have drawn besides, and the user did not have. */
  uncollected: number
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

/** How the grants of a payment stand. `revoked` and `outstanding` together are what is claimed of them. */
export interface OrderStanding {
  /** What is withdrawn of them, or was taken from other grants in their place. */
  revoked: number
  /** What was spent of them. */
  spent: number
  /** What is claimed and not had, because it was spent. */
  outstanding: number
  /** What can still be spent of them. */
  remaining: number
}

/** What a user can spend. */
export interface Balance {
  /** All that can be spent now, as {@link getRemainingCredits} has it. */
  credits: number
  /**
   * What holds have taken, of all credits whatever scenes are asked for: charges with a `holdUntil` that were neither
   * settled, kept nor given back yet.
   */
  held: number
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

/** Users of whom credits end soon. */
export interface ExpiringPage {
  /** By their ids. */
  users: {
    userId: string
    /** How many credits end within that time. */
    credits: number
    /** How many grants these are of. */
    grants: number
    /** When the first of these grants ends. */
    expiresAt: Date
  }[]
  /** For the next page; `null` if this was the last. */
  cursor: string | null
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
   * - `'settlement'`: a charge gave back what it had taken too much, or drew what was missing.
   * - `'refund'`: a charge gave back the rest.
   * - `'expiry'`: what was left of a grant expired, or came back to it when it had expired already; or what a
   *   renewal did not carry over.
   * - `'revocation'`: what was left of a grant that was withdrawn, or what {@link revokeGrants} took.
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

/** How far an audit is. */
export interface AuditProgress {
  /** Users whose rows were read. */
  users: number
  /** Rows of `credit` that were read. */
  rows: number
  /** Rows of `credit` that there were when the audit began. */
  totalRows: number
}

/** Something that is wrong with a user's rows. */
export interface LedgerFinding {
  /**
   * - `'grant-out-of-range'`: less than nothing is left of a grant, or more than was granted.
   * - `'refunded-more-than-once'`: credits were refunded to a grant more than once: they were minted.
   * - `'grant-draws-differ'`: what left a grant is not what its active charges drew.
   * - `'charge-draws-differ'`: a charge's draws don't add up to what it took: the user was overdrawn.
   * - `'detail-unreadable'`: a charge's `consumedDetail` can't be read.
   * - `'draw-on-foreign-grant'`: a charge drew on a grant that does not exist, or on another user's.
   * - `'charge-without-task'`: the task that a charge was made for is not there, or another user's.
   * - `'task-without-charge'`: the charge that a task names is not there, or another user's.
   * - `'delivered-task-refunded'`: a task was delivered, but its charge was refunded.
   * - `'failed-task-charged'`: a task has failed, but its charge was not refunded.
   * - `'revocation-differs'`: half of a {@link revokeGrants}: a grant can be spent that it withdraws, or was withdrawn
   *   by a revocation that does not exist.
   * - `'hold-without-deadline'`: a charge is a hold without a deadline.
   * - `'top-up-differs'`: half of a {@link claimTopUp}: a grant can be spent that was not confirmed, or was confirmed and
   *   can't.
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
    | 'revocation-differs'
    | 'hold-without-deadline'
    | 'top-up-differs'
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

/** What came of a claim to a top-up. */
export type ClaimedTopUp<Row> =
  | {
      claimed: true
      /** The grant, whose `status` is `pending`. */
      credit: Row
      /** There if the same call made it before; `credit` is as it is now. */
      replayed?: true
    }
  | {
      claimed: false
      /**
       * `'balance'`: it is not below. `'open'`: another claim is neither confirmed nor abandoned. `'cooldown'`: the last one
       * was not long enough ago. `'limit'`: with this one it would be more than `atMost`.
       */
      reason: 'balance' | 'open' | 'cooldown' | 'limit'
      balance: number
      /** When the cooldown is over. */
      retryAt: Date | null
    }

/** What became of holds that are over. */
export interface ReleasedHolds {
  /** Those that went back now, what was over first. */
  charges: { id: string; userId: string; transactionNo: string; refund: Refund }[]
  /** How many credits went back, of all of them. */
  credits: number
  /** How many of these can be spent. */
  spendable: number
  /** Those that could not be given back, such as one whose draws can't be read. They are as they were, but for `OUTCOME_UNKNOWN`. */
  errors: { id: string; userId: string; error: MediaCreditsError }[]
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
