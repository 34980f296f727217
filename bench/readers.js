'use strict'

/**
 * How long a balance and a charge take beside long reads, all in one process over one SQLite file: pages of long texts,
 * lists with an enormous row, statements and audits of many rows.
 *
 *   npm run bench:readers                 builds, installs bench/'s packages, then runs this file
 *   npm run bench:readers -- --seconds 3
 *
 *   --seconds N    measured time per run (5)
 *   --rounds N     runs of each load, in both orders (2)
 *   --users N      users of 5 grants each, whose balances are read (1000)
 *   --dir PATH     where the database file goes (the temporary folder)
 *
 * The table goes to stdout. If the ledger is wrong after a run, the benchmark fails.
 */

const path = require('node:path')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')

const { connect } = require('..')
const Database = require('./better-sqlite3')
const { readOptions, runCommand, scratchFolder } = require('./command')
const { driveWhile, measureWhile, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { describeMachine, machineLines } = require('./machine')
const { copyDurably, seed } = require('./seed')
const { count, fixed, table } = require('./table')
const { userId } = require('./work')

const TASKS = 1000
const LONG_TEXTS = 15
const LONG_TEXT = 4_000_000
const DRAWS = 80_000
const CHARGES = 100_000

/** For each load its number of callers, and what each of them requests repeatedly. */
const LOADS = {
  'nothing else': { callers: 0 },
  'pages of 20 tasks, one in 66 with 4 MB of text': {
    callers: 4,
    ask: ({ getMediaTaskHistory }) => getMediaTaskHistory('texts', 1, 20),
  },
  'all of these 1,000 tasks': {
    callers: 4,
    ask: ({ getMediaTaskHistory }) => getMediaTaskHistory('texts', 1, TASKS),
  },
  'a list with a consumed_detail of 18 MB': {
    callers: 4,
    ask: ({ getCredits }) => getCredits({ userId: 'detail' }),
  },
  'a statement over 100,000 rows': { callers: 4, ask: ({ getStatement }) => getStatement('rows') },
  'an audit of everything': { callers: 1, ask: ({ auditLedger }) => drain(auditLedger()) },
}
LOADS['all of these together'] = {
  callers: 6,
  ask: (credits, caller) => Object.values(LOADS)[1 + (caller % 5)].ask(credits),
}

const COLUMNS = [
  'beside',
  'answers/s',
  'balance p50 ms',
  'balance p99 ms',
  'worst ms',
  'charge p99 ms',
  'event loop delay p99 ms',
]

async function drain(findings) {
  for await (const finding of findings) throw new Error(finding.message)
}

/** A load, and two callers beside it: of balances and of charges. Runs in its own process. */
async function measure({ load, file, seconds, users }) {
  const credits = connect({ url: `file:${file}` })
  const { callers, ask } = LOADS[load]
  // Warms up connections and caches.
  await credits.getRemainingCredits(userId(0))
  await credits.getCredits({ userId: userId(0) })
  const deadline = performance.now() + seconds * 1000
  const goesOn = () => performance.now() < deadline
  let [answers, caller, charged] = [0, 0, 0]
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const loading = Array.from({ length: callers }, () => {
    const number = caller++
    return driveWhile(goesOn, 1, async () => {
      await ask(credits, number)
      answers++
    })
  })
  const [balances, charges] = await Promise.all([
    measureWhile(goesOn, 1, () => credits.getRemainingCredits(userId(answers % users))),
    measureWhile(goesOn, 1, async () => {
      await sleep(5)
      await credits.consumeCredits({ userId: userId(charged++ % users), credits: 1 })
    }),
    ...loading,
  ])
  delay.disable()
  await credits.close()
  const latency = (share) => percentile(balances.latencies, share)
  return {
    charged,
    perSecond: (answers / balances.elapsedMs) * 1000,
    figures: [
      latency(0.5),
      latency(0.99),
      latency(1),
      percentile(charges.latencies, 0.99) - 5,
      delay.percentile(99) / 1e6,
    ],
  }
}

async function seedLongReads(file, users) {
  await seed(file, users)
  const database = new Database(file)
  const user = database.prepare('INSERT INTO user (id, name, email) VALUES (?, ?, ?)')
  const now = Date.now()
  const credit = database.prepare(
    `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
       created_at, updated_at, consumed_detail)
     VALUES (?, ?, ?, ?, ?, ?, 'active', ?, ${now}, ?)`,
  )
  const task = database.prepare(
    `INSERT INTO media_tasks (id, user_id, platform, video_url, created_at, updated_at)
     VALUES (?, 'texts', 'youtube', ?, ?, ${now})`,
  )
  const grantWith = (id, owner, credits, remaining) =>
    credit.run(id, owner, id, 'grant', credits, remaining, now, null)
  database.transaction(() => {
    for (const id of ['texts', 'detail', 'rows']) user.run(id, id, `${id}@example.com`)
    const every = Math.floor(TASKS / LONG_TEXTS)
    const long = 'x'.repeat(LONG_TEXT)
    for (let at = 0; at < TASKS; at++) {
      task.run(
        `task-${at}`,
        at % every < 1 && at < every * LONG_TEXTS ? long : 'https://example.com',
        now + at,
      )
    }
    const draws = Array.from({ length: DRAWS }, (_, at) => {
      grantWith(`01980000-0000-7000-8000-${String(at).padStart(12, '0')}`, 'detail', 1, 0)
      return draw(`01980000-0000-7000-8000-${String(at).padStart(12, '0')}`, DRAWS - at, at + 1)
    })
    credit.run('huge', 'detail', 'huge', 'consume', -DRAWS, 0, now + 1, JSON.stringify(draws))
    grantWith('large', 'rows', CHARGES * 2, CHARGES)
    for (let at = 0; at < CHARGES; at++) {
      credit.run(
        `charge-${at}`,
        'rows',
        `charge-${at}`,
        'consume',
        -1,
        0,
        now + at,
        JSON.stringify([draw('large', 1, 1)]),
      )
    }
  })()
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
}

const draw = (creditId, creditsToConsume, batchNo) => ({
  creditId,
  transactionNo: '1790000000000000000',
  expiresAt: null,
  creditsToConsume,
  creditsConsumed: 1,
  creditsBefore: 1,
  creditsAfter: 0,
  batchSize: 1000,
  batchNo,
})

/** Throws unless every confirmed charge exists. */
function checkCharges(file, expected) {
  const database = new Database(file)
  const sql = "SELECT count(*) FROM credit WHERE transaction_type = 'consume' AND user_id LIKE ?"
  const found = database
    .prepare(sql)
    .pluck()
    .get(`${userId(0).replace(/\d+$/, '')}%`)
  database.close()
  if (found !== expected) throw new Error(`${expected} charges were answered, ${found} are there`)
}

/** The median, and the range of the others. */
function spread(numbers) {
  const sorted = numbers.sort((one, other) => one - other)
  const [least, median, most] = [sorted[0], percentile(sorted, 0.5), sorted.at(-1)]
  return `${fixed(median, 1)} (${fixed(least, 1)}–${fixed(most, 1)})`
}

async function main() {
  const { seconds, rounds, users, dir } = readOptions({ seconds: 5, rounds: 2, users: 1000 })
  const folder = scratchFolder(dir)
  const machine = describeMachine(folder)
  const seeded = path.join(folder, 'seeded.db')
  await seedLongReads(seeded, users)

  const names = Object.keys(LOADS)
  const results = new Map(names.map((name) => [name, []]))
  const file = path.join(folder, 'run.db')
  for (let round = 0; round < rounds; round++) {
    for (const load of round % 2 ? names.toReversed() : names) {
      copyDurably(seeded, file)
      const result = await runForked(__filename, { load, file, seconds, users }, load)
      checkCharges(file, result.charged)
      results.get(load).push(result)
    }
  }
  const rows = names.map((name) => {
    const runs = results.get(name)
    const figures = runs[0].figures.map((_, at) => spread(runs.map((run) => run.figures[at])))
    return [name, count(runs.reduce((sum, run) => sum + run.perSecond, 0) / runs.length), ...figures]
  })
  const header = [
    'Balances and charges beside reads that take long.',
    ...machineLines(machine),
    `${users} users, ${seconds} s a run, ${rounds} rounds in both orders: median (range). Durability full.`,
  ]
  process.stdout.write(`\n${header.join(' ')}\n\n${table(COLUMNS, rows)}\n`)
}

// The measuring process runs this file too.
if (process.send) answerParent(measure)
else runCommand(main)
