'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { connect } = require('../..')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { until } = require('../helpers/callers')
const { EVERY } = require('../helpers/every')
const { clientOf } = require('../helpers/postgres')

// With large tables no statement about a user, a task or a charge reads a whole table: each finds its rows by an index.

const SQL = path.join(__dirname, '../../src/storage/dialect/postgres/sql')
const USERS = 10_000
const CREDITS = 1_000_000
const TASKS = 250_000
/** Users with credits for several calls. */
const RICH = [20, 21, 22]
/** One task of this many of a table has stopped at `processing`; one charge of this many is a hold that has ended. */
const STUCK_OF = 1000
const HELD_OF = 100_000

const NOW = `timestamp '${new Date().toISOString().slice(0, -1)}'`

/** Each user has grants, one before each of its charges, and the charge has drawn all or half of it. */
const SEED = [
  // Foreign keys need not be checked here.
  'SET session_replication_role = replica',
  `INSERT INTO "user" (id, name, email) SELECT 'u' || at, 'u', at || '@example.test'
    FROM generate_series(0, ${USERS - 1}) AS at`,
  `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
      expires_at, created_at, updated_at)
    SELECT 'g' || at, 'u' || at % ${USERS}, 'g' || at, 'grant', 100, CASE WHEN at % 3 = 0 THEN 50 ELSE 0 END,
      CASE WHEN at % 7 = 0 THEN 'expired' ELSE 'active' END,
      ${NOW} + (at % 701 - 350) * interval '1 day', ${NOW} - at * interval '1 minute', ${NOW}
    FROM generate_series(0, ${CREDITS / 2 - 1}) AS at`,
  `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
      created_at, updated_at, consumed_detail, expires_at, metadata)
    SELECT 'c' || at, 'u' || at % ${USERS}, 'c' || at, 'consume', -drawn, 0, 'active',
      ${NOW} - at * interval '1 minute', ${NOW},
      json_build_array(json_build_object('creditId', 'g' || at, 'creditsConsumed', drawn)),
      CASE WHEN at % ${HELD_OF} = 30 THEN ${NOW} - interval '1 hour' END,
      CASE WHEN at % ${HELD_OF} = 30 THEN '{"held":true}' END
    FROM (SELECT at, CASE WHEN at % 3 = 0 THEN 50 ELSE 100 END AS drawn
      FROM generate_series(0, ${CREDITS / 2 - 1}) AS at) AS charge`,
  `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
      created_at, updated_at)
    SELECT 'rich' || at, 'u' || at, 'rich' || at, 'grant', 1000, 1000, 'active', ${NOW}, ${NOW}
    FROM unnest(ARRAY[${RICH}]) AS at`,
  `INSERT INTO media_tasks (id, user_id, platform, video_url, status, credit_id, created_at, updated_at)
    SELECT 't' || at, 'u' || at % ${USERS}, 'youtube', 'x',
      CASE WHEN at % ${STUCK_OF} = 40 THEN 'processing'
        ELSE (ARRAY['pending', 'completed'])[1 + at / ${USERS} % 2] END, 'c' || at, ${NOW}, ${NOW}
    FROM generate_series(0, ${TASKS - 1}) AS at`,
  `INSERT INTO ai_task (id, user_id, media_type, provider, model, prompt, status, scene, cost_credits, credit_id,
      created_at, updated_at)
    SELECT 'a' || at, 'u' || at % ${USERS}, 'image', 'p', 'm', 'x',
      CASE WHEN at % ${STUCK_OF} = 40 THEN 'processing'
        ELSE (ARRAY['pending', 'success'])[1 + at / ${USERS} % 2] END, 'text-to-image', 100, 'c' || at, ${NOW}, ${NOW}
    FROM generate_series(${TASKS}, ${2 * TASKS - 1}) AS at`,
  'SET session_replication_role = DEFAULT',
  'ANALYZE',
]

