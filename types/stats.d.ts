// Diagnostics and statistics of a database and its engine.

import type { ConnectOptions, MediaCredits } from './connection.js'
import type { MediaCreditsErrorCode } from './errors.js'

/** What the package detected when the database was opened. */
export type Diagnostics = SqliteDiagnostics | PostgresDiagnostics | LibsqlDiagnostics | MysqlDiagnostics

/** Diagnostics of an SQLite file. */
export interface SqliteDiagnostics {
  storage: 'sqlite'
  /** The file, or `:memory:`. */
  path: string
  /** SQLite's journal mode: `'wal'` where possible. */
  journalMode: string
  /** The unit of stored times: milliseconds or seconds since 1970. */
  timestampUnit: 'ms' | 's'
  /**
   * The kind of locks. `'ofd'`: safe beside the app's own client in the same process (Linux). `'system'`: the
   * system's default locks; see `docs/locking.md`.
   */
  locking: 'ofd' | 'system'
  /** The version of SQLite in this package. */
  sqliteVersion: string
  /** The app's tables that this package uses, as far as they exist. */
  tables: TableDiagnostics[]
}

/** Diagnostics of a PostgreSQL database. */
export interface PostgresDiagnostics {
  storage: 'postgres'
  /** For example `'18.4'`. */
  serverVersion: string
  /** The database's name. */
  database: string
  /** The schema with the tables. */
  schema: string
  /** The default isolation level of transactions, such as `'read committed'`. */
  isolation: string
  /** Whether the server sees an encrypted connection. With a pooler in between, there are two connections. */
  encrypted: boolean
  /** Maximum number of connections of this process, from {@link ConnectOptions.maxConnections} or the environment. */
  maxConnections: number
  /**
   * The server's settings that decide whether a commit survives a crash. `synchronousCommit` is its default: this
   * package never writes with `'off'`.
   */
  durability: { fsync: boolean; fullPageWrites: boolean; synchronousCommit: string }
  /** Missing privileges and row level policies of the connection's role, each with the statement that adds it. */
  lacks: { table: string; command: 'SELECT' | 'INSERT' | 'UPDATE'; message: string }[]
  /** The app's tables that this package uses, as far as they exist. */
  tables: TableDiagnostics[]
}

/** Diagnostics of a database on a libSQL server: Turso, or sqld. */
export interface LibsqlDiagnostics {
  storage: 'libsql'
  /** The server, with its port unless it is the default. */
  host: string
  /** Whether the connection is encrypted. */
  encrypted: boolean
  /** The unit of stored times: milliseconds or seconds since 1970. */
  timestampUnit: 'ms' | 's'
  /** The version of SQLite in the server. */
  sqliteVersion: string
  /** Whether a write transaction, without changes, has just succeeded. */
  answersWrites: boolean
  /**
   * The error of that transaction; `null` if it succeeded or was not answered. `code` is the database's, if it has
   * one.
   */
  writeRefusal: { code: string; message: string; retryable: boolean } | null
  /** Maximum number of connections of this process, from {@link ConnectOptions.maxConnections} or the environment. */
  maxConnections: number
  /** The app's tables that this package uses, as far as they exist. */
  tables: TableDiagnostics[]
}

/** Diagnostics of a MySQL or MariaDB database. */
export interface MysqlDiagnostics {
  storage: 'mysql'
  /** As the server reports it: `'8.4.3'`, `'10.11.14-MariaDB'`. */
  serverVersion: string
  /** The database's name. */
  database: string
  /** The default isolation level of transactions, such as `'repeatable read'`. */
  isolation: string
  /** Whether the connection is encrypted. */
  encrypted: boolean
  /** Maximum number of connections of this process, from {@link ConnectOptions.maxConnections} or the environment. */
  maxConnections: number
  /**
   * The server's own modes and time zone, and the database's character set. This package sets modes of its own in its
   * sessions, and keeps the time zone.
   */
  sqlMode: string
  timeZone: string
  characterSet: string
  /** Whether the server is read-only. */
  readOnly: boolean
  /** Whether it is a node of a Galera cluster. */
  cluster: boolean
  /** The format of the binary log, such as `'ROW'`; empty without one. */
  binlogFormat: string
  /** The maximum length of a message to the server, in bytes. */
  maxAllowedPacket: string
  /** Missing privileges of the connection's account, each with the statement that grants it. */
  lacks: { table: string; command: 'SELECT' | 'INSERT' | 'UPDATE'; message: string }[]
  /**
   * The server's settings that decide whether a commit survives a crash: `innodb_flush_log_at_trx_commit` and
   * `sync_binlog`.
   */
  durability: { flushLogAtCommit: number; syncBinlog: number }
  /** The app's tables that this package uses, as far as they exist. */
  tables: TableDiagnostics[]
}

/** A table, as the database declares it. */
export interface TableDiagnostics {
  name: string
  /** The SQL names: `video_url`. */
  columns: string[]
  /** The indexes that include all rows. An expression in place of a column is `null`. */
  indexes: { name: string; columns: (string | null)[]; unique: boolean }[]
}

