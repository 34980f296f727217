'use strict'

const { TestDatabase, task, useDisk } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { missing, start } = require('../helpers/processes')
const { byStorage } = require('../helpers/storage')

useDisk()

const ROUNDS = 3
const PROCESSES = 3

/** PostgreSQL's own process was not killed. */
async function isWhole(database) {
  expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
}

test.each([
  ['tasks', ''],
  ['tasks through their life', 'life-'],
  ['AI tasks', 'ai-'],
  ['atomic batches', 'batch-'],
])(
  'kill -9 of processes that write %s loses no acknowledged call, and leaves no partial one',
  async (_, prefix) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1_000_000)
    await database.credits.close()
    const told = []
    for (let round = 0; round < ROUNDS; round++) {
      const running = Array.from({ length: PROCESSES }, (_, at) => {
        // Each is killed in a different phase: after a different number of replies.
        let replies = 20 + 37 * at + 11 * round
        const kill = (_, child) => --replies === 0 && child.kill('SIGKILL')
        return start('submitter.js', [database.url, 'u', `${prefix}${round}-${at}`, 16, 1_000_000], kill)
      })
      for (const { signal, lines } of await Promise.all(running.map(({ ended }) => ended))) {
        expect(signal).toBe('SIGKILL')
        told.push(...lines)
      }
      expect(await missing(database, told)).toEqual([])
      expect(await violations(database)).toEqual([])
    }
    const count = (what) => told.filter((line) => line.startsWith(what)).length
    expect(count('created')).toBeGreaterThan(ROUNDS * PROCESSES * 15)
    expect(count('failed')).toBeGreaterThan(0)
    if (prefix === 'batch-') expect(await torn(database)).toEqual([])
    if (prefix === 'life-') expect(count('refunded')).toBeGreaterThan(ROUNDS * PROCESSES)
    await byStorage({ sqlite: isWhole, postgres: () => {} })(database)
  },
)

/** The batches of three that were written only in part. */
async function torn(database) {
  const ids = (await database.sql('SELECT id FROM media_tasks')).map(({ id }) => id.split('+')[0])
  const batches = new Map()
  for (const id of ids) batches.set(id, (batches.get(id) ?? 0) + 1)
  return [...batches].filter(([, size]) => size !== 3)
}

test('kill -9 of processes that fail tasks with regrantDays regrants each charge once', async () => {
  const TASKS = 240
  const database = await TestDatabase.fresh()
  await database.user('u', 2 * TASKS)
  const ids = Array.from({ length: TASKS }, (_, at) => `t${at}`)
  await Promise.all(ids.map((id) => database.credits.createMediaTask(task(id, 'u'), 2)))
  await database.sql(`UPDATE credit SET status = 'expired' WHERE transaction_type = 'grant'`)
  const told = new Set()
  for (let round = 0; round < 3; round++) {
    const running = [0, 1, 2].map((at) => {
      // The last one is not killed in the last round, and finishes what the others began.
      let replies = round === 2 && at === 2 ? Infinity : 15 + 20 * at + 11 * round
      const kill = (_, child) => --replies === 0 && child.kill('SIGKILL')
      return start('failer.js', [database.url, at, 8, JSON.stringify(ids)], kill)
    })
    for (const { lines } of await Promise.all(running.map(({ ended }) => ended))) {
      for (const line of lines) told.add(line)
    }
    const done = await database.sql(`SELECT id FROM media_tasks WHERE status = 'failed'`)
    const failed = new Set(done.map(({ id }) => `failed ${id}`))
    expect([...told].filter((line) => !failed.has(line))).toEqual([])
    const [{ grants, granted }] = await database.sql(
      `SELECT count(*) AS grants, sum(credits) AS granted FROM credit WHERE description = 'Refund of expired credits'`,
    )
    expect([Number(grants), Number(granted)]).toEqual([failed.size, 2 * failed.size])
    expect(await violations(database)).toEqual([])
  }
  expect(await database.credits.getRemainingCredits('u')).toBe(2 * TASKS)
})

test('several processes that submit at once spend each credit once', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 150)
  const running = [1, 2, 3].map((at) => start('submitter.js', [database.url, 'u', at, 8, 10]))
  const own = Array.from({ length: 40 }, (_, at) =>
    database.credits.createMediaTask(task(`own-${at}`, 'u'), 1).then(
      () => 'created',
      ({ code }) => `refused ${code}`,
    ),
  )
  const ends = await Promise.all(running.map(({ ended }) => ended))
  const lines = [...(await Promise.all(own)), ...ends.flatMap(({ lines }) => lines)]
  const count = (what) => lines.filter((line) => line.startsWith(what)).length
  expect(count('refused')).toBe(count('refused INSUFFICIENT_CREDITS'))
  expect(count('created') - count('failed')).toBe(150 - (await database.credits.getRemainingCredits('u')))
  expect(count('created') + count('refused')).toBe(3 * 80 + 40)
  expect(await violations(database)).toEqual([])
})

test("charges succeed while another process writes with the app's own client", async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  await database.run(`INSERT INTO "user" (id, name, email) VALUES ('v', 'v', 'v@example.test')`)
  const rounds = 60
  const submits = Array.from({ length: rounds }, (_, at) =>
    database.credits.createMediaTask(task(`t${at}`, 'u'), 1),
  )
  for (let at = 0; at < rounds; at++) {
    // As the app's sign-in and checkout do.
    const grant = `INSERT INTO credit
        (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status, updated_at)
      VALUES (?, 'v', ?, 'grant', 5, 5, 'active', ?)`
    await database.run(
      byStorage({ sqlite: 'BEGIN IMMEDIATE', postgres: 'BEGIN' }),
      `UPDATE "user" SET free_trial_used = free_trial_used + 1 WHERE id = 'v'`,
      [grant, `g${at}`, `n${at}`, new Date()],
      'COMMIT',
    )
    submits.push(database.credits.consumeCredits({ userId: 'v', credits: 5 }))
  }
  await Promise.all(submits)
  expect(await database.sql(`SELECT free_trial_used FROM "user" WHERE id = 'v'`)).toEqual([
    { free_trial_used: rounds },
  ])
  expect(await database.credits.getRemainingCredits('u')).toBe(100 - rounds)
  expect(await database.credits.getRemainingCredits('v')).toBe(0)
  expect(await violations(database)).toEqual([])
})