/** Arguments of each statement, in the order of its `$1`, `$2`, …, with the types that this package declares. */
const ARGUMENTS = {
  'balance.sql': [`'u7'`, NOW],
  'charges.sql': [`ARRAY['c7', 'c8']`],
  'expiring.sql': [NOW, `${NOW} + interval '3 days'`, '1', '10'],
  'free_trials.sql': [`ARRAY['u7']`, 'ARRAY[1]'],
  'grants_by_id.sql': [`'u7'`, `ARRAY['g7', 'g10007']`],
  'grants_of_charge.sql': [`'c7'`],
  'lock_owner.sql': [`'t7'`],
  'lock_user.sql': [`'u7'`, `'c7'`, `'c7'`],
  'lock_users.sql': [`ARRAY['u7', 'u8']`],
  'next_grants.sql': [`ARRAY['u7', 'u8']`, 'ARRAY[120, 90]', NOW],
  'spendable_grants.sql': [`ARRAY['u7', 'u8']`, NOW],
  'spent.sql': [`ARRAY['u7', 'u8']`, NOW],
  'taken.sql': [`ARRAY['c7', 'new']`],
  'task_facts.sql': [`'t7'`],
  'tasks_at_risk.sql': [`ARRAY['u7']`, `ARRAY['pending']`],
}
/** The text of a name in braces. */
const NAMES = {
  behind: "user_id > 'u7'",
  charge: '$1',
  charges: '$1',
  columns: 'credits, created_at',
  credit_id: 'credit_id',
  free_trial: 'is_free_trial',
  group: '',
  limit: '',
  more: '$2',
  of_scene: '',
  provenance: '',
  table: 'media_tasks',
  tasks: 'media_tasks',
  touch: '',
  users: '$1',
}
/** Statements about the tables themselves. */
const OTHERS = [
  'access.sql',
  'columns.sql',
  'create_ai_task.sql',
  'create_credit.sql',
  'create_media_tasks.sql',
  'create_user.sql',
  'diagnostics.sql',
  'own_path.sql',
  'within_check.sql',
  'within_version.sql',
]

/** Each node of a plan. */
function nodes(plan) {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)]
}

/** The tables that a plan reads as a whole. */
const scanned = (plan) =>
  nodes(plan)
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name'])

let database

beforeAll(async () => {
  database = await TestDatabase.fresh()
  database.keep()
  await database.run(...SEED)
})

test('each statement is tested here', () => {
  expect(fs.readdirSync(SQL).sort()).toEqual([...Object.keys(ARGUMENTS), ...OTHERS].sort())
})

test.each(Object.entries(ARGUMENTS))('%s finds its rows by an index', async (file, args) => {
  const sql = fs.readFileSync(path.join(SQL, file), 'utf8')
  const named = sql.replace(/\{(\w+)\}/g, (_, name) => NAMES[name])
  const literal = named.replace(/\$(\d)/g, (_, number) => args[number - 1])
  const [row] = await database.sql(`EXPLAIN (FORMAT JSON) ${literal}`)
  const [{ Plan: plan }] = JSON.parse(row['QUERY PLAN'])
  expect(scanned(plan)).toEqual([])
  expect(nodes(plan).some((node) => /Index/.test(node['Node Type']))).toBe(true)
})

