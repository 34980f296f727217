'use strict'

/**
 * Accounts of many users, created by the database itself: ten rows of `credit` and seven tasks per user, scattered
 * over the tables.
 */

const { COST } = require('./work')

const GRANTS = 3
const CHARGES = 7
const ROWS_OF_A_USER = GRANTS + CHARGES
const TASKS_OF_A_USER = CHARGES
const CREDITS = 1000
const DAY_MS = 86_400_000

/** How each database generates numbers, and its type of times. */
const DIALECTS = {
  sqlite: {
    numbers: (most) => `(WITH RECURSIVE counted (n) AS
      (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < ${most} - 1) SELECT n FROM counted) AS users`,
    time: (ms) => ms,
    no: 0,
  },
  postgres: {
    numbers: (most) => `generate_series(0, ${most} - 1) AS users (n)`,
    time: (ms) => `timestamp '${new Date(Number(ms)).toISOString().slice(0, -1)}'`,
    no: 'false',
  },
}

/**
 * The statements that create the accounts of this many users, one row per user at a time, so that a user's rows
 * are not adjacent. The first grant has paid for all charges.
 */
function bookStatements(dialect, users) {
  const { numbers, time, no } = DIALECTS[dialect]
  const of = numbers(users)
  const now = Date.now()
  const grant = (at) => `
    INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits, remaining_credits,
      expires_at, status, created_at, updated_at)
    SELECT 'grant-' || n || '-${at}', 'user-' || n, '1' || n || '0${at}', 'grant', 'payment', ${CREDITS},
      ${at === 0 ? CREDITS - CHARGES * COST : CREDITS},
      ${time(now + (30 * at + 30) * DAY_MS)}, 'active', ${time(now - DAY_MS + at)}, ${time(now)}
    FROM ${of}`
  const detail = (at) => {
    const before = CREDITS - at * COST
    return (
      `'[{"creditId":"grant-' || n || '-0","transactionNo":"1' || n || '00","creditsToConsume":${COST},` +
      `"creditsConsumed":${COST},"creditsBefore":${before},"creditsAfter":${before - COST},"batchSize":1000,"batchNo":1}]'`
    )
  }
  const charge = (at) => `
    INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits, remaining_credits,
      status, created_at, updated_at, consumed_detail, metadata)
    SELECT 'charge-' || n || '-${at}', 'user-' || n, '2' || n || '0${at}', 'consume', 'payment', ${-COST}, 0,
      'active', ${time(now - 1000 + at)}, ${time(now)}, ${detail(at)},
      '{"type":"media-task","taskId":"task-' || n || '-${at}","outputType":"subtitle"}'
    FROM ${of}`
  const task = (at) => `
    INSERT INTO media_tasks (id, user_id, platform, video_url, status, progress, output_type, credit_id, is_free_trial,
      created_at, updated_at)
    SELECT 'task-' || n || '-${at}', 'user-' || n, 'youtube', 'https://www.youtube.com/watch?v=' || n, 'completed', 100,
      'subtitle', 'charge-' || n || '-${at}', ${no}, ${time(now - 1000 + at)}, ${time(now)}
    FROM ${of}`
  const layers = (count, layer) => Array.from({ length: count }, (_, at) => layer(at))
  return [
    `INSERT INTO "user" (id, name, email) SELECT 'user-' || n, 'User ' || n, 'user-' || n || '@example.com' FROM ${of}`,
    ...layers(GRANTS, grant),
    ...layers(CHARGES, charge),
    ...layers(CHARGES, task),
  ]
}

module.exports = { ROWS_OF_A_USER, TASKS_OF_A_USER, bookStatements }
