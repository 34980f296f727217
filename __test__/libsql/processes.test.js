'use strict'

/**
 * Processes that charge the same users at once: exactly as many charges as credits.
 * `FULL=1 npx jest processes` gives each user 500 credits.
 */

const { TestDatabase } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { start } = require('../helpers/processes')

staysSound()

const CREDITS = process.env.FULL ? 500 : 25
const [PROCESSES, USERS] = [3, 20]
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
