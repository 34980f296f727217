'use strict'

const { TestDatabase } = require('../helpers/database')
const { describeOnLinux } = require('../helpers/describe')
const { violations } = require('../helpers/invariants')
const { LIBSQL } = require('../helpers/libsql')
const { evaluate } = require('../helpers/processes')

// Each scenario runs in a separate process: two copies of SQLite must not share Jest's.

const WITHOUT_LOCKING = { MEDIA_CREDITS_TEST_WITHOUT_LOCKING: '1' }

/** The code that each scenario can use, in its own process. */
const PRELUDE = `
  const fs = require('node:fs')
  const { createClient } = require(process.env.LIBSQL)
  const { file, folder } = JSON.parse(process.env.SCENARIO)
  const url = 'file:' + file
  const target = (descriptor) => {
    try { return fs.readlinkSync('/proc/self/fd/' + descriptor) } catch { return '' }
  }
  const descriptors = (which = () => true) => fs.readdirSync('/proc/self/fd').map(target).filter(which).length
  const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n')
  const create = (connection, id) =>
    connection.createMediaTask({ id, userId: 'u', platform: 'youtube', videoUrl: 'https://youtu.be/x' }, 1)
`

/** Runs a scenario in a separate process. Returns its output, and how it ended. */
async function play({ file, folder }, scenario, { env, libsql = LIBSQL['0.18'] } = {}) {
  const source = `${PRELUDE}
    ;(async () => { ${scenario} })().catch((error) => { say(error.stack); process.exitCode = 1 })`
  const { out, ...end } = await evaluate(source, {
    ...{ SCENARIO: JSON.stringify({ file, folder }), LIBSQL: libsql },
    ...env,
  })
  return { ...end, said: out.split('\n').filter(Boolean).map(JSON.parse) }
}

/** A file with the app's tables and a user with 1,000 credits, which no process has open. */
async function released() {
  const database = await TestDatabase.fresh()
  await database.credits.close()
  // Not by `database.user`: the helper's process keeps a file open until its garbage is collected.
  await play(
    database,
    `const client = createClient({ url })
    await client.execute("INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')")
    const connection = credits.connect({ url })
    await connection.createCredit({ userId: 'u', credits: 1000, transactionScene: 'gift' })
    await connection.close()`,
  )
  return database
}

describeOnLinux('descriptors', () => {
  /** One after the other, because each starts a thread and opens the file. More take long, see CONTRIBUTING.md. */
  const CYCLES = Number(process.env.CYCLES ?? 300)

  test(
    'are closed when one file is opened and closed again and again',
    async () => {
      const { said } = await play(
        await released(),
        `for (let cycle = 1; cycle <= ${CYCLES}; cycle++) {
        const connection = credits.connect({ url })
        if (await connection.getRemainingCredits('u') !== 1000) say('wrong')
        // Sometimes the writer too, so that both threads start and end.
        if (cycle % 10 === 0) await connection.consumeCredits({ userId: 'nobody', credits: 1 }).catch(() => {})
        await connection.close()
        if (cycle === 100 || cycle === ${CYCLES}) say(descriptors())
      }`,
      )
      const [early, late] = said
      expect(said).toHaveLength(2)
      expect(late).toBe(early)
    },
    180_000 + 100 * CYCLES,
  )

  test('of files that are deleted after closing are closed', async () => {
    const FILES = 100
    const { said } = await play(
      await released(),
      `for (let at = 1; at <= ${FILES}; at++) {
        const path = folder + '/' + at + '.db'
        const connection = credits.connect({ url: 'file:' + path })
        await connection.createTables()
        if (await connection.getRemainingCredits('u') !== 0) say('wrong')
        await connection.close()
        for (const name of [path, path + '-wal', path + '-shm']) fs.rmSync(name, { force: true })
        if (at === 10 || at === ${FILES}) say(descriptors())
      }`,
    )
    const [early, late] = said
    expect(said).toHaveLength(2)
    expect(late).toBe(early)
  })
})

