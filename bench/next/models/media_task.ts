import { and, eq, inArray, lt, sql } from 'drizzle-orm'
import type * as mediaCredits from 'media-credits'
import { queue } from '@/bench/contestants/drizzle-sqlite'
import { credit, mediaTasks } from '@/config/db/schema.sqlite'
import { db } from '@/core/db'
import { createTask } from './credit'

// What bench/next.js puts in the place of `export * from 'media-credits'`: the models as the app could have them with
// its own client, put right. What no submit calls is still media-credits', and its engine must not run: that is checked.

export * from 'media-credits'

type Models = typeof mediaCredits

const inTurn = queue()

export const createMediaTask: Models['createMediaTask'] = (task, costCredits, options) =>
  inTurn(async () => {
    if (typeof options?.maxActive === 'number' || task.isFreeTrial)
      throw new Error('a plan has no limits here')
    await (checked ??= checkDurability())
    return db().transaction((transaction) => createTask(transaction, task, costCredits, options), {
      behavior: 'immediate',
    })
  })

/** It is what the client has by default, on each of its connections; the file remembers that it has a WAL. */
let checked: Promise<void> | undefined
async function checkDurability() {
  const FULL = 2
  const { journal_mode: mode } = await db().get<{ journal_mode: string }>(sql`PRAGMA journal_mode`)
  const { synchronous } = await db().get<{ synchronous: number }>(sql`PRAGMA synchronous`)
  if (mode !== 'wal' || synchronous !== FULL)
    throw new Error(`journal mode ${mode}, synchronous ${synchronous}`)
}

/** One statement is a transaction. A failure would refund as well, but no task that is measured fails. */
export const updateMediaTaskById: Models['updateMediaTaskById'] = (id, patch, options = {}) =>
  inTurn(async () => {
    if (patch.status === 'failed') throw new Error('there is no refund here')
    const { ifStatus, ifUpdatedBefore } = options
    const [row] = await db()
      .update(mediaTasks)
      .set({ ...patch, updatedAt: new Date() })
      .where(
        and(
          eq(mediaTasks.id, id),
          ifStatus ? inArray(mediaTasks.status, [ifStatus].flat()) : undefined,
          ifUpdatedBefore ? lt(mediaTasks.updatedAt, ifUpdatedBefore) : undefined,
        ),
      )
      .returning()
    if (!row) throw new Error(`the task ${id} is not as it was`)
    return row
  })

/** Of a task that was charged once, as those that are measured. */
export const getMediaTaskCharges: Models['getMediaTaskCharges'] = async (id) => {
  const rows = await db()
    .select()
    .from(credit)
    .innerJoin(mediaTasks, eq(mediaTasks.creditId, credit.id))
    .where(eq(mediaTasks.id, id))
  return rows.map((row) => row.credit)
}
