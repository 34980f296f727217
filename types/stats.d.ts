// What is known of a database and its engine.

import type { ConnectOptions, MediaCredits } from './connection.js'
import type { MediaCreditsErrorCode } from './errors.js'

/** What was found when the database was opened. */
export type Diagnostics = SqliteDiagnostics | PostgresDiagnostics | LibsqlDiagnostics | MysqlDiagnostics

/** What was found in an SQLite file. */
export interface SqliteDiagnostics {
  storage: 'sqlite'
  /** The file, or `:memory:`. */
  path: string
  /** SQLite's journal mode: `'wal'` wherever it can be had. */
  journalMode: string
  /** How the database keeps times: as epoch milliseconds or seconds. */
  timestampUnit: 'ms' | 's'
  /**
   * `'ofd'`: safe beside the app's own client in the same process (Linux). `'system'`: the system's own locks;
   * `docs/locking.md` says what that means.
   */
  locking: 'ofd' | 'system'
  /** The version of SQLite in this package. */
  sqliteVersion: string
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** What was found on a PostgreSQL server. */
export interface PostgresDiagnostics {
  storage: 'postgres'
  /** Such as `'18.4'`. */
  serverVersion: string
  /** The database's name. */
  database: string
  /** The schema that the tables are in. */
  schema: string
  /** The default isolation of transactions, such as `'read committed'`. */
  isolation: string
  /** Whether the server sees an encrypted connection. A pooler in between has two. */
  encrypted: boolean
  /** The most connections of this process, as {@link ConnectOptions.maxConnections} or the environment says. */
  maxConnections: number
  /** What keeps a commit through a crash, as the server says. `synchronousCommit` is its default: writes here never run with `'off'`. */
  durability: { fsync: boolean; fullPageWrites: boolean; synchronousCommit: string }
  /** What the connection's role may not do with the tables: a privilege or a policy that is missing, with the statement that adds it. */
  lacks: { table: string; command: 'SELECT' | 'INSERT' | 'UPDATE'; message: string }[]
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** What was found on a libSQL server: Turso, or sqld. */
export interface LibsqlDiagnostics {
  storage: 'libsql'
  /** The server, with its port if that is not the usual one. */
  host: string
  /** Whether the connection is encrypted. */
  encrypted: boolean
  /** How the database keeps times: as epoch milliseconds or seconds. */
  timestampUnit: 'ms' | 's'
  /** The version of SQLite in the server. */
  sqliteVersion: string
  /** Whether it has just carried out a transaction that writes, which had nothing to write. */
  answersWrites: boolean
  /** Why it has refused that one; `null` if it has not, or has not answered at all. `code` is the database's, where it names one. */
  writeRefusal: { code: string; message: string; retryable: boolean } | null
  /** The most connections of this process, as {@link ConnectOptions.maxConnections} or the environment says. */
  maxConnections: number
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** What was found on a MySQL or MariaDB server. */
export interface MysqlDiagnostics {
  storage: 'mysql'
  /** As the server says it: `'8.4.3'`, `'10.11.14-MariaDB'`. */
  serverVersion: string
  /** The database's name. */
  database: string
  /** The default isolation of transactions, such as `'repeatable read'`. */
  isolation: string
  /** Whether the connection is encrypted. */
  encrypted: boolean
  /** The most connections of this process, as {@link ConnectOptions.maxConnections} or the environment says. */
  maxConnections: number
  /** The server's own modes and zone, and the database's character set. A session here has modes of its own, and the server's zone. */
  sqlMode: string
  timeZone: string
  characterSet: string
  /** Whether the server takes no writes. */
  readOnly: boolean
  /** Whether it is a node of a Galera cluster. */
  cluster: boolean
  /** How it logs changes, such as `'ROW'`; empty without a binary log. */
  binlogFormat: string
  /** The longest message that the server takes, in bytes. */
  maxAllowedPacket: string
  /** What the connection's account may not do with the tables: a privilege that is missing, with the statement that grants it. */
  lacks: { table: string; command: 'SELECT' | 'INSERT' | 'UPDATE'; message: string }[]
  /** What keeps a commit through a crash: the server's `innodb_flush_log_at_trx_commit` and `sync_binlog`. */
  durability: { flushLogAtCommit: number; syncBinlog: number }
  /** Those of the app's tables that this package uses, as far as they are there. */
  tables: TableDiagnostics[]
}

/** A table as it was found. */
export interface TableDiagnostics {
  name: string
  /** The names that they have in the database: `video_url`. */
  columns: string[]
  /** Those on all rows. An expression in place of a column is `null`. */
  indexes: { name: string; columns: (string | null)[]; unique: boolean }[]
}

/**
 * What the engine of a database has counted in this process since it was started, and how it is now. All connections
 * of a process to one database share one engine, worker threads included; other processes have their own.
 *
 * Counts only grow until the last connection is closed; {@link CommonStats.startedAt} tells when they began anew.
 */
export type Stats = SqliteStats | PostgresStats | LibsqlStats | MysqlStats

/** What is counted on every storage. */
export interface CommonStats {
  /** When the engine was started: by the first call of the first connection. */
  startedAt: Date
  /**
   * What came of the calls, by the functions' names; those that were not called are not there. Calls that are wrong
   * by themselves are counted too. Not counted: `stats`, `close`, `on`, `once`, `off`, and what could not be carried out (a URL
   * that is no use, a connection that is closed).
   *
   * A function that is made of others counts as those: `createMediaTasks` without `atomic` as so many
   * `createMediaTask`; `failStuckMediaTasks` as one each time it looks for tasks, and an `updateMediaTaskById` for each
   * task that it fails; `auditLedger` as one for each page of users; `grantCreditsForUser` as a `createCredit`.
   */
  operations: Partial<Record<keyof MediaCredits, OperationStats>>
  /** The requests that wait and run. With an SQLite file, those that write; reads are in `readQueue`. */
  queue: QueueStats
  /**
   * The transactions that requests share: in an SQLite file each transaction of the writer, on a server each batch of
   * calls that charge. `count`: how many; `requests`: in all of them; `meanSize`, `largestSize`: requests in one.
   */
  batches: { count: number; requests: number; meanSize: number; largestSize: number }
  /**
   * How long commits took that have written something: until the data was on the disk, as `durability` says; on a
   * server the round trip that writes and commits.
   */
  commits: Durations
}

/** The statistics of an SQLite file. */
export interface SqliteStats extends CommonStats {
  storage: 'sqlite'
  /** The requests that read, which have a thread of their own; `null` in memory, where the writer reads too. */
  readQueue: QueueStats | null
  locks: {
    /** How long the writer waited for the file's write lock, which others may hold. */
    waits: Durations
    /** How often it gave up after `busyTimeoutMs`: then all requests of that batch got `DATABASE_BUSY`. */
    timeouts: number
  }
  retries: {
    /** Batches that were undone because one of their requests failed, and then ran one by one. */
    oneByOne: number
    /** How often the file was reopened after a failed write, or because it was replaced. */
    reopened: number
  }
}

/** The statistics of a PostgreSQL database. */
export interface PostgresStats extends PooledStats {
  storage: 'postgres'
}

/** The statistics of a MySQL or MariaDB database. */
export interface MysqlStats extends PooledStats {
  storage: 'mysql'
}

/** What is counted of a server whose transactions hold a connection. */
export interface PooledStats extends ServerStats {
  connections: ServerStats['connections'] & {
    /** How many transactions wait for one. */
    waiting: number
    /** How long transactions waited for a connection, be it for a free or for a new one. */
    waits: Durations
  }
}

/** The statistics of a database on a libSQL server. */
export interface LibsqlStats extends ServerStats {
  storage: 'libsql'
}

/** What is counted of a server behind a network. */
export interface ServerStats extends CommonStats {
  connections: {
    /** Those of this process's pool now. */
    open: number
    /** How many of them are not in use. */
    idle: number
    /** `maxConnections`. */
    most: number
  }
  /** How long the server took to answer, network included. A call is two of them, a read one. */
  roundTrips: Durations
  retries: {
    /** Batches that were undone because one of their requests failed, or met a lock, and then ran one by one. */
    oneByOne: number
    /** Requests that ran again because another one had changed what they rest on (a deadlock, a serialization failure), each time. */
    conflicts: number
    /** Requests that ran again because a connection of the pool turned out to be dead. */
    lostConnections: number
    /** Requests that ran again after a new look at the tables, because they did not fit. */
    schemaChanges: number
  }
}

/** What came of the calls of one function. */
export interface OperationStats {
  /** How many were carried out. */
  done: number
  /** How many were refused, by code: caller errors and ledger errors. */
  refused: Partial<Record<MediaCreditsErrorCode, number>>
  /** How many failed, by code: database errors. */
  failed: Partial<Record<MediaCreditsErrorCode, number>>
}

/** Requests in front of a database. */
export interface QueueStats {
  /** How many wait now. */
  queued: number
  /** The most that ever waited. */
  mostQueued: number
  /** How many are being worked on now: they wait for a lock or a connection, or their transaction runs. */
  running: number
  /** `maxQueue`. In an SQLite file `queued` never exceeds it; on a server `queued` and `running` together. */
  capacity: number
  /** How many were refused with `OVERLOADED`. */
  overloaded: number
  /**
   * How long requests waited from the call on: in an SQLite file until their transaction began, so that a lock which
   * others hold is in it; on a server until they were `running`. Those that have not begun are not in it yet.
   */
  waits: Durations
}

/** How long something took, in milliseconds. */
export interface Durations {
  /** How often. */
  count: number
  /** All together: between two snapshots, its difference by that of `count` is the mean of the time between. */
  totalMs: number
  meanMs: number
  /** Half of them took no longer. It may be too high by a quarter, as `p99Ms`. */
  p50Ms: number
  /** 99 of a hundred took no longer. */
  p99Ms: number
  maxMs: number
}
