'use strict'

/**
 * The same work by hand: an immediate transaction with prepared statements, and a commit for each task. It returns
 * the driver's row without Dates and camelCase, which saves a few microseconds.
 */

const Database = require('../better-sqlite3')
const { COST, chargeFor, ofTask, planDraws } = require('../work')

const CHARGE_COLUMNS = [
  'id',
  'user_id',
  'transaction_no',
  'transaction_type',
  'transaction_scene',
  'credits',
  'remaining_credits',
  'description',
  'status',
  'created_at',
  'updated_at',
  'consumed_detail',
  'metadata',
]

const TASK_COLUMNS = {
  id: 'id',
  userId: 'user_id',
  platform: 'platform',
  videoUrl: 'video_url',
  title: 'title',
  targetLang: 'target_lang',
  status: 'status',
  progress: 'progress',
  outputType: 'output_type',
  creditId: 'credit_id',
  isFreeTrial: 'is_free_trial',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
}

const SPENDABLE_GRANTS = `
  SELECT id, transaction_no AS transactionNo, remaining_credits AS remaining, expires_at AS expiresAt
  FROM credit
  WHERE user_id = ? AND status = 'active' AND transaction_type = 'grant'
    AND remaining_credits > 0 AND (expires_at IS NULL OR expires_at > ?)
  ORDER BY expires_at IS NULL, expires_at, created_at, id`

const DRAW = `
  UPDATE credit SET remaining_credits = remaining_credits - ?, updated_at = ?
  WHERE id = ? AND remaining_credits >= ?`

async function open({ file, durability }) {
  const database = new Database(file, { fileMustExist: true, timeout: 5000 })
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${durability}`)
  database.pragma('cache_size = -65536')
  database.pragma('foreign_keys = OFF')
  const create = transaction(database)
  return {
    createTask: (task) => create.immediate(task),
    settings: async () => ({
      journalMode: database.pragma('journal_mode', { simple: true }),
      sqliteVersion: database.prepare('SELECT sqlite_version()').pluck().get(),
    }),
    close: async () => database.close(),
  }
}

function transaction(database) {
  const userById = database.prepare('SELECT 1 FROM user WHERE id = ?')
  const taskExists = database.prepare('SELECT 1 FROM media_tasks WHERE id = ?')
  const spendableGrants = database.prepare(SPENDABLE_GRANTS)
  const draw = database.prepare(DRAW)
  const insertCharge = database.prepare(insertInto('credit', CHARGE_COLUMNS))
  const insertTask = database.prepare(insertInto('media_tasks', Object.values(TASK_COLUMNS)))
  const taskById = database.prepare('SELECT * FROM media_tasks WHERE id = ?')

  return database.transaction((task) => {
    const now = Date.now()
    if (!userById.get(task.userId)) throw new Error(`no user ${task.userId}`)
    if (taskExists.get(task.id)) throw new Error(`there is a task ${task.id}`)
    const draws = planDraws(spendableGrants.all(task.userId, now), COST)
    const charge = chargeFor(ofTask(task), draws)

    insertCharge.run(
      charge.id,
      task.userId,
      charge.transactionNo,
      'consume',
      'payment',
      -COST,
      0,
      charge.description,
      'active',
      now,
      now,
      charge.consumedDetail,
      charge.metadata,
    )
    for (const { creditId, creditsConsumed } of draws) {
      const { changes } = draw.run(creditsConsumed, now, creditId, creditsConsumed)
      if (changes !== 1) throw new Error(`grant ${creditId} has changed`)
    }
    const row = { ...task, creditId: charge.id, createdAt: now, updatedAt: now }
    insertTask.run(Object.keys(TASK_COLUMNS).map((key) => toSql(row[key])))
    return taskById.get(task.id)
  })
}

function insertInto(table, columns) {
  return `INSERT INTO ${table} (${columns}) VALUES (${columns.map(() => '?')})`
}

function toSql(value) {
  return typeof value === 'boolean' ? Number(value) : value
}

module.exports = { open }
