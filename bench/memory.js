'use strict'

/**
 * Whether memory grows: the calls of a busy site in one hour, as fast as possible. Each task is created with a cost,
 * read in one of several ways, and then completed; each tenth fails and is refunded.
 *
 *   npm run bench:memory                   builds, installs bench/'s packages, then runs this file
 *   npm run bench:memory -- --tasks 50000
 *
 *   --tasks N      how many tasks (500,000: some 140 a second, for an hour)
 *   --callers N    concurrent calls (64)
 *   --users N      users of 5 grants each (997: a prime, so that each kind of work reaches every user)
 *   --dir PATH     where the database file goes (the temporary folder)
 *
 * The figures go to stdout. The first tenth of the run is a warm-up, in which the page caches fill; with fewer than
 * 300,000 tasks, that tenth is too short. If the ledger is wrong at the end, the benchmark fails.
 */

const fs = require('node:fs')
const path = require('node:path')

const { readOptions, runCommand, scratchFolder } = require('./command')
const { ascending, driveWhile, percentile } = require('./drive')
const { answerParent, runForked } = require('./forked')
const { count, fixed, mib, table } = require('./table')
const { COST, newTask } = require('./work')

const TENTHS = 10
const SAMPLES_A_TENTH = 100
const FAILS_EACH = 10

const COLUMNS = ['tasks', 'RSS MiB, median', 'RSS MiB, highest', 'JS heap MiB, highest', 'log MiB, highest']

/** The reads of an app's pages; each task uses one. */
const READS = [
  (credits, task) => credits.findMediaTaskById(task.id),
  (credits, task) => credits.hasActiveMediaTask(task.userId),
  (credits, task) => credits.getActiveMediaTasks(task.userId),
  (credits, task) => credits.getRemainingCredits(task.userId),
  (credits, task) => credits.getMediaTaskHistory(task.userId, 1, 10),
]

/** Runs in its own process, which keeps nothing of its tasks, so that only the package's memory is measured. */
async function measure({ file, tasks, callers, users }) {
  const { connect } = require('..')
  const credits = connect({ url: `file:${file}` })
  const samples = []
  let created = 0
  let done = 0
  const start = performance.now()
  await driveWhile(
    () => created < tasks,
    callers,
    async () => {
      const number = created++
      await live(credits, newTask(number, users), number)
      done++
      const due = ((samples.length + 1) * tasks) / (TENTHS * SAMPLES_A_TENTH)
      if (done >= due) samples.push(sample(file))
    },
  )
  const elapsedMs = performance.now() - start
  await credits.close()
  return { samples, elapsedMs }
}

/** The life of a task. */
async function live(credits, task, number) {
  await credits.createMediaTask(task, COST)
  await READS[number % READS.length](credits, task)
  const end = fails(number) ? { status: 'failed', errorMessage: 'no subtitles' } : { status: 'completed' }
  const { refund } = await credits.updateMediaTaskById(task.id, end)
  if ((refund?.credits === COST) !== fails(number)) {
    throw new Error(`task ${number} gave back ${refund?.credits}`)
  }
}

const fails = (number) => number % FAILS_EACH === 0

function sample(file) {
  const { rss, heapTotal } = process.memoryUsage()
  return { rss, heap: heapTotal, log: fs.statSync(`${file}-wal`).size }
}

function tenthsOf(samples) {
  return Array.from({ length: TENTHS }, (_, at) => {
    const own = samples.slice(at * SAMPLES_A_TENTH, (at + 1) * SAMPLES_A_TENTH)
    const sorted = (what) => ascending(own.map((sample) => sample[what]))
    return { rss: sorted('rss'), heap: sorted('heap'), log: sorted('log') }
  })
}

const median = (sorted) => percentile(sorted, 0.5)
const highest = (sorted) => sorted.at(-1)

function report({ samples, elapsedMs }, { tasks, callers, users }, lines) {
  const tenths = tenthsOf(samples)
  const rows = tenths.map(({ rss, heap, log }, at) => [
    `to ${count((tasks * (at + 1)) / TENTHS)}`,
    ...[median(rss), highest(rss), highest(heap), highest(log)].map(mib),
  ])
  const [, first] = tenths
  const last = tenths.at(-1)
  const growth = median(last.rss) - median(first.rss)
  const header = [
    `${count(tasks)} tasks of ${users} users from ${callers} callers, each tenth refunded, a read for each,`,
    `in ${fixed(elapsedMs / 1000)} s: ${count((tasks / elapsedMs) * 1000)} a second.`,
    ...lines,
  ]
  const summary = [
    `First tenth after the warm-up: ${mib(median(first.rss))} MiB, last tenth: ${mib(median(last.rss))} MiB,`,
    `growth: ${mib(growth)} MiB (${fixed((growth / median(first.rss)) * 100, 1)} %),`,
    `highest: ${mib(Math.max(...samples.map(({ rss }) => rss)))} MiB.`,
  ]
  return `\n${header.join(' ')}\n\n${table(COLUMNS, rows)}\n\n${summary.join(' ')}\n`
}

async function main() {
  const options = readOptions({ tasks: 500_000, callers: 64, users: 997 })
  const { tasks, users, dir } = options
  // Not at the top: the measuring process must have no other copy of SQLite in its memory.
  const { checkLedger } = require('./ledger')
  const { describeMachine, machineLines } = require('./machine')
  const { seed } = require('./seed')
  const folder = scratchFolder(dir)
  const lines = machineLines(describeMachine(folder))
  const file = path.join(folder, 'bench.db')
  await seed(file, users)
  const result = await runForked(__filename, { ...options, file }, 'media-credits')
  checkLedger(file, tasks, { failed: Math.ceil(tasks / FAILS_EACH) })
  process.stdout.write(report(result, options, lines))
}

// The measuring process runs this file too.
if (process.send) answerParent(measure)
else runCommand(main)
