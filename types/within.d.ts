// The ledger inside a transaction that the app has begun.

import type { MediaCredits, RowFunctions } from './connection.js'
import type { AITask, Credit, MediaTask, User } from './rows.js'

/** A transaction of a client that {@link within} does not know. */
export interface OwnTransaction {
  /** The SQL dialect of the database. */
  dialect: 'postgres' | 'mysql' | 'sqlite'
  /**
   * Runs one statement in the transaction and returns its rows: objects, or arrays of values. `params` is empty: the
   * values are in the statement.
   */
  query: (sql: string, params: unknown[]) => PromiseLike<readonly unknown[]>
}

/** The functions inside a transaction: all except those about the connection, the tables and events. */
export type WithinTransaction<
  Task extends object = MediaTask,
  CreditRow extends object = Credit,
  AITaskRow extends object = AITask,
  UserRow extends object = User,
> = Omit<
  MediaCredits<Task, CreditRow, AITaskRow, UserRow>,
  'within' | 'close' | 'createTables' | 'getDiagnostics' | 'stats' | keyof typeof import('./events.js')
>

/**
 * The functions of this package inside a transaction that the app has begun: their writes are committed or rolled back
 * with the app's own. `docs/transactions.md` says when to use it, and when not.
 *
 * `tx` is a transaction of Drizzle, postgres.js, node-postgres, mysql2, libSQL, Kysely or Prisma (on PostgreSQL), or
 * `{ dialect, query }` ({@link OwnTransaction}). This package begins, commits and rolls back nothing. A call that the
 * ledger rejects has written nothing, and the transaction can go on. Calls with one `tx` object run one after the
 * other. They emit no events, because it is not known when the app commits.
 *
 * Throws `NOT_IN_TRANSACTION` if `tx` has no open transaction, as far as that can be detected, `INVALID_ARGUMENT` if it is
 * not a transaction, and `TRANSACTION_NOT_SUPPORTED` for a synchronous client; a call with `maxActive` rejects with
 * `TRANSACTION_NOT_SUPPORTED` at isolation levels above READ COMMITTED. A call rejects with `DATABASE_BUSY`
 * (`retryable`) after a conflict with another transaction: roll back, and repeat the whole transaction.
 *
 * @example
 * ```ts
 * await db().transaction(async (tx) => {
 *   await tx.insert(order).values(newOrder)
 *   await within(tx).createCredit({ userId, credits: 100, orderNo, transactionNo: orderNo }, { replay: true })
 * }) // both, or neither
 * ```
 */
export const within: RowFunctions['within']