/**
 * Statistics of a database's engine in this process, since it was started. All connections of a process to one
 * database share one engine, including those of worker threads; each process has its own.
 *
 * Counters only grow until the last connection is closed; {@link CommonStats.startedAt} shows when they started
 * again.
 */
export type Stats = SqliteStats | PostgresStats | LibsqlStats | MysqlStats

/** The statistics that all kinds of storage have. */
export interface CommonStats {
  /** When the engine was started, by the first call of the first connection. */
  startedAt: Date
  /**
   * The outcomes of calls, by the functions' names; functions that were not called are missing. Invalid calls are
   * counted too. Not counted are `stats`, `close`, `on`, `once`, `off`, and calls that could not be started (an
   * unusable URL, a closed connection).
   *
   * A function that is made of others counts as those: `createMediaTasks` without `atomic` as several
   * `createMediaTask`; `failStuckMediaTasks` as one for each time it lists tasks, and an `updateMediaTaskById` for
   * each task that it fails; `auditLedger` as one for each page of users; `grantCreditsForUser` as a `createCredit`.
   */
  operations: Partial<Record<keyof MediaCredits, OperationStats>>
  /** The waiting and running requests. With an SQLite file, only those that write; reads are in `readQueue`. */
  queue: QueueStats
  /**
   * Transactions that several requests can share: with an SQLite file each transaction of the writer, on a server
   * each batch of charges. `count`: the number of transactions; `requests`: the requests in all of them; `meanSize`,
   * `largestSize`: the requests in one.
   */
  batches: { count: number; requests: number; meanSize: number; largestSize: number }
  /**
   * The durations of commits with writes: with an SQLite file until the data is durable, as `durability` says; on a
   * server the round trip with the writes and the commit.
   */
  commits: Durations
}

/** The statistics of an SQLite file. */
export interface SqliteStats extends CommonStats {
  storage: 'sqlite'
  /** The reads, which have threads of their own; `null` for an in-memory database, where the writer also reads. */
  readQueue: QueueStats | null
  locks: {
    /** How long the writer waited for the file's write lock, which other processes may hold. */
    waits: Durations
    /** How often the wait exceeded `busyTimeoutMs`: then all requests of that batch rejected with `DATABASE_BUSY`. */
    timeouts: number
  }
  retries: {
    /** Batches that were rolled back because one of their requests failed, and then ran one by one. */
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

/** The statistics of a server whose transactions each hold a connection. */
export interface PooledStats extends ServerStats {
  connections: ServerStats['connections'] & {
    /** Transactions that wait for a connection. */
    waiting: number
    /** How long transactions waited for a connection, idle or new. */
    waits: Durations
  }
}

/** The statistics of a database on a libSQL server. */
export interface LibsqlStats extends ServerStats {
  storage: 'libsql'
}

/** The statistics of a database server. */
export interface ServerStats extends CommonStats {
  connections: {
    /** The current number of connections of this process. */
    open: number
    /** How many of them are idle. */
    idle: number
    /** `maxConnections`. */
    most: number
  }
  /** The server's response times, including the network. A charge takes two round trips, a read one. */
  roundTrips: Durations
  retries: {
    /**
     * Batches that were rolled back because one of their requests failed or waited for a lock, and then ran one by
     * one.
     */
    oneByOne: number
    /** Retries of requests after a conflict with another transaction (a deadlock, a serialization failure). */
    conflicts: number
    /** Retries of requests because a connection of the pool was dead. */
    lostConnections: number
    /** Retries of requests after the schema was read again, because they did not fit. */
    schemaChanges: number
  }
}

/** The outcomes of calls of one function. */
export interface OperationStats {
  /** Successful calls. */
  done: number
  /** Rejected calls by code: caller errors and ledger errors. */
  refused: Partial<Record<MediaCreditsErrorCode, number>>
  /** Failed calls by code: database errors. */
  failed: Partial<Record<MediaCreditsErrorCode, number>>
}

/** The queue of requests for a database. */
export interface QueueStats {
  /** Requests that wait now. */
  queued: number
  /** The maximum number of waiting requests so far. */
  mostQueued: number
  /** Requests that run now: they wait for a lock or a connection, or their transaction is open. */
  running: number
  /**
   * `maxQueue`. With an SQLite file `queued` never exceeds it; on a server the sum of `queued` and `running` does
   * not.
   */
  capacity: number
  /** Requests that were rejected with `OVERLOADED`. */
  overloaded: number
  /**
   * How long requests waited after the call: with an SQLite file until their transaction began, including waits for a
   * lock; on a server until they were `running`. Requests that still wait are not included.
   */
  waits: Durations
}

/** Durations in milliseconds. */
export interface Durations {
  /** How many were measured. */
  count: number
  /** Their sum. Between two snapshots, the mean is the difference of this divided by the difference of `count`. */
  totalMs: number
  meanMs: number
  /** An upper bound of the median, at most a quarter too high; `p99Ms` likewise. */
  p50Ms: number
  /** An upper bound of the 99th percentile. */
  p99Ms: number
  maxMs: number
}
