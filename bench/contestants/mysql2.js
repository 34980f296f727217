'use strict'

/**
 * The same work by hand, with the app's client: one transaction, which locks the user's row, one statement after
 * another. Locking the grants instead would deadlock, since InnoDB locks them in the order in which it finds them.
 * A duplicate task id violates its primary key. The row is returned as written, without reading it.
 */

const mysql = require('mysql2/promise')
const { COST, chargeFor, ofTask, planDraws } = require('../work')

const SPENDABLE_GRANTS = `
  SELECT id, transaction_no AS transactionNo, remaining_credits AS remaining, expires_at AS expiresAt
  FROM credit
  WHERE user_id = ? AND status = 'active' AND transaction_type = 'grant'
    AND remaining_credits > 0 AND (expires_at IS NULL OR expires_at > ?)
  ORDER BY expires_at IS NULL, expires_at, created_at, id`

const DRAW = `
  UPDATE credit SET remaining_credits = remaining_credits - ?, updated_at = ?
  WHERE id = ? AND remaining_credits >= ?`

const snakeCase = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The JavaScript names of the columns that are written. */
const COLUMNS_OF_CHARGE = [
  'id',
  'userId',
  'transactionNo',
  'transactionType',
  'transactionScene',
  'credits',
  'remainingCredits',
  'description',
  'status',
  'createdAt',
  'updatedAt',
  'consumedDetail',
  'metadata',
]

async function open({ url, poolSize }) {
  const pool = mysql.createPool({ uri: url, connectionLimit: poolSize, timezone: 'Z' })
  return {
    createTask: (task) => inTransaction(pool, (connection) => createTask(connection, task)),
    settings: async () => ({ pool: poolSize }),
    close: () => pool.end(),
  }
}

async function inTransaction(pool, work) {
  const connection = await pool.getConnection()
  try {
    await connection.beginTransaction()
    const row = await work(connection)
    await connection.commit()
    return row
  } catch (error) {
    await connection.rollback()
    throw error
  } finally {
    connection.release()
  }
}

async function createTask(connection, task) {
  const now = new Date()
  const [owners] = await connection.execute('SELECT id FROM user WHERE id = ? FOR UPDATE', [task.userId])
  if (owners.length === 0) throw new Error(`no user ${task.userId}`)
  const [grants] = await connection.execute(SPENDABLE_GRANTS, [task.userId, now])
  const draws = planDraws(grants, COST)
  const charge = {
    ...chargeFor(ofTask(task), draws),
    userId: task.userId,
    transactionType: 'consume',
    transactionScene: 'payment',
    credits: -COST,
    remainingCredits: 0,
    status: 'active',
    createdAt: now,
    updatedAt: now,
  }
  await insert(connection, 'credit', COLUMNS_OF_CHARGE, charge)
  for (const { creditId, creditsConsumed } of draws) {
    const [{ affectedRows }] = await connection.execute(DRAW, [
      creditsConsumed,
      now,
      creditId,
      creditsConsumed,
    ])
    if (affectedRows !== 1) throw new Error(`grant ${creditId} has changed`)
  }
  const row = { ...task, creditId: charge.id, createdAt: now, updatedAt: now }
  await insert(connection, 'media_tasks', Object.keys(row), row)
  return row
}

function insert(connection, table, keys, row) {
  const places = keys.map(() => '?')
  const values = keys.map((key) => row[key])
  return connection.execute(`INSERT INTO ${table} (${keys.map(snakeCase)}) VALUES (${places})`, values)
}

module.exports = { open }
