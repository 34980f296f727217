'use strict'

const { TestDatabase } = require('./helpers/database')
const { violations } = require('./helpers/invariants')
const { start } = require('./helpers/processes')

const ROUNDS = 6
const PROCESSES = 3

/** Everything that the processes were told is done must be in the database. */
async function missing(database, lines) {
  const rows = await database.sql('SELECT id, status, credit_id FROM media_tasks')
  const tasks = new Map(rows.map((row) => [row.id, row]))
  return lines.filter((line) => {
    const [what, id] = line.split(' ')
    if (what === 'created') return !tasks.get(id)?.credit_id
    if (what === 'failed') return tasks.get(id)?.status !== 'failed'
    return true
  })
}

test('kill -9 of several writing processes loses nothing that they were told, and leaves nothing half done', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 1_000_000)
  await database.credits.close()
  const told = []
  for (let round = 0; round < ROUNDS; round++) {
    const running = Array.from({ length: PROCESSES }, (_, at) => {
      // Each is killed in another phase: after another number of replies.
      let replies = 20 + 37 * at + 11 * round
      const kill = (_, child) => --replies === 0 && child.kill('SIGKILL')
      return start('submitter.js', [database.file, 'u', `${round}-${at}`, 16, 1_000_000], kill)
    })
    for (const { signal, lines } of await Promise.all(running.map(({ ended }) => ended))) {
      expect(signal).toBe('SIGKILL')
      told.push(...lines)
    }
    expect(await missing(database, told)).toEqual([])
    expect(await violations(database)).toEqual([])
  }
  expect(told.filter((line) => line.startsWith('created')).length).toBeGreaterThan(ROUNDS * PROCESSES * 15)
  expect(told.some((line) => line.startsWith('failed'))).toBe(true)
  expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
}, 60_000)
