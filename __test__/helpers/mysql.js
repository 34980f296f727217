'use strict'

/**
 * MySQL for the tests: separate databases on the server that `mysql.setup.js` started. The test's own process reads
 * them with the app's own client.
 */

const fs = require('node:fs')
const path = require('node:path')
const mysql = require('mysql2/promise')
const { describeIf, nothing, skipAll } = require('./describe')

const FIXTURES = { fixture: 'shipany.mysql.sql', stock: 'stock.mysql.sql' }

const SCHEMA = `
  SELECT table_name AS owner, column_name AS name,
      concat_ws(' ', ordinal_position, column_type, is_nullable, column_default, extra, collation_name) AS definition
    FROM information_schema.columns WHERE table_schema = database()
  UNION ALL
  SELECT table_name, index_name, concat_ws(' ', seq_in_index, column_name, non_unique)
    FROM information_schema.statistics WHERE table_schema = database()
  UNION ALL
  SELECT table_name, constraint_name, constraint_type
    FROM information_schema.table_constraints WHERE table_schema = database()
  ORDER BY 1, 2, 3`

/** UTC, as the app reads and writes it, in each time zone of the session. */
const timeOf = (text) => (text === null ? null : Date.parse(`${text.replace(' ', 'T')}Z`))
const textOf = (date) => date.toISOString().slice(0, -1).replace('T', ' ')

const NUMBERS = ['TINY', 'SHORT', 'INT24', 'LONG', 'LONGLONG', 'FLOAT', 'DOUBLE', 'NEWDECIMAL']

/** Converts a value. Times and booleans have the form of SQLite: one form of a row for all tests. */
function typeCast(field) {
  const text = field.string()
  if (['TIMESTAMP', 'DATETIME'].includes(field.type)) return timeOf(text)
  return NUMBERS.includes(field.type) && text !== null ? Number(text) : text
}

/** Makes the session read the SQL of the tests, which PostgreSQL and SQLite read too. */
const SESSION = `SET SESSION TRANSACTION READ WRITE;
  SET SESSION autocommit = 1, completion_type = 0, sql_select_limit = ~0, sql_big_selects = 1, sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT');
  /*M! SET SESSION max_recursive_iterations = 1000000 */`

/** A client with one connection, so that a transaction can be several calls. */
async function clientOf(url) {
  const client = await mysql.createConnection({ uri: url, multipleStatements: true, typeCast })
  await client.query(SESSION)
  return client
}

