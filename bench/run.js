'use strict'

/**
 * `createMediaTask` beside its alternatives, doing the same work.
 *
 *   npm run bench                          builds, installs bench/'s packages, then runs this file
 *   npm run bench -- --quick               one round of one second, to try it out
 *   npm run bench -- --durability normal --callers 1
 *   npm run bench -- --postgres            another benchmark, with options of its own: see postgres.js
 *   npm run bench -- --libsql              and another one: see libsql.js
 *   npm run bench -- --mysql               and another one: see mysql.js
 *   npm run bench -- --rows --most 1000000 and another one: see rows.js
 *   npm run bench -- --summary             all figures, in one table: see summary.js
 *
 *   --seconds N      measured time per contestant and round (5), after a second of warm-up
 *   --rounds N       the figures are medians over the rounds (5); every second one runs in reverse order
 *   --callers N      concurrent calls (64)
 *   --users N        users of 5 grants each (1000)
 *   --durability D   full (synchronous=FULL) or normal
 *   --only NAMES     some of media-credits,better-sqlite3,drizzle-libsql, or of the variants
 *   --variants       this package alone, and with one feature each: listeners, statistics, spans, scenes, limits
 *   --dir PATH       where the database files go: its disk decides what an fsync costs (the temporary folder)
 *
 * The table goes to stdout, progress to stderr. If the ledger is wrong after a run, the benchmark fails.
 */

const path = require('node:path')

const { UsageError, readOptions, runCommand, scratchFolder } = require('./command')
const { CONTESTANTS, VARIANTS } = require('./contestants')
const { runContestant } = require('./contestant-process')
const { checkLedger } = require('./ledger')
const { describeMachine } = require('./machine')
const { report } = require('./report')
const { WARM_UP_SECONDS, runRounds } = require('./rounds')
const { onCopy, seed } = require('./seed')

function ownOptions() {
  const { quick, only, variants, ...options } = readOptions({
    seconds: 5,
    rounds: 5,
    callers: 64,
    users: 1000,
    durability: 'full',
    only: '',
    variants: false,
    quick: false,
  })
  if (quick) Object.assign(options, { seconds: 1, rounds: 1 })
  if (!['full', 'normal'].includes(options.durability)) {
    throw new UsageError('--durability is full or normal')
  }
  const contestants = variants ? VARIANTS : CONTESTANTS
  const names = only === '' ? Object.keys(contestants) : only.split(',')
  const unknown = names.find((name) => !Object.hasOwn(contestants, name))
  if (unknown !== undefined) throw new UsageError(`--only: ${unknown} is none of ${Object.keys(contestants)}`)
  return { ...options, contestants, names }
}

/** A run of one contestant, on its own copy of the seeded file. */
function runOnce(name, seeded, options) {
  return onCopy(seeded, name, async (file) => {
    const { callers, seconds, users, durability } = options
    const run = { name, file, callers, seconds, warmUpSeconds: WARM_UP_SECONDS, users, durability }
    const result = await runContestant(run)
    const { tasks } = checkLedger(file, result.acknowledged)
    return { ...result, tasks }
  })
}

async function main() {
  const options = ownOptions()
  const folder = scratchFolder(options.dir)
  const machine = describeMachine(folder)
  const seeded = path.join(folder, 'seeded.db')
  await seed(seeded, options.users)
  const results = await runRounds(options.names, options.rounds, (name) => runOnce(name, seeded, options))
  process.stdout.write(report(machine, options, results))
}

if (process.argv.includes('--postgres')) require('./postgres')
else if (process.argv.includes('--libsql')) require('./libsql')
else if (process.argv.includes('--mysql')) require('./mysql')
else if (process.argv.includes('--rows')) require('./rows')
else if (process.argv.includes('--summary')) require('./summary')
else runCommand(main)
