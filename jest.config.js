'use strict'

const os = require('node:os')

/**
 * Each storage is a project, and runs the same tests, except the folders that are about one storage.
 * `npx jest --selectProjects sqlite` runs one project.
 */

/** Tests of files and their locks, and tests that use no storage, which run once. */
const SQLITE_ALONE = ['sqlite', 'arguments', 'package', 'cli/adopt', 'cli/parts']
/** Tests of servers and of the network. */
const OF_SERVERS = ['postgres', 'libsql', 'mysql']
/** Tests of the command line that use no server, or are about connection pools. */
const COMMANDS_NOT_ON_LIBSQL = ['adopt/', 'parts/', 'passwords'].map(
  (name) => `<rootDir>/__test__/cli/${name}`,
)

/**
 * Tests that do not apply to a libSQL server: locks of sessions, pages of more than 10 MB, values that it can't send
 * (`__test__/libsql/values.test.js` tests some that it can), and transactions of an app (`__test__/libsql/within.test.js`).
 */
const NOT_ON_LIBSQL = ['readers', 'unreadableValues', 'within']
/** MySQL's columns hold only values of their types. */
const NOT_ON_MYSQL = ['unreadableValues']

/**
 * `FULL=1` runs all tests on all storages. Without it these run on SQLite only: rules and pages, whose code is the same
 * for all storages. What they write and read is written and read by other tests, too.
 */
const IS_FULL = process.env.FULL !== undefined
const RULES = `activeStatuses aiTasks.beside auditLedger.pages balanceLow batches freeTrials freeTrials.back
  getMediaTaskCharges getStatement.pages limits refundedTasks replay`.split(/\s+/)
/** These run on SQLite and PostgreSQL only, whose dialects libSQL and MySQL share or resemble: races and forms of values. */
const ON_POSTGRES =
  `auditLedger.races batches.races guards jsonValues lists log repairLedger repairLedger.races
  replay.races stuckTasks stuckTasks.races valueForms`.split(/\s+/)
/** Tests whose statements on libSQL have the same forms as those of other tests. Each request to libSQL is slow. */
const SLOW_ON_LIBSQL = `aiTasks.refusals chargeMediaTask.refusals close columnNames createMediaTask.columns
  createMediaTask.refusals events getCredits getStatement grantCreditsForUser jest lifecycle
  limits.races ownCharges ownColumns quoteCredits realDatabase realDatabase.rows refundPolicy replay.app
  settle.app settle.races settle.rows settleOver stockApp.tables updateMediaTaskById.refusals`.split(/\s+/)
/** Tests of the command line and of the examples in docs, whose code is the same for all storages. */
const COMMANDS_ON_SERVERS = IS_FULL ? ['cli/**/*', 'docs/**/*'] : ['cli/commands']

/** Patterns that leave out these files of `__test__/shared/`. */
const leftOut = (always, ...unlessFull) =>
  [...always, ...(IS_FULL ? [] : unlessFull.flat())].map(
    (name) => `<rootDir>/__test__/shared/${name.replace('.', '\\.')}\\.test\\.js`,
  )

const foldersOf = (names) => names.map((name) => `<rootDir>/__test__/${name}/`)

const testsOf = (...names) => names.flat().map((name) => `<rootDir>/__test__/${name}.test.js`)

const cores = os.availableParallelism()

// Node parses the certificates of this file in each process, which triples the time to start. No test needs them.
delete process.env.NODE_EXTRA_CA_CERTS

const common = {
  testEnvironment: '<rootDir>/__test__/helpers/environment.js',
  // Node loads the files as they are: they need no compiler.
  transform: {},
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  // These folders have their own packages, some of them copied into a build.
  modulePathIgnorePatterns: ['<rootDir>/examples/', '<rootDir>/target/'],
}

module.exports = {
  // No test measures its own duration: each waits for a condition. A test that takes 10 s with a release build takes a
  // minute with a debug build on a busy machine.
  testTimeout: 180_000,
  // Workers wait for disks and servers half of the time. A server accepts 200 connections, and a worker uses up to 20.
  maxWorkers: Math.max(cores, Math.min(2 * cores, 8)),
  // A worker without open handles still has to free its heap, which takes longer than Jest's half a second on a busy
  // machine. Jest ends a worker with open handles after this time, and reports it.
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
      testPathIgnorePatterns: [...foldersOf(SQLITE_ALONE), ...leftOut([], RULES)],
    },
    {
      ...common,
      displayName: 'libsql',
      globals: { STORAGE: 'libsql' },
      globalSetup: '<rootDir>/__test__/helpers/sqld.setup.js',
      // `__test__/libsql/commands.test.js` has a few tests of the command line.
      testMatch: testsOf('shared/**/*', 'libsql/**/*', IS_FULL ? 'cli/**/*' : []),
      testPathIgnorePatterns: [
        ...COMMANDS_NOT_ON_LIBSQL,
        ...leftOut(NOT_ON_LIBSQL, RULES, ON_POSTGRES, SLOW_ON_LIBSQL),
      ],
    },
    {
      ...common,
      displayName: 'mysql',
      globals: { STORAGE: 'mysql' },
      globalSetup: '<rootDir>/__test__/helpers/mysql.setup.js',
      globalTeardown: '<rootDir>/__test__/helpers/mysql.teardown.js',
      testMatch: testsOf('shared/**/*', 'mysql/**/*', COMMANDS_ON_SERVERS),
      testPathIgnorePatterns: [...foldersOf(SQLITE_ALONE), ...leftOut(NOT_ON_MYSQL, RULES, ON_POSTGRES)],
    },
  ],
}
