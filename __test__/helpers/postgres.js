'use strict'

/**
 * PostgreSQL for the tests: separate databases on the server that `postgres.setup.js` started, each a copy of
 * one of its templates. The test's own process reads them with the app's own client.
 */

const postgres = require('postgres')

const SCHEMA = `
  SELECT table_name AS owner, column_name AS name,
      concat_ws(' ', ordinal_position, data_type, is_nullable, column_default) AS definition
    FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL
  SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL
  SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
  ORDER BY 1, 2, 3`

/** Converts a column's text. Times and booleans have the form of SQLite: one form of a row for all tests. */
const PARSERS = {
  boolean: [16, (text) => (text === 't' ? 1 : 0)],
  bigint: [20, Number],
  numeric: [1700, Number],
  json: [114, String],
  jsonb: [3802, String],
  // UTC, as the app reads it: without the microseconds.
  timestamp: [1114, (text) => Date.parse(`${text.replace(' ', 'T')}Z`)],
}

/** A client with one connection, so that a transaction can be several calls. */
function clientOf(url) {
  const types = Object.entries(PARSERS).map(([name, [oid, parse]]) => [
    name,
    { to: oid, from: [oid], serialize: String, parse },
  ])
  const options = { max: 1, fetch_types: false, prepare: false, onnotice: () => {} }
  return postgres(url, { ...options, types: Object.fromEntries(types) })
}

/** A database of the server with this name. */
function urlOf(serverUrl, name) {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

let admin
let last = 0

function server() {
  const given = JSON.parse(process.env.MEDIA_CREDITS_TEST_POSTGRES)
  admin ??= clientOf(given.url)
  return { admin, ...given }
}

class PostgresStore {
  provider = 'postgresql'
  needsTables = false

  /** A store with the app's `tables`, with an app's rows (`fixture`, `stock`), or with `nothing` in it. */
  static async open(content) {
    const { admin, prefix, strategy, url } = server()
    const name = `${prefix}_${process.pid}_${++last}`
    const template = content === 'nothing' ? 'template1' : `${prefix}_${content}`
    await admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`)
    return new PostgresStore(name, urlOf(url, name))
  }

  /** The server's files stay where they are. */
  static useDisk() {}

  constructor(name, url) {
    this.name = name
    this.url = url
    this.otherUrls = [url.replace(/^postgres:/, 'postgresql:')]
  }

  /** Runs statements `[sql, args]` one after the other, and returns the rows of the last one. */
  async query(statements) {
    this.client ??= clientOf(this.url)
    let rows = []
    for (const [sql, args] of statements) {
      rows = await this.client.unsafe(numbered(sql, args), args.map(literal))
    }
    return rows.map((row) => ({ ...row }))
  }

  /** The rows of those of the tables that exist, by their `{ table: columns }`, all of one moment. */
  snapshot(columns) {
    this.client ??= clientOf(this.url)
    return this.client.begin('ISOLATION LEVEL REPEATABLE READ', async (transaction) => {
      const named = Object.keys(columns).map((name) => `('${name}')`)
      const tables = await transaction.unsafe(
        `SELECT name FROM (VALUES ${named}) AS named (name) WHERE to_regclass(quote_ident(name)) IS NOT NULL`,
      )
      const rows = tables.map(({ name }) =>
        transaction.unsafe(`SELECT ${columns[name]} FROM "${name}" ORDER BY id`),
      )
      const all = await Promise.all(rows)
      return Object.fromEntries(tables.map(({ name }, at) => [name, all[at].map((row) => ({ ...row }))]))
    })
  }

  /** Deletes all rows. */
  empty() {
    // Not TRUNCATE, which makes a new file for each table and each index: tests leave few rows.
    const tables = ['ai_task', 'media_tasks', 'credit', '"user"']
    return this.query([[tables.map((table) => `DELETE FROM ${table}`).join(';'), []]])
  }

  /** Each column, index and constraint. */
  schema() {
    return this.query([[SCHEMA, []]])
  }

  async disconnect() {
    await this.client?.end({ timeout: 1 })
  }

  async remove() {
    await this.disconnect()
    await server().admin.unsafe(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`)
  }
}

/** A statement with `$1`, `$2`, … for each `?` outside of quotes. */
function numbered(sql, args) {
  if (args.length === 0) return sql
  let at = 0
  return sql.replace(/'[^']*'|"[^"]*"|\?/g, (found) => (found === '?' ? `$${++at}` : found))
}

/** A time for a `timestamp without time zone`, in UTC. The client would write it in the zone of the session. */
const literal = (value) => (value instanceof Date ? value.toISOString().slice(0, -1) : value)

async function end() {
  await admin?.end({ timeout: 1 })
  admin = undefined
}

module.exports = { Store: PostgresStore, clientOf, end, urlOf }
