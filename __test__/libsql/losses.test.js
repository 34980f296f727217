'use strict'

/**
 * Answers that are lost at random while several processes write: exactly the acknowledged writes are in the database.
 * `LOSSES=1000 npx jest losses` loses 1,000 answers.
 */

const { TestDatabase } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { connectThrough } = require('../helpers/libsql-proxy')
const { start } = require('../helpers/processes')

staysSound()

const LOSSES = Number(process.env.LOSSES ?? 60)
const [PROCESSES, USERS, CALLERS, TASKS_EACH] = [3, 12, 8, 12]

test(
  `each task of several processes has an acknowledged call although ${LOSSES} answers to writes are lost`,
  async () => {
    const database = await TestDatabase.fresh()
    for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 100_000)
    const { proxy } = await connectThrough(database.url)
    proxy.faultsLeft = LOSSES
    const told = []
    for (let wave = 0; proxy.faultsLeft > 0; wave++) {
      const running = Array.from({ length: PROCESSES }, (_, at) =>
        start('remote-submitter.js', [proxy.url, `w${wave}p${at}`, USERS, CALLERS, TASKS_EACH]),
      )
      for (const { code, lines } of await Promise.all(running.map(({ ended }) => ended))) {
        expect([code, lines.length]).toEqual([0, CALLERS * TASKS_EACH])
        told.push(...lines)
      }
    }
    await proxy.deliver()
    const rows = await database.sql('SELECT id FROM media_tasks WHERE credit_id IS NOT NULL')
    expect(told.toSorted()).toEqual(rows.map(({ id }) => `created ${id}`).toSorted())
  },
  180_000 + 500 * LOSSES,
)
