'use strict'

/** Transactions of the clients that apps use, each with the real client. */

const PRISMA_LEVELS = {
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
}

/** The clients of an app. Each is loaded and made when it is first used: most tests use one. */
class Clients {
  #made = new Map()
  #ends = []

  /** The client with this name, which `make` returns once, and `end` ends. */
  one(name, make, end) {
    if (!this.#made.has(name)) {
      const client = make()
      this.#made.set(name, client)
      this.#ends.push(() => end?.(client))
    }
    return this.#made.get(name)
  }

  async end() {
    for (const end of this.#ends) await end()
  }
}

/** Transactions on PostgreSQL. */
class PostgresTransactions extends Clients {
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
    super()
    this.url = url
  }

  get sql() {
    const make = () => {
      const postgres = require('postgres')
      // Columns get other names on the way, as in some apps.
      const options = { max: 8, fetch_types: false, transform: postgres.camel, onnotice: () => {} }
      return postgres(this.url, options)
    }
    return this.one('postgres.js', make, (sql) => sql.end({ timeout: 1 }))
  }

  get pool() {
    const make = () => {
      const { Pool } = require('pg')
      return new Pool({ connectionString: this.url, max: 8 }).on('error', () => {})
    }
    return this.one('pg', make, (pool) => pool.end())
  }

  get prisma() {
    const make = () => require('./prisma').prismaOf(this.url)
    return this.one('Prisma', make, (prisma) => prisma.$disconnect())
  }

  get kysely() {
    return this.one('Kysely', () => {
      const { CamelCasePlugin, Kysely, PostgresDialect } = require('kysely')
      const dialect = new PostgresDialect({ pool: this.pool })
      return new Kysely({ dialect, plugins: [new CamelCasePlugin()] })
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
}

/** Transactions on SQLite, one after the other: its clients wait for a lock on the thread that would release it. */
class SqliteTransactions extends Clients {
  static KINDS = [
    'libSQL',
    'libSQL 0.15',
    'Drizzle',
    'Drizzle 1',
    'Kysely',
    'a synchronous client',
    'a client of the app',
  ]

  /** Without `file` there is no synchronous client. */
  constructor({ file, url }) {
    super()
    Object.assign(this, { file, url })
    this.last = Promise.resolve()
  }

  get client() {
    return this.#libsql('@libsql/client')
  }

  get older() {
    return this.#libsql('libsql-client-0.15')
  }

  #libsql(name) {
    const make = () => require(name).createClient({ url: this.url })
    return this.one(name, make, (client) => client.close())
  }

  /** A synchronous client like better-sqlite3. */
  get database() {
    const make = () => {
      const Database = require('libsql')
      return new Database(this.file, { timeout: 10_000 })
    }
    return this.one('libsql', make, (database) => database.close())
  }

  get kysely() {
    return this.one('Kysely', () => {
      const { Kysely, SqliteDialect } = require('kysely')
      return new Kysely({ dialect: new SqliteDialect({ database: this.database }) })
    })
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

  /** A client that waits for a lock. It has a new connection after each transaction. */
  async waiting(client) {
    await client.execute('PRAGMA busy_timeout = 10000')
    return client
  }

  async #run(kind, work) {
    switch (kind) {
      case 'libSQL':
        return onLibsql(await this.waiting(this.client), work)
      case 'libSQL 0.15':
        return onLibsql(await this.waiting(this.older), work)
      case 'Drizzle': {
        const { drizzle } = require('drizzle-orm/libsql')
        return drizzle(await this.waiting(this.client)).transaction(work)
      }
      case 'Drizzle 1': {
        const { drizzle } = require('drizzle-orm-1/libsql')
        return drizzle({ client: await this.waiting(this.client) }).transaction(work)
      }
      case 'Kysely':
        return this.kysely.transaction().execute(async (tx) => {
          // Kysely begins a reading transaction.
          await require('kysely').sql`UPDATE user SET id = id WHERE false`.execute(tx)
          return work(tx)
        })
      case 'a synchronous client':
        return this.#onDatabase(work)
      default:
        return onLibsql(await this.waiting(this.client), (transaction) => {
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
}

/** Transactions on a libSQL server, which itself limits how long a transaction waits. */
class LibsqlTransactions extends SqliteTransactions {
  static KINDS = ['libSQL', 'libSQL 0.15', 'Drizzle', 'Drizzle 1', 'a client of the app']

  async waiting(client) {
    return client
  }
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
class MysqlTransactions extends Clients {
  static KINDS = ['mysql2', 'Drizzle', 'Drizzle 1', 'mysql2 by callbacks', 'Kysely', 'a client of the app']

  /** `options` are more of mysql2's pool. */
  constructor({ url }, options) {
    super()
    Object.assign(this, { url, options })
  }

  get pool() {
    const make = () => require('mysql2').createPool({ uri: this.url, connectionLimit: 8, ...this.options })
    return this.one('mysql2', make, (pool) => pool.promise().end())
  }

  get promises() {
    return this.pool.promise()
  }

  get kysely() {
    return this.one('Kysely', () => {
      const { CamelCasePlugin, Kysely, MysqlDialect } = require('kysely')
      return new Kysely({ dialect: new MysqlDialect({ pool: this.pool }), plugins: [new CamelCasePlugin()] })
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
}

/** By their storage. */
const TRANSACTIONS = {
  sqlite: SqliteTransactions,
  postgres: PostgresTransactions,
  libsql: LibsqlTransactions,
  mysql: MysqlTransactions,
}

module.exports = { TRANSACTIONS }
