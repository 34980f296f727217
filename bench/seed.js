'use strict'

/** A new database: this package creates the tables, bulk inserts add users and grants. */

const fs = require('node:fs')
const path = require('node:path')

const Database = require('./better-sqlite3')
const { connect } = require('..')
const { userId } = require('./work')

/** More than a run can spend: the same grant pays for all tasks of its user. */
const CREDITS_OF_A_GRANT = 1_000_000
const DAY_MS = 86_400_000
/** When a user's grants expire, in days from now; null means never. Not in draw order. */
const EXPIRE_AFTER_DAYS = [90, null, 30, 365, 60]

/** `more` are statements for tables of the app. */
async function seed(file, users, ...more) {
  const credits = connect({ url: `file:${file}` })
  await credits.createTables()
  // Closed before another copy of SQLite opens the file in this process.
  await credits.close()

  const database = new Database(file)
  database.pragma('journal_mode = WAL')
  database.transaction(() => insertUsers(database, users))()
  for (const statement of more) database.exec(statement)
  // Into the main file, which is the one that is copied.
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
}

/** The same on a libSQL server, with its client. */
async function seedRemote(url, client, users) {
  const credits = connect({ url })
  await credits.createTables()
  await credits.close()
  const statements = []
  for (let number = 0; number < users; number++) statements.push(...insertsOf(number))
  const sent = statements.map(([sql, args]) => ({ sql, args }))
  if (sent.length > 0) await client.batch(sent, 'write')
}

function insertUsers(database, users) {
  const prepared = new Map([INSERT_USER, INSERT_GRANT].map((sql) => [sql, database.prepare(sql)]))
  for (let number = 0; number < users; number++) {
    for (const [sql, values] of insertsOf(number)) prepared.get(sql).run(values)
  }
}

const INSERT_USER = 'INSERT INTO user (id, name, email) VALUES (?, ?, ?)'
const INSERT_GRANT = `INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits,
  remaining_credits, expires_at, status, created_at, updated_at)
  VALUES (?, ?, ?, 'grant', 'payment', ?, ?, ?, 'active', ?, ?)`

/** The statements that create a user, with their values. */
function insertsOf(number) {
  const { id, name, email } = newUser(number)
  const grants = newGrants(number).map((grant) => {
    const { transactionNo, credits, expiresAt, createdAt } = grant
    return [INSERT_GRANT, [grant.id, id, transactionNo, credits, credits, expiresAt, createdAt, createdAt]]
  })
  return [[INSERT_USER, [id, name, email]], ...grants]
}

function newUser(number) {
  const id = userId(number)
  return { id, name: `User ${number}`, email: `${id}@example.com` }
}

/** The grants of one user. */
function newGrants(number) {
  const now = Date.now()
  return EXPIRE_AFTER_DAYS.map((days, at) => ({
    id: `grant-${number}-${at}`,
    userId: userId(number),
    transactionNo: `1${number}0${at}`,
    credits: CREDITS_OF_A_GRANT,
    expiresAt: days === null ? null : now + days * DAY_MS,
    createdAt: now - DAY_MS + at,
  }))
}

/** Copies it to the disk, so that measured fsyncs do not pay for the copy. */
function copyDurably(from, to) {
  fs.copyFileSync(from, to)
  const descriptor = fs.openSync(to, 'r+')
  fs.fsyncSync(descriptor)
  fs.closeSync(descriptor)
  return to
}

/** Runs `work` with a copy of a seeded file, in a folder of its own. */
async function onCopy(seeded, name, work) {
  const folder = fs.mkdtempSync(path.join(path.dirname(seeded), `${name}-`))
  try {
    return await work(copyDurably(seeded, path.join(folder, 'bench.db')))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

module.exports = {
  GRANTS_OF_A_USER: EXPIRE_AFTER_DAYS.length,
  copyDurably,
  onCopy,
  newGrants,
  newUser,
  seed,
  seedRemote,
}
