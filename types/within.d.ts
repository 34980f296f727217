// The ledger inside a transaction that the app has begun.

import type { MediaCredits, RowFunctions } from './connection.js'
import type { AITask, Credit, MediaTask, User } from './rows.js'

/** A transaction of a client that is none of those that {@link within} knows. */
export interface OwnTransaction {
  /** Whose SQL the database speaks. */
  dialect: 'postgres' | 'mysql' | 'sqlite'
  /**
   * Runs one statement in the transaction, and gives its rows: objects, or arrays of values. `params` is empty: values
   * are in the statement.
   */
  query: (sql: string, params: unknown[]) => PromiseLike<readonly unknown[]>
}

/** The functions inside a transaction: all but those about the connection, the tables and events. */
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
 * The functions of this package inside a transaction that the app has begun: what they write is committed, or rolled
 * back, with the rows that the app writes. `docs/transactions.md` says when to use it, and when not.
 *
 * `tx` is a transaction of Drizzle, postgres.js, node-postgres, mysql2, libSQL, Kysely or Prisma (on PostgreSQL), or
 * `{ dialect, query }` ({@link OwnTransaction}). This package begins, commits and rolls back nothing. A refusal of the ledger has written
 * nothing, and the transaction goes on. Calls inside one transaction take turns. No event tells of them, since when the
 * app commits is not known.
 *
 * Throws `NOT_IN_TRANSACTION` if `tx` is in no transaction, as far as that can be told, `INVALID_ARGUMENT` if it is
 * nothing of the kind, and `TRANSACTION_NOT_SUPPORTED` for a synchronous client; a call with `maxActive` rejects with it
 * above READ COMMITTED. A call rejects with `DATABASE_BUSY`
 * (`retryable`) if the transaction met another one: roll back, and repeat all of it.
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
