'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const { connect } = require('../..')
const { watchCheckpoint } = require('../helpers/checkpoint')
const { TestDatabase, task, useDisk } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { missing, start } = require('../helpers/processes')

useDisk()

describe('kill -9 in the middle of a checkpoint', () => {
  const USERS = 3000
  const CALLERS = 64
  const KILLS = 3
  /** How long after the start of the write, for each attempt: between pages, and in the fsync at the end. */
  const DELAYS_MS = [0, 4, 8, 0, 0, 0]
  const POLL_MS = 1
  /** Long enough for a busy machine, which may take minutes. */
  const TIMEOUT_MS = 600_000

  const MANY_USERS = `
    WITH RECURSIVE number (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM number WHERE at < ${USERS - 1})
    INSERT INTO user (id, name, email) SELECT 'u' || at, 'u', at || '@example.test' FROM number`
  /** Rows of almost a page each, so that a checkpoint writes many pages and takes long. */
  const LARGE_GRANTS = `
    INSERT INTO credit
      (id, user_id, transaction_no, transaction_type, credits, remaining_credits, description, status)
    SELECT 'g' || id, id, id, 'grant', 1000000, 1000000, printf('%.3000c', 'x'), 'active' FROM user`

  /** Kills a writing process in its checkpoint. Returns its acknowledged calls, and whether the checkpoint was under way. */
  async function killInCheckpoint({ file, url }, prefix, { tasksEach, bytes }, delayMs) {
    let checkpoint
    let answered = 0
    const { child, ended } = start(
      'submitter.js',
      [url, 'u', prefix, CALLERS, tasksEach, USERS, TIMEOUT_MS, bytes],
      (line) => {
        // After its first reply it has the file open, and no other process checkpoints.
        checkpoint ??= watchCheckpoint(file)
        if (/^(created|refused)/.test(line)) answered++
      },
    )
    // The checkpoint was finished between two checks.
    const isMissed = () => answered === CALLERS * tasksEach && checkpoint.nothingIsLeft()
    while (child.exitCode === null && !checkpoint?.isUnderWay() && !isMissed()) await sleep(POLL_MS)
    await sleep(delayMs)
    child.kill('SIGKILL')
    const { signal, lines } = await ended
    expect(signal).toBe('SIGKILL')
    return { lines, inCheckpoint: checkpoint.isUnderWay() }
  }

  /** Starts the app again: the first call recovers the log. Returns its acknowledged calls. */
  async function comeBack({ url }, id) {
    const credits = connect({ url })
    await credits.createMediaTask(task(id, 'u0'), 1)
    await credits.close()
    return `created ${id}`
  }

  test.each([
    // Of 25,000 pages, see src/storage/sqlite/wal.rs: with long texts a few tasks fill them.
    ['of a commit, because the log is long,', { tasksEach: 1000, bytes: 20_000 }],
    ['of an idle writer', { tasksEach: 25, bytes: 0 }],
  ])(
    '%s loses nothing that was acknowledged',
    async (_, work) => {
      const database = await TestDatabase.fresh()
      await database.run(MANY_USERS, LARGE_GRANTS)
      await database.credits.close()
      const told = []
      let kills = 0
      for (const [attempt, delayMs] of DELAYS_MS.entries()) {
        // The log is recovered only after the last process that has it open ends.
        await globalThis.stopInspector()
        const { lines, inCheckpoint } = await killInCheckpoint(database, `a${attempt}`, work, delayMs)
        if (inCheckpoint) kills++
        told.push(...lines, await comeBack(database, `after-${attempt}`))
        expect(await missing(database, told)).toEqual([])
        expect(await violations(database)).toEqual([])
        expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
        if (kills === KILLS) break
      }
      expect(told.some((line) => line.startsWith('failed'))).toBe(true)
      expect(kills).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
})
