'use strict'

const { CamelCasePlugin, Kysely, MysqlDialect, PostgresDialect, SqliteDialect, sql } = require('kysely')

/** Transactions of the clients that apps use, each with the real client. */

const PRISMA_LEVELS = {
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
}

/** Transactions on PostgreSQL. */
class PostgresTransactions {
  static KINDS = [
    'postgres.js',
    'Drizzle',
    'Drizzle 1',
    'Drizzle on pg',
    'pg',
    'Kysely',
    'Prisma',
    'a client of the app',
  ]

  constructor({ url }) {
    const pg = require('pg')
    const postgres = require('postgres')
    // Columns get other names on the way, as in some apps.
    this.sql = postgres(url, { max: 8, fetch_types: false, transform: postgres.camel, onnotice: () => {} })
    this.pool = new pg.Pool({ connectionString: url, max: 8 })
    this.pool.on('error', () => {})
    this.prisma = require('./prisma').prismaOf(url)
    this.kysely = new Kysely({
      dialect: new PostgresDialect({ pool: this.pool }),
      plugins: [new CamelCasePlugin()],
    })
  }

  /** Values that are no transaction, but look like one. */
  none() {
    const query = async (sql) => (await this.pool.query(sql)).rows
    const { drizzle } = require('drizzle-orm/postgres-js')
    const clients = [this.pool, this.sql, this.kysely, this.prisma, this.prisma.$extends({})]
    return [...clients, drizzle(this.sql), { dialect: 'postgres', query }]
  }

  /** Runs `work` in a transaction, which is committed if it returns. */
  run(kind, work, level = 'read committed') {
    const drizzled = { isolationLevel: level }
    switch (kind) {
      case 'postgres.js':
        return this.sql.begin(`ISOLATION LEVEL ${level}`, work)
      case 'Drizzle':
        return require('drizzle-orm/postgres-js').drizzle(this.sql).transaction(work, drizzled)
      case 'Drizzle 1':
        return require('drizzle-orm-1/postgres-js').drizzle({ client: this.sql }).transaction(work, drizzled)
      case 'Drizzle on pg':
        return require('drizzle-orm/node-postgres').drizzle(this.pool).transaction(work, drizzled)
      case 'pg':
        return this.onPg(work, level)
      case 'Kysely':
        return this.kysely.transaction().setIsolationLevel(level).execute(work)
      case 'Prisma':
        return this.prisma.$transaction(work, { isolationLevel: PRISMA_LEVELS[level], maxWait: 60_000 })
      default:
        return this.onPg((client) => {
          const query = async (sql, params) => (await client.query(sql, params)).rows
          return work({ dialect: 'postgres', query })
        }, level)
    }
  }