const CALLS = [
  ['createMediaTask', ({ createMediaTask }) => createMediaTask(task('new', 'u7'), 120)],
  ['consumeCredits', ({ consumeCredits }) => consumeCredits({ userId: 'u8', credits: 120 })],
  ['createCredit', ({ createCredit }) => createCredit({ userId: 'u9', credits: 5 })],
  ['a refund', ({ updateMediaTaskById }) => updateMediaTaskById('new', { status: 'failed' })],
  ['chargeMediaTask', ({ chargeMediaTask }) => chargeMediaTask('t8', { credits: 5 })],
  ['settleMediaTask', ({ settleMediaTask }) => settleMediaTask('t9', 5)],
  ['refundCredits', ({ refundCredits }) => refundCredits('c10')],
  ['createAITask', ({ createAITask }) => createAITask(aiTask('ai', 'u7', { costCredits: 120 }))],
  ['updateAITaskById', ({ updateAITaskById }) => updateAITaskById('ai', { status: 'failed' })],
  ['chargeAITask', ({ chargeAITask }) => chargeAITask('a250008', { credits: 5 })],
  ['settleAITask', ({ settleAITask }) => settleAITask('a250009', 5)],
  ['getAITaskCharges', ({ getAITaskCharges }) => getAITaskCharges('a250007')],
  ['getAITasks', ({ getAITasks }) => getAITasks({ userId: 'u7' })],
  ['getAITasksCount', ({ getAITasksCount }) => getAITasksCount({ userId: 'u7' })],
  ['findAITaskById', ({ findAITaskById }) => findAITaskById('a250007')],
  [
    'grantCreditsForUser',
    ({ grantCreditsForUser }) => grantCreditsForUser({ user: { id: 'u9', email: 'e' }, credits: 5 }),
  ],
  [
    'an atomic createMediaTasks',
    ({ createMediaTasks }) =>
      createMediaTasks(
        RICH.map((at) => ({ task: task(`new${at}`, `u${at}`), costCredits: 120 })),
        { atomic: true },
      ),
  ],
  [
    'an atomic createAITasks',
    ({ createAITasks }) =>
      createAITasks(
        RICH.map((at) => aiTask(`ai${at}`, `u${at}`, { costCredits: 120 })),
        { atomic: true },
      ),
  ],
  [
    'an atomic consumeCreditsBatch',
    ({ consumeCreditsBatch }) =>
      consumeCreditsBatch(
        RICH.map((at) => ({ userId: `u${at}`, credits: 120 })),
        { atomic: true },
      ),
  ],
  [
    'three concurrent calls of createMediaTask',
    ({ createMediaTask }) => Promise.all(RICH.map((at) => createMediaTask(task(`one${at}`, `u${at}`), 120))),
  ],
  ['a replay', ({ createMediaTask }) => createMediaTask(task('new', 'u7'), 120, { replay: true })],
  [
    'a charge with scenes and a limit',
    ({ consumeCredits }) =>
      consumeCredits(
        { userId: 'u20', credits: 5 },
        { exceptScenes: ['gift'], limits: [{ credits: 1000, per: 'day' }] },
      ),
  ],
  [
    'a hold that is settled to more',
    async ({ consumeCredits, settleCredits }) => {
      const { id } = await consumeCredits({ userId: 'u21', credits: 5, holdUntil: new Date(9e12) })
      await settleCredits(id, 6, { over: 'available' })
    },
  ],
  [
    'a hold that is kept',
    async ({ consumeCredits, keepCharge }) => {
      const { id } = await consumeCredits({ userId: 'u21', credits: 5, holdUntil: new Date(9e12) })
      await keepCharge(id)
    },
  ],
  [
    'renewGrants and extendGrant',
    async ({ renewGrants, extendGrant }) => {
      const period = { userId: 'u22', subscriptionNo: 's', credits: 5, periodEnd: new Date(9e12) }
      const { id } = await renewGrants({ ...period, transactionNo: 'renewal', rollover: { atMost: 5 } })
      await extendGrant(id, null)
    },
  ],
  [
    'revokeGrants and restoreGrants',
    async ({ revokeGrants, restoreGrants }) => {
      await revokeGrants({ subscriptionNo: 's' }, { transactionNo: 'dispute', recover: 'available' })
      await restoreGrants('dispute')
    },
  ],
  [
    'claimTopUp and confirmTopUp',
    async ({ claimTopUp, confirmTopUp }) => {
      await claimTopUp({ userId: 'u23', below: 1_000_000, credits: 5, transactionNo: 'top-up' })
      await confirmTopUp('top-up')
    },
  ],
  [
    'claimTopUp and abandonTopUp',
    async ({ claimTopUp, abandonTopUp }) => {
      await claimTopUp({ userId: 'u24', below: 1_000_000, credits: 5, transactionNo: 'abandoned' })
      await abandonTopUp('abandoned')
    },
  ],
  ['getMediaTaskCharges', ({ getMediaTaskCharges }) => getMediaTaskCharges('t7')],
  ['quoteCredits', ({ quoteCredits }) => quoteCredits('u7', 10)],
  ['findMediaTaskById', ({ findMediaTaskById }) => findMediaTaskById('t7')],
  ['hasActiveMediaTask', ({ hasActiveMediaTask }) => hasActiveMediaTask('u7')],
  ['getActiveMediaTasks', ({ getActiveMediaTasks }) => getActiveMediaTasks('u7')],
  ['getMediaTaskHistory', ({ getMediaTaskHistory }) => getMediaTaskHistory('u7')],
  ['getRemainingCredits', ({ getRemainingCredits }) => getRemainingCredits('u7')],
  ['getBalance', ({ getBalance }) => getBalance('u7')],
  ['getStatement', ({ getStatement }) => getStatement('u7', { limit: 10 })],
  ['an audit of a user', ({ auditLedger }) => auditLedger({ userId: 'u7' }).next()],
  [
    // It reads pages of users up to the first with a finding.
    'an audit of all users',
    async ({ auditLedger }) => {
      await database.sql("UPDATE credit SET remaining_credits = 99 WHERE id = 'g1400'")
      expect((await auditLedger().next()).value).toMatchObject({ userId: 'u1400' })
    },
  ],
  [
    'a repair',
    async ({ repairLedger }) => {
      const anHourAgo = `${NOW} - interval '1 hour'`
      await database.sql(
        `UPDATE media_tasks SET status = 'failed', updated_at = ${anHourAgo} WHERE id = 't11'`,
      )
      expect((await repairLedger({ userId: 'u11', apply: true })).changes).toHaveLength(2)
    },
  ],
  ['getCredits', ({ getCredits }) => getCredits({ userId: 'u7', status: 'active' })],
  ['getCreditsCount', ({ getCreditsCount }) => getCreditsCount({ userId: 'u7', transactionType: 'grant' })],
  [
    'listExpiring',
    async ({ listExpiring }) => {
      const { users } = await listExpiring({ within: 3 * 86_400_000, limit: 10 })
      expect(users).toHaveLength(10)
    },
  ],
]

