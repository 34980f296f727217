'use strict'

/** Databases of a PostgreSQL server: a seeded one, and its copies. */

const postgres = require('postgres')

const { connect } = require('..')
const { checkPostgresLedger } = require('./ledger')
const { newGrants, newUser } = require('./seed')

const SEEDED = 'seeded'

const INSERT_USERS = `
  INSERT INTO "user" (id, name, email)
  SELECT id, name, email FROM json_populate_recordset(NULL::"user", $1::text::json)`

const INSERT_GRANTS = `
  INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits,
    remaining_credits, expires_at, status, created_at, updated_at)
  SELECT "id", "userId", "transactionNo", 'grant', 'payment', credits, credits,
    "expiresAt" AT TIME ZONE 'UTC', 'active', "createdAt" AT TIME ZONE 'UTC', "createdAt" AT TIME ZONE 'UTC'
  FROM json_to_recordset($1::text::json) AS given ("id" text, "userId" text, "transactionNo" text,
    credits integer, "expiresAt" timestamptz, "createdAt" timestamptz)`

const TOLD_SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers']

/** A client with one connection. */
function connectOnce(url) {
  return postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
}

class Databases {
  last = 0

  constructor(serverUrl) {
    this.serverUrl = serverUrl
    this.admin = connectOnce(serverUrl)
  }

  /** The server's version, and when its commits are durable. */
  async describe() {
    const [{ version }] = await this.admin`SELECT current_setting('server_version') AS version`
    const settings = await this.admin`SELECT name, current_setting(name) AS value
      FROM pg_settings WHERE name IN ${this.admin(TOLD_SETTINGS)} ORDER BY name`
    const listed = settings.map(({ name, value }) => `${name} ${value}`).join(', ')
    return `PostgreSQL ${version} on this machine, over TCP: ${listed}; its own defaults otherwise.`
  }

  async create(name, template = 'template1') {
    await this.admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template}`)
    const url = new URL(this.serverUrl)
    url.pathname = `/${name}`
    return url.href
  }

  /** Creates the database that is copied; `more` are statements for tables of the app. */
  async seed(users, ...more) {
    const url = await this.create(SEEDED)
    const credits = connect({ url })
    await credits.createTables()
    await credits.close()
    const numbers = Array.from({ length: users }, (_, number) => number)
    const client = connectOnce(url)
    await client.unsafe(INSERT_USERS, [JSON.stringify(numbers.map(newUser))])
    const grants = numbers.flatMap(newGrants).map((grant) => ({
      ...grant,
      createdAt: new Date(grant.createdAt),
      expiresAt: grant.expiresAt === null ? null : new Date(grant.expiresAt),
    }))
    await client.unsafe(INSERT_GRANTS, [JSON.stringify(grants)])
    for (const statement of more) await client.unsafe(statement)
    await client.unsafe('VACUUM ANALYZE')
    await client.end()
  }

  /** Creates a copy that is on disk already, so that measured commits do not pay for it. */
  async copy() {
    const name = `run_${++this.last}`
    const url = await this.create(name, SEEDED)
    await this.admin`CHECKPOINT`
    return {
      url,
      checkLedger: async (acknowledged, what) => {
        const client = connectOnce(url)
        await checkPostgresLedger(client, acknowledged, what).finally(() => client.end())
      },
      drop: () => this.admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`),
    }
  }

  close() {
    return this.admin.end()
  }
}

module.exports = { Databases, connectOnce }
