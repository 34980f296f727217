'use strict'

/** Helpers of tests of whole ledgers: rows as other code may have left them, and the results of audits and statements. */

const DETAIL_KEYS = ['creditId', 'creditsConsumed']

/** The text of a `consumed_detail` with these draws: `[[id, credits], …]`. */
const detail = (draws) =>
  JSON.stringify(draws.map((draw) => Object.fromEntries(DETAIL_KEYS.map((key, at) => [key, draw[at]]))))

/** A row of `credit` that is a grant, with any remaining credits. */
const grant = (id, credits, remaining, more) => ({
  id,
  transaction_type: 'grant',
  credits,
  remaining_credits: remaining,
  consumed_detail: null,
  ...more,
})

/** A row of `credit` that is a charge with these draws: `[[id, credits], …]`. */
const charge = (id, credits, draws, more) => ({
  id,
  transaction_type: 'consume',
  credits: -credits,
  remaining_credits: 0,
  consumed_detail: detail(draws),
  ...more,
})

/** The same, refunded. */
const refunded = (id, credits, draws, more) => charge(id, credits, draws, { status: 'deleted', ...more })

/** The metadata of a charge for a task. */
const forTask = (taskId, type = 'media-task') => ({ metadata: JSON.stringify({ type, taskId }) })

/** A row of `media_tasks`. */
const taskRow = (id, status, chargeId, more) => ({ id, status, credit_id: chargeId, ...more })

/** Long enough ago that a worker which fails a task and then refunds it has finished. */
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000)

const DEFAULTS = {
  user: ({ id }) => ({ name: id, email: `${id}@example.test` }),
  credit: ({ id }, now) => ({
    user_id: 'u',
    transaction_no: id,
    status: 'active',
    created_at: now,
    updated_at: now,
    expires_at: null,
    deleted_at: null,
    metadata: null,
  }),
  media_tasks: (_, now) => ({
    user_id: 'u',
    platform: 'youtube',
    video_url: 'x',
    created_at: now,
    updated_at: AN_HOUR_AGO,
  }),
  ai_task: (_, now) => ({
    user_id: 'u',
    media_type: 'image',
    provider: 'p',
    model: 'm',
    prompt: 'a cat',
    scene: 'text-to-image',
    created_at: now,
    updated_at: AN_HOUR_AGO,
  }),
}

/** The number of rows that fit into the parameters of a statement. */
const ROWS_AT_ONCE = 1000

/** Adds rows without the package. Those of one call have the same columns and times. */
async function addRows(database, table, rows) {
  const now = new Date()
  const complete = rows.map((row) => ({ ...DEFAULTS[table](row, now), ...row }))
  while (complete.length > 0) {
    const some = complete.splice(0, ROWS_AT_ONCE)
    const columns = Object.keys(some[0])
    const holes = `(${columns.map(() => '?').join(', ')})`
    await database.sql(
      `INSERT INTO "${table}" (${columns.join(', ')}) VALUES ${some.map(() => holes).join(', ')}`,
      ...some.flatMap((row) => columns.map((column) => row[column])),
    )
  }
}

/** All findings of an audit. */
async function findings(credits, query) {
  const all = []
  for await (const finding of credits.auditLedger(query)) all.push(finding)
  return all
}

/** The number of findings of each kind. */
async function kinds(credits, query) {
  const count = {}
  for (const { kind } of await findings(credits, query)) count[kind] = (count[kind] ?? 0) + 1
  return count
}

/** All entries of a user's statement, page by page. */
async function entriesOf(credits, userId, query) {
  const all = []
  let cursor
  do {
    const page = await credits.getStatement(userId, { limit: 1000, ...query, cursor })
    expect(page.openingBalance).toBe(all.at(-1)?.balance ?? page.openingBalance)
    all.push(...page.entries)
    cursor = page.cursor ?? undefined
  } while (cursor)
  return all
}

/** The user's entries, which must add up to the balance, step by step. */
async function exactEntries(credits, userId) {
  const entries = await entriesOf(credits, userId)
  let balance = 0
  expect(entries.map((entry) => entry.balance)).toEqual(entries.map((entry) => (balance += entry.credits)))
  expect(balance).toBe(await credits.getRemainingCredits(userId))
  const times = entries.map(({ at }) => at.getTime())
  expect(times).toEqual([...times].sort((one, other) => one - other))
  return entries
}

module.exports = {
  AN_HOUR_AGO,
  addRows,
  charge,
  detail,
  entriesOf,
  exactEntries,
  findings,
  forTask,
  grant,
  kinds,
  refunded,
  taskRow,
}
