'use strict'

/** Databases of a MariaDB server, each with users and their grants. */

const mysql = require('mysql2/promise')

const { connect } = require('..')
const { checkMysqlLedger } = require('./ledger')
const { newGrants, newUser } = require('./seed')

const TOLD_SETTINGS = [
  'innodb_flush_log_at_trx_commit',
  'innodb_flush_method',
  'innodb_doublewrite',
  'innodb_buffer_pool_size',
  'innodb_log_file_size',
  'log_bin',
]

const connectOnce = (url) => mysql.createConnection({ uri: url, timezone: 'Z' })

class Databases {
  last = 0

  constructor(serverUrl) {
    this.serverUrl = serverUrl
  }

  async ask(sql, values) {
    this.admin ??= await connectOnce(this.serverUrl)
    const [rows] = await this.admin.query(sql, values)
    return rows
  }

  /** The server's version, and when its commits are durable. */
  async describe() {
    const [{ version }] = await this.ask('SELECT version() AS version')
    const settings = await this.ask('SHOW GLOBAL VARIABLES WHERE variable_name IN (?)', [TOLD_SETTINGS])
    const listed = settings.map(({ Variable_name: name, Value: value }) => `${name} ${value}`).join(', ')
    return `${version} on this machine, over TCP: ${listed}.`
  }

  /** Creates a database with these users. */
  async create(users) {
    const name = `run_${++this.last}`
    await this.ask(`CREATE DATABASE ${name}`)
    const url = new URL(this.serverUrl)
    url.pathname = `/${name}`
    const credits = connect({ url: url.href })
    await credits.createTables()
    await credits.close()
    const client = await connectOnce(url.href)
    const insert = (table, columns, rows) =>
      client.query(`INSERT INTO ${table} (${columns}) VALUES ?`, [rows])
    const numbers = Array.from({ length: users }, (_, number) => number)
    await insert('user', 'id, name, email', numbers.map(newUser).map(Object.values))
    await insert('credit', COLUMNS_OF_GRANT, numbers.flatMap(newGrants).map(rowOfGrant))
    await client.end()
    return {
      url: url.href,
      checkLedger: async (acknowledged) => {
        const client = await connectOnce(url.href)
        await checkMysqlLedger(client, acknowledged).finally(() => client.end())
      },
      drop: () => this.ask(`DROP DATABASE ${name}`),
    }
  }

  async close() {
    await this.admin?.end()
  }
}

const COLUMNS_OF_GRANT = `id, user_id, transaction_no, transaction_type, transaction_scene, credits,
  remaining_credits, expires_at, status, created_at, updated_at`

function rowOfGrant({ id, userId, transactionNo, credits, expiresAt, createdAt }) {
  const expires = expiresAt === null ? null : new Date(expiresAt)
  const created = new Date(createdAt)
  return [
    ...[id, userId, transactionNo, 'grant', 'payment', credits, credits],
    ...[expires, 'active', created, created],
  ]
}

module.exports = { Databases, connectOnce }
