'use strict'

const os = require('node:os')

/**
 * The same tests on each storage, but for the folders of what is about one of them.
 * `npx jest --selectProjects sqlite` runs them on one alone.
 */

/** About files and their locks; and what knows no storage, which runs once. */
const SQLITE_ALONE = ['sqlite', 'arguments', 'package', 'cli/adopt', 'cli/parts']
/** About a server and the network before it. */
const POSTGRES_ALONE = ['postgres']
/** About libSQL's server. */
const LIBSQL_ALONE = ['libsql']
/** The command line, which `__test__/libsql/commands.test.js` has in short: with `FULL=1` alone. */
const COMMANDS_ON_LIBSQL = process.env.FULL ? ['cli'] : []
/** What of the command line knows no server, and what has tests of pools alone. */
const COMMANDS_NOT_ON_LIBSQL = ['adopt/', 'parts/', 'passwords'].map(
  (name) => `<rootDir>/__test__/cli/${name}`,
)
/** About a MySQL server, and MariaDB's. */
const MYSQL_ALONE = ['mysql']

/**
 * What a libSQL server has no part in: locks of sessions, pages of more than 10 MB, values that it can't send (of others
 * `__test__/libsql/values.test.js` has some), transactions of an app's (`__test__/libsql/within.test.js`).
 */
const NOT_ON_LIBSQL = ['readers', 'unreadableValues', 'within']
/** What is about SQL that a file has as well, and asks a server thousands of questions. `FULL=1` runs it too, there and on MySQL. */
const SLOW_ON_SERVERS =
  `lists valueForms replay limits guards batches freeTrials freeTrials.back refundedTasks stuckTasks
  stuckTasks.races repairLedger repairLedger.races getStatement aiTasks.beside auditLedger.races close jest
  realDatabase realDatabase.rows replay.app settle.rows getMediaTaskCharges columnNames ownColumns createMediaTask.columns
  getCredits`.split(/\s+/)
/** MySQL's columns hold what their types say. */
const NOT_ON_MYSQL = ['unreadableValues']
/** Races and pages that take their time on a server, and are tried on PostgreSQL each time. The other two have them with `FULL=1`. */
const SLOW_RACES = [
  'repairLedger.races',
  'replay.races',
  'getStatement.pages',
  'batches.races',
  'auditLedger.pages',
]

/** Files of `__test__/shared/`, as a pattern that leaves them out. */
const leftOut = (always, ...unlessFull) =>
  [...always, ...(process.env.FULL ? [] : unlessFull.flat())].map(
    (name) => `<rootDir>/__test__/shared/${name.replace('.', '\\.')}\\.test\\.js`,
  )

const foldersOf = (names) => names.map((name) => `<rootDir>/__test__/${name}/`)

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
      testPathIgnorePatterns: foldersOf([...POSTGRES_ALONE, ...LIBSQL_ALONE, ...MYSQL_ALONE]),
    },
    {
      ...common,
      displayName: 'postgres',
      globals: { STORAGE: 'postgres' },
      globalSetup: '<rootDir>/__test__/helpers/postgres.setup.js',
      globalTeardown: '<rootDir>/__test__/helpers/postgres.teardown.js',
      testPathIgnorePatterns: foldersOf([...SQLITE_ALONE, ...LIBSQL_ALONE, ...MYSQL_ALONE]),
    },
    {
      ...common,
      displayName: 'libsql',
      globals: { STORAGE: 'libsql' },
      globalSetup: '<rootDir>/__test__/helpers/sqld.setup.js',
      testMatch: ['shared', ...LIBSQL_ALONE, ...COMMANDS_ON_LIBSQL].map(
        (name) => `<rootDir>/__test__/${name}/**/*.test.js`,
      ),
      testPathIgnorePatterns: [
        ...COMMANDS_NOT_ON_LIBSQL,
        ...leftOut(NOT_ON_LIBSQL, SLOW_ON_SERVERS, SLOW_RACES),
      ],
    },
    {
      ...common,
      displayName: 'mysql',
      globals: { STORAGE: 'mysql' },
      globalSetup: '<rootDir>/__test__/helpers/mysql.setup.js',
      globalTeardown: '<rootDir>/__test__/helpers/mysql.teardown.js',
      testMatch: ['shared', 'cli', 'docs', ...MYSQL_ALONE].map(
        (name) => `<rootDir>/__test__/${name}/**/*.test.js`,
      ),
      testPathIgnorePatterns: [
        ...foldersOf(['cli/adopt', 'cli/parts']),
        ...leftOut(NOT_ON_MYSQL, SLOW_ON_SERVERS, SLOW_RACES),
      ],
    },
  ],
}