const STUCK = { olderThanMs: 1, statuses: ['processing'], limit: 5 }

/** Queries about all users, which the app's own indexes are not for: each may read its table, but only once. */
const OF_ALL_USERS = [
  [
    'findStuckMediaTasks',
    async ({ findStuckMediaTasks }) => expect(await findStuckMediaTasks(STUCK)).toHaveLength(5),
  ],
  ['findStuckAITasks', async ({ findStuckAITasks }) => expect(await findStuckAITasks(STUCK)).toHaveLength(5)],
  [
    'failStuckMediaTasks',
    async ({ failStuckMediaTasks }) => expect((await failStuckMediaTasks(STUCK)).tasks).toHaveLength(5),
  ],
  [
    'failStuckAITasks',
    async ({ failStuckAITasks }) => expect((await failStuckAITasks(STUCK)).tasks).toHaveLength(5),
  ],
  [
    'releaseHolds',
    async ({ releaseHolds }) => expect((await releaseHolds({ limit: 5 })).charges).toHaveLength(5),
  ],
  [
    'listTopUps',
    async ({ claimTopUp, listTopUps }) => {
      await claimTopUp({ userId: 'u25', below: 1_000_000, credits: 5, transactionNo: 'open' })
      expect(await listTopUps()).toMatchObject([{ transactionNo: 'open' }])
    },
  ],
]

/** Functions that are not called here, and why. */
const NOT_HERE = {
  createTables: 'it is about the tables themselves',
}

test('each function is called here', () => {
  const calls = [...CALLS, ...OF_ALL_USERS].map(([, call]) => String(call)).join()
  const called = Object.keys(EVERY).filter((name) => RegExp(`\\b${name}\\(`).test(calls))
  expect([...called, ...Object.keys(NOT_HERE)].sort()).toEqual(Object.keys(EVERY).sort())
})

// Including statements that are composed at run time.
test.each(CALLS)('%s reads no whole table', async (_, call) => {
  expect((await readBy(call)).tables).toBe(0)
})

test.each(OF_ALL_USERS)('%s, about all users, reads its table at most once', async (_, call) => {
  const url = new URL(database.url)
  // Each worker of a parallel scan would count as one more.
  url.searchParams.set('options', '-c max_parallel_workers_per_gather=0')
  expect((await readBy(call, url.href)).tables).toBeLessThanOrEqual(1)
})

test('findStuckMediaTasks reads no whole table with the index that docs/ledger.md names', async () => {
  const doc = fs.readFileSync(path.join(__dirname, '../../docs/ledger.md'), 'utf8')
  const [index] = /CREATE INDEX idx_media_tasks_status_updated .*/.exec(doc)
  // It reads the table, too.
  const client = clientOf(database.url)
  await client.unsafe(index)
  await client.end()
  expect((await readBy(({ findStuckMediaTasks }) => findStuckMediaTasks(STUCK))).tables).toBe(0)
})

/** How often a call reads a whole table, and an index. */
async function readBy(call, url = database.url) {
  const before = await scans()
  const credits = connect({ url })
  await call(credits)
  await credits.close()
  const after = await scans()
  const indexes = after.indexes - before.indexes
  const tables = after.tables - before.tables
  expect(indexes + tables).toBeGreaterThan(0)
  return { tables, indexes }
}

/** How often tables and indexes were read. A server session reports what it read when it ends. */
async function scans() {
  const others = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`
  await until(async () => (await database.sql(others)).length === 0, 'the other sessions have ended')
  const [found] = await database.sql(
    `SELECT sum(seq_scan) AS tables, sum(idx_scan) AS indexes FROM pg_stat_user_tables
      WHERE relname IN ('user', 'credit', 'media_tasks', 'ai_task')`,
  )
  return found
}