  async onPg(work, level) {
    const client = await this.pool.connect()
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${level}`)
      const value = await work(client)
      await client.query('COMMIT')
      return value
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  }

  async end() {
    await this.sql.end({ timeout: 1 })
    await this.prisma.$disconnect()
    await this.pool.end()
  }
}

/** Transactions on SQLite, one after the other: its clients wait for a lock on the thread that would release it. */
class SqliteTransactions {
  static KINDS = [
    'libSQL',
    'libSQL 0.15',
    'Drizzle',
    'Drizzle 1',
    'Kysely',
    'a synchronous client',
    'a client of the app',
  ]

  constructor({ file, url }) {
    this.client = require('@libsql/client').createClient({ url })
    this.older = require('libsql-client-0.15').createClient({ url })
    this.last = Promise.resolve()
    if (file) this.openFile(file)
  }

  /** A synchronous client like better-sqlite3. */
  openFile(file) {
    const Database = require('libsql')
    this.database = new Database(file, { timeout: 10_000 })
    this.kysely = new Kysely({ dialect: new SqliteDialect({ database: this.database }) })
  }

  /** Values that are no transaction, but look like one. */
  none() {
    const query = async (sql) => this.database.prepare(sql).all()
    const { drizzle } = require('drizzle-orm/libsql')
    return [this.client, drizzle(this.client), this.kysely, { dialect: 'sqlite', query }]
  }

  /** Runs `work` in a transaction, which is committed if it returns. */
  run(kind, work) {
    const turn = this.last.then(() => this.#run(kind, work))
    this.last = turn.catch(() => {})
    return turn
  }

  /** The client has a new connection after each transaction. */
  async prepare() {
    for (const client of [this.client, this.older]) await client.execute('PRAGMA busy_timeout = 10000')
  }

  async #run(kind, work) {
    await this.prepare()
    switch (kind) {
      case 'libSQL':
        return onLibsql(this.client, work)
      case 'libSQL 0.15':
        return onLibsql(this.older, work)
      case 'Drizzle':
        return require('drizzle-orm/libsql').drizzle(this.client).transaction(work)
      case 'Drizzle 1':
        return require('drizzle-orm-1/libsql').drizzle({ client: this.client }).transaction(work)
      case 'Kysely':
        return this.kysely.transaction().execute(async (tx) => {
          // Kysely begins a reading transaction.
          await sql`UPDATE user SET id = id WHERE false`.execute(tx)
          return work(tx)
        })
      case 'a synchronous client':
        return this.#onDatabase(work)
      default:
        return onLibsql(this.client, (transaction) => {
          const query = async (sql, params) => (await transaction.execute({ sql, args: params })).rows
          return work({ dialect: 'sqlite', query })
        })
    }
  }

  /** Like the example in docs/transactions.md. */
  async #onDatabase(work) {
    const { database } = this
    database.exec('BEGIN IMMEDIATE')
    try {
      const query = async (sql) => database.prepare(sql).all()
      const value = await work({ dialect: 'sqlite', query })
      database.exec('COMMIT')
      return value
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }

  async end() {
    this.client.close()
    this.older.close()
    this.database?.close()
  }
}

/** Transactions on a libSQL server, which itself limits how long a transaction waits. */
class LibsqlTransactions extends SqliteTransactions {
  static KINDS = ['libSQL', 'libSQL 0.15', 'Drizzle', 'Drizzle 1', 'a client of the app']

  async prepare() {}
}

async function onLibsql(client, work) {
  const transaction = await client.transaction('write')
  try {
    const value = await work(transaction)
    await transaction.commit()
    return value
  } finally {
    transaction.close()
  }
}

/** The rows of a result of mysql2: none for a write. */
const rowsOf = ([rows]) => (Array.isArray(rows) ? rows : [])

/** Transactions on MySQL. */
class MysqlTransactions {
  static KINDS = ['mysql2', 'Drizzle', 'Drizzle 1', 'mysql2 by callbacks', 'Kysely', 'a client of the app']

  /** `options` are more of mysql2's pool. */
  constructor({ url }, options) {
    const callbacks = require('mysql2')
    this.pool = callbacks.createPool({ uri: url, connectionLimit: 8, ...options })
    this.promises = this.pool.promise()
    this.kysely = new Kysely({
      dialect: new MysqlDialect({ pool: this.pool }),
      plugins: [new CamelCasePlugin()],
    })
  }

  /** Values that are no transaction, but look like one. */
  none() {
    const query = async (sql) => rowsOf(await this.promises.query(sql))
    const { drizzle } = require('drizzle-orm/mysql2')
    const clients = [this.pool, this.promises, this.kysely, drizzle({ client: this.pool })]
    return [...clients, { dialect: 'mysql', query }]
  }

  /** Runs `work` in a transaction, which is committed if it returns. */
  run(kind, work, level = 'read committed') {
    const drizzled = { isolationLevel: level }
    switch (kind) {
      case 'mysql2':
        return this.onConnection(work, level)
      case 'mysql2 by callbacks':
        return this.onConnection(({ connection }) => work(connection), level)
      case 'Drizzle':
        return require('drizzle-orm/mysql2').drizzle({ client: this.pool }).transaction(work, drizzled)
      case 'Drizzle 1':
        return require('drizzle-orm-1/mysql2').drizzle({ client: this.pool }).transaction(work, drizzled)
      case 'Kysely':
        return this.kysely.transaction().setIsolationLevel(level).execute(work)
      default:
        return this.onConnection((connection) => {
          const query = async (sql, params) => rowsOf(await connection.query(sql, params))
          return work({ dialect: 'mysql', query })
        }, level)
    }
  }

  async onConnection(work, level) {
    const connection = await this.promises.getConnection()
    try {
      await connection.query(`SET TRANSACTION ISOLATION LEVEL ${level}`)
      await connection.beginTransaction()
      const value = await work(connection)
      await connection.commit()
      return value
    } catch (error) {
      await connection.rollback()
      throw error
    } finally {
      connection.release()
    }
  }

  end() {
    return this.promises.end()
  }
}

/** By their storage. */
const TRANSACTIONS = {
  sqlite: SqliteTransactions,
  postgres: PostgresTransactions,
  libsql: LibsqlTransactions,
  mysql: MysqlTransactions,
}

module.exports = { TRANSACTIONS }
