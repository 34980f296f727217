'use strict'

/**
 * Processes that charge the same users at once: exactly as many charges as credits.
 * `FULL=1 npx jest processes` gives each user 500 credits, and also runs more processes than sqld may bear.
 */

const { TestDatabase } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { start } = require('../helpers/processes')

staysSound()

const CREDITS = process.env.FULL ? 500 : 25
const [PROCESSES, USERS] = [3, 20]
/** With this many processes sqld was seen to stop writing. Calls then fail with the codes below. */
const CROWD = { processes: 12, callers: 4, tasksEach: 15 }
const CROWD_OPTIONS = { statementTimeoutMs: 5000, busyTimeoutMs: 5000, connectTimeoutMs: 3000 }
const CROWD_REFUSALS = ['INSUFFICIENT_CREDITS', 'DATABASE_BUSY', 'DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']
/** A process has one caller for each user, which charges a little more than a third of the credits. */
const TASKS_EACH = Math.ceil(CREDITS * 0.36)

test(
  `${PROCESSES} processes charge ${USERS} users of ${CREDITS} credits each exactly as often as they have credits`,
  async () => {
    const database = await TestDatabase.fresh()
    for (let at = 0; at < USERS; at++) await database.user(`u${at}`, CREDITS)
    const running = Array.from({ length: PROCESSES }, (_, at) =>
      start('remote-submitter.js', [database.url, `p${at}`, USERS, USERS, TASKS_EACH]),
    )
    const told = []
    for (const { code, lines } of await Promise.all(running.map(({ ended }) => ended))) {
      expect(code).toBe(0)
      told.push(...lines)
    }
    const created = told.filter((line) => line.startsWith('created '))
    const refused = told.filter((line) => line === 'refused INSUFFICIENT_CREDITS')
    expect([created.length, refused.length]).toEqual([
      USERS * CREDITS,
      PROCESSES * USERS * TASKS_EACH - USERS * CREDITS,
    ])
    const rows = await database.sql('SELECT id FROM media_tasks WHERE credit_id IS NOT NULL')
    expect(created.toSorted()).toEqual(rows.map(({ id }) => `created ${id}`).toSorted())
    const [{ total }] = await database.sql(
      "SELECT sum(remaining_credits) AS total FROM credit WHERE transaction_type = 'grant'",
    )
    expect(Number(total)).toBe(0)
  },
  60_000 + 400 * CREDITS,
)

if (process.env.FULL) {
  const { processes, callers, tasksEach } = CROWD
  test(
    `${processes} processes: whatever happens to the server, each written task was acknowledged, or its outcome is unknown`,
    async () => {
      const database = await TestDatabase.fresh()
      for (let at = 0; at < USERS; at++) await database.user(`u${at}`, CREDITS)
      const options = JSON.stringify(CROWD_OPTIONS)
      const running = Array.from({ length: processes }, (_, at) =>
        start('remote-submitter.js', [database.url, `p${at}`, USERS, callers, tasksEach, options]),
      )
      const lines = []
      for (const { code, lines: told } of await Promise.all(running.map(({ ended }) => ended))) {
        expect([code, told.length]).toEqual([0, callers * tasksEach])
        lines.push(...told)
      }
      const created = lines.filter((line) => line.startsWith('created ')).map((line) => line.split(' ')[1])
      const refused = lines.filter((line) => line.startsWith('refused ')).map((line) => line.split(' ')[1])
      expect(refused.filter((code) => !CROWD_REFUSALS.includes(code))).toEqual([])
      const rows = await database.sql('SELECT id FROM media_tasks WHERE credit_id IS NOT NULL')
      const written = new Set(rows.map(({ id }) => id))
      expect(created.filter((id) => !written.has(id))).toEqual([])
      const unknown = refused.filter((code) => code === 'OUTCOME_UNKNOWN').length
      expect(written.size - created.length).toBeLessThanOrEqual(unknown)
      expect(created.length).toBeGreaterThan(0)
    },
    60_000 + tasksEach * 10_000,
  )
}