/** A database of the server with this name. */
function urlOf(serverUrl, name) {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

const given = JSON.parse(process.env.MEDIA_CREDITS_TEST_MYSQL ?? '{}')
const { url: serverUrl, reason, ownReason, kind, prefix = 'test' } = given

// Tests that are the same on each storage need no server.
if (globalThis.STORAGE === 'mysql' && !serverUrl) skipAll(reason)

/** `describe` for tests that need a server. */
const describeWithMysql = describeIf(serverUrl, reason)
/** `describe` for tests that start one, of the kind of this run. */
const describeWithOwnServer = describeIf(serverUrl && !ownReason, reason ?? ownReason)
const isMysql = kind === 'mysql'
/** `describe` for tests of what only MariaDB has. */
const describeWithMariadb = isMysql ? describeIf(false, 'this run is on MySQL') : describeWithOwnServer
/** `describe` for tests of what only MySQL has. */
const describeWithMysqlItself = isMysql ? describeWithOwnServer : nothing

/** Clients of the servers, by their URLs. */
const clients = new Map()
// A process runs one test file after the other, and remembers tables by the names of their databases.
let last = Date.now() % 1_000_000_000

function askServer(url, sql) {
  if (!clients.has(url)) clients.set(url, clientOf(url))
  return clients.get(url).then((client) => client.query(sql))
}

const DEADLOCK = 1213

class MysqlStore {
  provider = 'mysql'
  needsTables = false

  /**
   * A store with the app's `tables`, with an app's rows (`fixture`, `stock`), or with `nothing` in it. Tables without
   * rows have times of milliseconds, and texts of any length that are compared by their bytes, as on other storages;
   * `__test__/mysql/` is about the app's own.
   */
  static open(content) {
    if (content !== 'tables') return MysqlStore.on(given, content)
    return MysqlStore.on(given, 'app', { more: `COLLATE ${given.collation}`, adapted: roomy })
  }

  /**
   * The same, on another server; `app` has the app's own tables without rows. `more` follows CREATE DATABASE,
   * `adapted` changes the statements.
   */
  static async on(server, content, { more = '', adapted = (sql) => sql } = {}) {
    const name = `${prefix}_${process.pid}_${++last}`
    const tables = content === 'nothing' ? '' : adapted(statementsOf(content))
    await askServer(server.url, `CREATE DATABASE ${name} ${more}; USE ${name}; ${tables} USE mysql`)
    return new MysqlStore(name, urlOf(server.url, name), server.adminUrl)
  }

  /** The server's files stay where they are. */
  static useDisk() {}

  constructor(name, url, adminUrl) {
    Object.assign(this, { name, url, adminUrl })
    this.otherUrls = ['mysql2:', 'mariadb:'].map((scheme) => url.replace(/^mysql:/, scheme))
  }

  /** The rows of a statement that an app's user may not run. */
  async admin(sql) {
    const [rows] = await askServer(this.adminUrl, sql)
    return rows
  }

  async connected() {
    this.client ??= clientOf(this.url)
    return this.client
  }

  /**
   * Runs statements `[sql, args]` one after the other, and returns the rows of the last one. A victim of a deadlock is
   * rolled back, and run again, as MySQL demands of its clients.
   */
  async query(statements) {
    const isWhole = !this.inTransaction
    for (;;) {
      try {
        return await this.runOnce(statements)
      } catch (error) {
        if (error.errno !== DEADLOCK || !isWhole) throw error
      }
    }
  }

  async runOnce(statements) {
    const client = await this.connected()
    let rows = []
    for (const [sql, args] of statements) {
      if (/^BEGIN|^START/i.test(sql)) this.inTransaction = true
      if (/^COMMIT|^ROLLBACK/i.test(sql)) this.inTransaction = false
      ;[rows] = await client.query(filled(sql, args))
    }
    return Array.isArray(rows) ? rows.map((row) => ({ ...row })) : []
  }

  /** The rows of those of the tables that exist, by their `{ table: columns }`, all of one moment. */
  async snapshot(columns) {
    const client = await this.connected()
    const [tables] = await client.query(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = database()',
    )
    const names = tables.map(({ name }) => name).filter((name) => name in columns)
    if (names.length === 0) return {}
    const asked = names.map((name) => `SELECT ${columns[name]} FROM \`${name}\` ORDER BY id`)
    const [all] = await client.query(
      `START TRANSACTION WITH CONSISTENT SNAPSHOT; ${asked.join('; ')}; COMMIT`,
    )
    return Object.fromEntries(names.map((name, at) => [name, all[at + 1].map((row) => ({ ...row }))]))
  }

  /** Deletes all rows. */
  empty() {
    const tables = ['ai_task', 'media_tasks', 'credit', 'user']
    return this.query(tables.map((table) => [`DELETE FROM \`${table}\``, []]))
  }

  /** Each column, index and constraint. */
  schema() {
    return this.query([[SCHEMA, []]])
  }

  async disconnect() {
    // The server may have ended it.
    await (await this.client)?.end().catch(() => {})
  }

  async remove() {
    const client = await this.connected()
    // An open transaction of a test locks the database.
    const [left] = await client.query(
      'SELECT id AS id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()',
    )
    for (const { id } of left) await client.query(`KILL ${id}`).catch(() => {})
    await client.query(`DROP DATABASE IF EXISTS ${this.name}`)
    await this.disconnect()
  }
}

const texts = {}

/** The statements with another type of times. MySQL wants their defaults in the same precision. */
const withTimes = (type) => (sql) => {
  const [precision = ''] = /\(\d\)/.exec(type) ?? []
  return sql
    .replaceAll(' timestamp ', ` ${type} `)
    .replace(/now\(\)|CURRENT_TIMESTAMP/g, `CURRENT_TIMESTAMP${precision}`)
}

const roomy = (sql) =>
  withTimes('datetime(3)')(sql.replace(/ ON UPDATE CURRENT_TIMESTAMP/g, ''))
    .replaceAll('varchar(191)', 'varchar(300)')
    .replace(/ text\b/g, ' longtext')

/** The statements that make an app's tables, and its rows unless only the tables are requested. */
function statementsOf(content) {
  const file = FIXTURES[content] ?? FIXTURES.fixture
  texts[file] ??= fs.readFileSync(path.join(__dirname, '../fixtures', file), 'utf8')
  return content === 'app' ? texts[file].split('-- Rows')[0] : texts[file]
}

/** A statement with its values in place of each `?` outside of quotes, and names as MySQL quotes them. */
function filled(sql, args) {
  let at = 0
  return sql.replace(/'[^']*'|"[^"]*"|\?/g, (found) => {
    if (found === '?' && args.length > 0) return literal(args[at++])
    return found.startsWith('"') ? `\`${found.slice(1, -1)}\`` : found
  })
}

const literal = (value) => mysql.escape(value instanceof Date ? textOf(value) : value)

async function end() {
  for (const client of clients.values()) await (await client).end()
  clients.clear()
}

/** Forgets the clients of a server that ends. */
async function endClients(...urls) {
  for (const url of urls) {
    const client = clients.get(url)
    clients.delete(url)
    await client?.then((one) => one.end()).catch(() => {})
  }
}

module.exports = {
  Store: MysqlStore,
  clientOf,
  describeWithMariadb,
  describeWithMysql,
  describeWithMysqlItself,
  describeWithOwnServer,
  end,
  endClients,
  given,
  isMysql,
  textOf,
  urlOf,
  withTimes,
}
