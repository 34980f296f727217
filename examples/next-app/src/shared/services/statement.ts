import { getStatement, type StatementEntry } from '@/shared/models/credit'

/** The newest entries of a user's statement in order of time, and whether there are earlier ones. */
export async function newestEntries(userId: string, count: number): Promise<Statement> {
  const newest: StatementEntry[] = []
  let hasEarlier = false
  let cursor: string | undefined
  // The first page has the oldest entries; most users have one page.
  do {
    const page = await getStatement(userId, { cursor, limit: 1000 })
    // A row of an earlier page has changed: start again.
    if (cursor && page.openingBalance !== newest.at(-1)?.balance) return newestEntries(userId, count)
    newest.push(...page.entries)
    hasEarlier ||= newest.length > count
    newest.splice(0, newest.length - count)
    cursor = page.cursor ?? undefined
  } while (cursor)
  return { hasEarlier, entries: newest.map((entry) => ({ ...entry, at: +entry.at })) }
}

export interface Statement {
  entries: Entry[]
  hasEarlier: boolean
}

/** The JSON form: times are epoch milliseconds. */
export type Entry = Omit<StatementEntry, 'at'> & { at: number }