describeOnLinux.each(Object.entries(LIBSQL))('beside @libsql/client %s in one process', (_, libsql) => {
  /**
   * The addon has the file open; libSQL comes, writes and goes; the addon commits; `kill -9`. libSQL closes a
   * file only when its objects are collected as garbage.
   */
  const VISIT = `
    require('node:v8').setFlagsFromString('--expose-gc')
    const collectGarbage = require('node:vm').runInNewContext('gc')
    const connection = credits.connect({ url })
    await create(connection, 'before')
    await connection.getRemainingCredits('u')
    const log = () => fs.statSync(file + '-wal', { throwIfNoEntry: false })?.ino
    const users = () => descriptors((path) => path.startsWith(file + '-wal'))
    const before = { log: log(), users: users() }
    const visit = async () => {
      const client = createClient({ url })
      await client.execute('PRAGMA busy_timeout = 5000')
      await client.execute("UPDATE user SET name = 'seen' WHERE id = 'u'")
      if (users() <= before.users) say('libSQL has not opened the log')
      client.close()
    }
    await visit()
    for (let round = 0; round < 100 && users() > before.users; round++) {
      collectGarbage()
      await new Promise(setImmediate)
    }
    if (users() > before.users) say('libSQL still has the log')
    say({ log: before.log !== undefined && log() === before.log })
    for (let at = 0; at < 50; at++) {
      await create(connection, 'after-' + at)
      say('after-' + at)
    }
    process.kill(process.pid, 'SIGKILL')`

  test('the log stays after libSQL closes the file, and acknowledged commits survive a kill -9', async () => {
    const database = await released()
    const { signal, said } = await play(database, VISIT, { libsql })
    const [{ log }, ...told] = said
    expect(signal).toBe('SIGKILL')
    expect(log).toBe(true)
    expect(told).toHaveLength(50)
    const rows = await database.sql("SELECT id FROM media_tasks WHERE id LIKE 'after-%'")
    expect(rows.map(({ id }) => id).sort()).toEqual(told.sort())
    expect(await database.sql("SELECT name FROM user WHERE id = 'u'")).toEqual([{ name: 'seen' }])
    expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
    expect(await violations(database)).toEqual([])
  })

  test('without the fix libSQL deletes the log, and commits are lost', async () => {
    const database = await released()
    const { said } = await play(database, VISIT, { env: WITHOUT_LOCKING, libsql })
    const [{ log }, ...told] = said
    expect(log).toBe(false)
    expect(told).toHaveLength(50)
    const [{ found }] = await database.sql(
      "SELECT COUNT(*) AS found FROM media_tasks WHERE id LIKE 'after-%'",
    )
    expect(found).toBeLessThan(50)
  })

  /** libSQL holds the write lock while the addon waits for it, and releases it. */
  const HOLD = `
    const connection = credits.connect({ url, busyTimeoutMs: 50 })
    await connection.getRemainingCredits('u')
    const transaction = await createClient({ url }).transaction('write')
    const outcome = await create(connection, 'meanwhile').then(() => 'done', ({ code, retryable }) => ({ code, retryable }))
    say({ outcome, balance: await connection.getRemainingCredits('u') })
    await transaction.rollback()
    await create(connection, 'later')
    say({ balance: await connection.getRemainingCredits('u') })
    await connection.close()`

  test("libSQL's BEGIN IMMEDIATE makes the addon wait", async () => {
    const database = await released()
    const { said } = await play(database, HOLD, { libsql })
    expect(said).toEqual([
      { outcome: { code: 'DATABASE_BUSY', retryable: true }, balance: 1000 },
      { balance: 999 },
    ])
    expect(await database.sql('SELECT id FROM media_tasks')).toEqual([{ id: 'later' }])
    expect(await violations(database)).toEqual([])
  })

  test('without the fix both have the write lock at once', async () => {
    const { said } = await play(await released(), HOLD, { env: WITHOUT_LOCKING, libsql })
    expect(said[0]).toMatchObject({ outcome: 'done' })
  })
})

test.each([
  ['in force', process.platform === 'linux' ? 'ofd' : 'system', {}],
  ['switched off', 'system', WITHOUT_LOCKING],
])('getDiagnostics() tells whether the fix is %s', async (_, locking, env) => {
  const { said } = await play(
    await released(),
    `const connection = credits.connect({ url })
    say((await connection.getDiagnostics()).locking)
    await connection.close()`,
    { env },
  )
  expect(said).toEqual([locking])
})
