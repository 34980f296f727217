'use strict'

/** Concurrent callers of a database that record their results, to compare them with the rows afterwards. */

const { setTimeout: sleep } = require('node:timers/promises')
const { DAY_MS, task } = require('./database')
const { STORAGE, byStorage } = require('./storage')

const COST = 3
const TIMEOUT_MS = 60_000
const POLL_MS = 5
const INNODB_LOOKS_MS = 120

class Callers {
  /** Lines such as `created <task>`, in the form that `untrue` below reads. */
  told = []
  /** Errors of all calls. */
  refusals = []

  constructor(credits, users, prefix = 'c') {
    Object.assign(this, { credits, users, prefix })
  }

  /** Runs this many callers, each for this many rounds, or while `goesOn()`. */
  async run(callers, rounds, goesOn = () => true) {
    const caller = async (number) => {
      for (let at = 0; at < rounds && goesOn(); at++) await this.round(number, at)
    }
    await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)))
    return this
  }

  /** Submits a task, and then makes another call for the same user. */
  async round(number, at) {
    const [STRIDE, STEP] = [7919, 104_729] // primes, so that callers use the users in different orders
    const userId = this.users[(number * STRIDE + at * STEP) % this.users.length]
    const id = `${this.prefix}-${number}-${at}`
    const { createMediaTask, updateMediaTaskById, consumeCredits, createCredit, getRemainingCredits } =
      this.credits
    const created = await this.call(`created ${id}`, () => createMediaTask(task(id, userId), COST))
    const more = [
      () => created && this.call(`failed ${id}`, () => updateMediaTaskById(id, { status: 'failed' })),
      () => this.call(`charged ${id}`, () => consumeCredits({ userId, credits: 1, transactionNo: id })),
      () => this.call(`granted ${id}`, () => createCredit({ userId, credits: 1, transactionNo: id })),
      () => this.call(undefined, () => getRemainingCredits(userId)),
    ]
    await more[(number + at) % more.length]()
  }

  async call(line, run) {
    try {
      const result = await run()
      if (line) this.told.push(line)
      return result
    } catch (error) {
      this.refusals.push(error)
      if (line && error.code !== 'OUTCOME_UNKNOWN') this.told.push(`not ${line}`)
      return undefined
    }
  }

  /** The number of each error. */
  get codes() {
    const counts = {}
    for (const { code, message } of this.refusals)
      counts[code ?? message] = (counts[code ?? message] ?? 0) + 1
    return counts
  }

  count(what) {
    return this.told.filter((line) => line.startsWith(what)).length
  }

  /** The lines that do not agree with the database. */
  async untrue(database) {
    const { credit, media_tasks: tasks } = await database.everything()
    const taskById = new Map(tasks.map((row) => [row.id, row]))
    const creditByNo = new Map(credit.map((row) => [row.transaction_no, row]))
    const is = {
      created: (id) => Boolean(taskById.get(id)?.credit_id),
      failed: (id) => taskById.get(id)?.status === 'failed',
      charged: (id) => creditByNo.get(id)?.transaction_type === 'consume',
      granted: (id) => creditByNo.get(id)?.transaction_type === 'grant',
    }
    return this.told.filter((line) => {
      const [id, what, not] = line.split(' ').reverse()
      return is[what](id) === (not === 'not')
    })
  }
}

/** Adds users `<prefix>0`, `<prefix>1`, …, each with a few grants. Returns their ids. */
async function addUsers(database, count, { prefix = 'u', grants = 2, credits = 100 } = {}) {
  if (STORAGE === 'mysql') await addUsersByRows(database, { count, prefix, grants, credits })
  else await addUsersByTwo(database, { count, prefix, grants, credits })
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`)
}

async function addUsersByRows(database, { count, prefix, grants, credits }) {
  const now = new Date()
  const ids = Array.from({ length: count }, (_, at) => `${prefix}${at}`)
  const users = ids.map((id) => [
    'INSERT INTO "user" (id, name, email) VALUES (?, ?, ?)',
    ...[id, id, `${id}@example.test`],
  ])
  const insert = `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
    expires_at, created_at, updated_at) VALUES (?, ?, ?, 'grant', ?, ?, 'active', ?, ?, ?)`
  const rows = ids.flatMap((id) =>
    Array.from({ length: grants }, (_, at) => {
      const [key, expiresAt] = [`${id}-${at + 1}`, new Date(now.getTime() + (at + 1) * DAY_MS)]
      return [insert, key, id, key, credits, credits, expiresAt, now, now]
    }),
  )
  await database.run('BEGIN', ...users, ...rows, 'COMMIT')
}

/** With two statements for any number. */
async function addUsersByTwo(database, { count, prefix, grants, credits }) {
  await database.run(
    [
      `INSERT INTO "user" (id, name, email)
        SELECT id, id, id || '@example.test' FROM
          (SELECT ?::text || at AS id FROM generate_series(0, ?::integer - 1) AS at) AS new`,
      prefix,
      count,
    ],
    [
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
          expires_at, created_at, updated_at)
        SELECT "user".id || '-' || at, "user".id, "user".id || '-' || at, 'grant', ?::integer, ?::integer, 'active',
          timezone('UTC', now()) + at * interval '1 day', timezone('UTC', now()), timezone('UTC', now())
        FROM "user", generate_series(1, ?::integer) AS at WHERE starts_with("user".id, ?)`,
      credits,
      credits,
      grants,
      prefix,
    ],
  )
}

/** Waits for a condition: a test that sleeps instead is slow on a fast machine and fails on a slow one. */
async function until(condition, what = condition) {
  const deadline = Date.now() + TIMEOUT_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out waiting for: ${what}`)
    await sleep(POLL_MS)
  }
}

/** Waits until this many transactions on this database wait for a lock. */
function untilWaiting(database, count = 1) {
  const waiting = byStorage({
    sqlite: undefined,
    postgres: `SELECT count(*) AS count FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    mysql: `SELECT count(*) AS count FROM information_schema.innodb_trx
      JOIN information_schema.processlist ON processlist.id = trx_mysql_thread_id
      WHERE db = '${database.store.name}' AND trx_state = 'LOCK WAIT'`,
  })
  const ask = byStorage({
    sqlite: undefined,
    postgres: () => database.sql(waiting),
    async mysql() {
      // InnoDB refreshes this table only after this time without a query.
      await sleep(INNODB_LOOKS_MS)
      return database.store.admin(waiting)
    },
  })
  return until(async () => (await ask())[0].count >= count, `${count} wait for a lock`)
}

/** Waits until a server has finished the statements that a process sent before it was killed. */
function untilNobodyWrites(database) {
  const busy = {
    postgres: `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`,
    mysql: `SELECT 1 FROM information_schema.processlist
      WHERE db = database() AND id <> connection_id() AND command <> 'Sleep'`,
  }[STORAGE]
  const isOver = async () => busy === undefined || (await database.sql(busy)).length === 0
  return until(isOver, 'no other process writes')
}

module.exports = { COST, Callers, addUsers, until, untilNobodyWrites, untilWaiting }
