'use strict'

const os = require('node:os')

/**
 * The same tests on each storage, but for the folders of what is about one of them.
 * `npx jest --selectProjects sqlite` runs them on one alone.
 */

/** About files and their locks; and what knows no storage, which runs once. */
const SQLITE_ALONE = ['sqlite', 'arguments', 'package', 'cli/adopt', 'cli/parts']
/** About servers and the network before them. */
const OF_SERVERS = ['postgres', 'libsql', 'mysql']
/** What of the command line knows no server, and what has tests of pools alone. */
const COMMANDS_NOT_ON_LIBSQL = ['adopt/', 'parts/', 'passwords'].map(
  (name) => `<rootDir>/__test__/cli/${name}`,
)

/**
 * What a libSQL server has no part in: locks of sessions, pages of more than 10 MB, values that it can't send (of others
 * `__test__/libsql/values.test.js` has some), transactions of an app's (`__test__/libsql/within.test.js`).
 */
const NOT_ON_LIBSQL = ['readers', 'unreadableValues', 'within']
/** MySQL's columns hold what their types say. */
const NOT_ON_MYSQL = ['unreadableValues']

/**
 * `FULL=1` runs everything everywhere. Without it what follows runs on SQLite and PostgreSQL alone, whose dialects libSQL
 * and MySQL share or resemble: races and pages that take their time on a server, and what asks it thousands of questions.
 */
const IS_FULL = process.env.FULL !== undefined
const SLOW_ON_SERVERS =
  `lists valueForms replay replay.races limits guards batches batches.races freeTrials freeTrials.back
  refundedTasks stuckTasks stuckTasks.races repairLedger repairLedger.races getStatement.pages aiTasks.beside
  auditLedger.races auditLedger.pages getMediaTaskCharges`.split(/\s+/)
/** What sends libSQL no statement of another form than the files that run there, each request of which is dear. */
const SLOW_ON_LIBSQL =
  `activeStatuses aiTasks.refusals balanceLow chargeMediaTask.refusals close columnNames createMediaTask.columns
  createMediaTask.refusals events getCredits getStatement grantCreditsForUser jest jsonValues lifecycle
  limits.races log ownCharges ownColumns quoteCredits realDatabase realDatabase.rows refundPolicy replay.app
  settle.app settle.races settle.rows settleOver stockApp.tables updateMediaTaskById.refusals`.split(/\s+/)
/** Of the command line, and of the pages' examples, which have one code for all storages. */
const COMMANDS_ON_SERVERS = IS_FULL ? ['cli/**/*', 'docs/**/*'] : ['cli/commands']

/** Files of `__test__/shared/`, as a pattern that leaves them out. */
const leftOut = (always, ...unlessFull) =>
  [...always, ...(IS_FULL ? [] : unlessFull.flat())].map(
    (name) => `<rootDir>/__test__/shared/${name.replace('.', '\\.')}\\.test\\.js`,
  )

const foldersOf = (names) => names.map((name) => `<rootDir>/__test__/${name}/`)

const testsOf = (...names) => names.flat().map((name) => `<rootDir>/__test__/${name}.test.js`)

const cores = os.availableParallelism()

// Each process of Node parses what this names as it starts, for three times the work. No test asks a server of others.
delete process.env.NODE_EXTRA_CA_CERTS

const common = {
  testEnvironment: 'node',
  // What Node loads as it is needs no compiler.
  transform: {},
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  // They have packages of their own, some of them copied into a build.
  modulePathIgnorePatterns: ['<rootDir>/examples/', '<rootDir>/target/'],
}

module.exports = {
  // No test is about how long it takes: each has so much to do, and says what it waits for. What takes 10 s with a
  // release build takes a minute with one that is not optimized, on a busy machine.
  testTimeout: 180_000,
  // They wait for disks and servers half of their time. A server takes 200 connections, and a worker up to 20 of them.
  maxWorkers: Math.max(cores, Math.min(2 * cores, 8)),
  // A worker that leaves nothing behind still has its heap to give back, which takes longer than Jest's half a second
  // on a busy machine. One that something keeps alive is ended after this time, and Jest says so.
  workerGracefulExitTimeout: 20_000,
  projects: [
    {
      ...common,
      displayName: 'sqlite',
      globals: { STORAGE: 'sqlite' },
      testPathIgnorePatterns: foldersOf(OF_SERVERS),
    },
    {
      ...common,
      displayName: 'postgres',
      globals: { STORAGE: 'postgres' },
      globalSetup: '<rootDir>/__test__/helpers/postgres.setup.js',
      globalTeardown: '<rootDir>/__test__/helpers/postgres.teardown.js',
      testMatch: testsOf('shared/**/*', 'postgres/**/*', COMMANDS_ON_SERVERS),
      testPathIgnorePatterns: foldersOf(SQLITE_ALONE),
    },
    {
      ...common,
      displayName: 'libsql',
      globals: { STORAGE: 'libsql' },
      globalSetup: '<rootDir>/__test__/helpers/sqld.setup.js',
      // `__test__/libsql/commands.test.js` has the command line in short.
      testMatch: testsOf('shared/**/*', 'libsql/**/*', IS_FULL ? 'cli/**/*' : []),
      testPathIgnorePatterns: [
        ...COMMANDS_NOT_ON_LIBSQL,
        ...leftOut(NOT_ON_LIBSQL, SLOW_ON_SERVERS, SLOW_ON_LIBSQL),
      ],
    },
    {
      ...common,
      displayName: 'mysql',
      globals: { STORAGE: 'mysql' },
      globalSetup: '<rootDir>/__test__/helpers/mysql.setup.js',
      globalTeardown: '<rootDir>/__test__/helpers/mysql.teardown.js',
      testMatch: testsOf('shared/**/*', 'mysql/**/*', COMMANDS_ON_SERVERS),
      testPathIgnorePatterns: [...foldersOf(SQLITE_ALONE), ...leftOut(NOT_ON_MYSQL, SLOW_ON_SERVERS)],
    },
  ],
}
