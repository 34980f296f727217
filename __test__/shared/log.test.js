'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { TestDatabase } = require('../helpers/database')
const { startProxy } = require('../helpers/proxy')
const { evaluate } = require('../helpers/processes')
const { byStorage, postgres, sqlite } = require('../helpers/storage')

const MODULE = path.join(__dirname, '../..')

/** Text that no log line may contain. */
const PRIVATE = 'Tr0ub4dor'

/** Calls that succeed, are refused and fail, with private text in each argument. */
const CALLS = `
  const userId = 'user-${PRIVATE}'
  const calls = async (credits) => {
    const task = (id, more) => ({ id, userId, platform: 'youtube', videoUrl: '${PRIVATE}', title: '${PRIVATE}', ...more })
    const made = [
      () => credits.createMediaTask(task('task-${PRIVATE}'), 10),
      () => credits.createMediaTask(task('task-${PRIVATE}'), 10),
      () => credits.createMediaTask(task('poor', { author: '${PRIVATE}' }), 1000),
      () => credits.createMediaTask(task('wrong', { duration: '${PRIVATE}' }), 1),
      () => credits.createMediaTask(task('unknown', { '${PRIVATE}': 1 }), 1),
      () => credits.consumeCredits({ userId, credits: 1, description: '${PRIVATE}', metadata: { a: '${PRIVATE}' } }),
      () => credits.consumeCredits({ userId: 'nobody-${PRIVATE}', credits: 1, transactionNo: '${PRIVATE}' }),
      () => credits.updateMediaTaskById('task-${PRIVATE}', { status: 'failed', errorMessage: '${PRIVATE}' }),
      () => credits.getCredits({ userId, status: '${PRIVATE}' }),
      () => credits.getRemainingCredits(userId),
    ]
    for (const call of made) await call().catch(() => {})
  }`

/** A database with that user, and lines of a process that works on it with `MEDIA_CREDITS_LOG`. */
async function logOf(directive, source = 'calls(credits)', more = {}) {
  const database = await TestDatabase.fresh()
  await database.user(`user-${PRIVATE}`, 100)
  const env = { DATABASE_URL: database.url, MEDIA_CREDITS_LOG: directive, ...more }
  const { code, out } = await evaluate(`${CALLS}; ${source}`, env)
  expect(code).toBe(0)
  return { database, lines: out.split('\n').filter(Boolean) }
}

const LINE =
  /^\d{4}-\d\d-\d\dT[\d:.]+Z +(TRACE|DEBUG|INFO|WARN|ERROR) +\S+ media_credits(::\w+)+: [^\n\x1b]+$/

const having = (lines, text) => lines.filter((line) => line.includes(text))

describe('without MEDIA_CREDITS_LOG', () => {
  test.each([[''], [' '], ['off']])('no line is written: %p', async (directive) => {
    expect((await logOf(directive)).lines).toEqual([])
  })
})

describe.each([['debug'], ['media_credits=trace'], [' TRACE ']])('with %p', (directive) => {
  test('the log has one line for each event, without private text', async () => {
    const { database, lines } = await logOf(directive)
    for (const line of lines) expect(line).toMatch(LINE)
    const text = lines.join('\n')
    expect(text).not.toContain(PRIVATE)
    const { password } = new URL(database.url)
    if (password) expect(text).not.toContain(password)
    const opened = byStorage({
      sqlite: `path="${database.file}" role=Writer journal_mode="wal" timestamp_unit="ms"`,
      postgres: `connected and found the tables database="127.0.0.1/${database.store.name}"`,
      libsql: `connected and found the tables database="${new URL(database.url).host}"`,
    })
    expect(having(lines, opened)).toHaveLength(1)
    expect(having(having(lines, 'DEBUG'), ': committed').length).toBeGreaterThanOrEqual(3)
    const refused = having(lines, ': refused').map((line) =>
      line.match(/function="(\w+)" code="(\w+)"$/).slice(1),
    )
    expect(refused).toEqual([
      ['createMediaTask', 'TASK_EXISTS'],
      ['createMediaTask', 'INSUFFICIENT_CREDITS'],
      ['createMediaTask', 'INVALID_VALUE'],
      ['createMediaTask', 'UNKNOWN_FIELD'],
      ['consumeCredits', 'USER_NOT_FOUND'],
    ])
  })
})

describe('a directive', () => {
  test('can omit debug lines', async () => {
    expect((await logOf('warn')).lines).toEqual([])
  })

  test('can name a module', async () => {
    const { lines } = await logOf('media_credits::storage=info')
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line).toMatch(/INFO +\S+ media_credits::storage::/)
  })

  test.each([['verbose'], ['media_credits=loud'], ['tokio=trace'], [`postgres://app:${PRIVATE}@host/app`]])(
    'that is invalid is reported once, and nothing is logged: %s',
    async (directive) => {
      const source = `(async () => {
        await calls(credits)
        const other = credits.connect()
        console.log(await other.getRemainingCredits(userId))
        await other.close()
      })()`
      const { lines } = await logOf(directive, source)
      const [first, ...rest] = lines.sort().reverse()
      expect(first).toContain('media-credits logs nothing: MEDIA_CREDITS_LOG is invalid')
      expect(first).not.toContain(PRIVATE)
      expect(rest).toEqual(['99'])
    },
  )

  test('is read once for all threads, also if the variable is set late', async () => {
    const source = `
      process.env.MEDIA_CREDITS_LOG = 'info'
      const { Worker } = require('node:worker_threads')
      const worker = \`const credits = require(${JSON.stringify(MODULE)}); credits.getRemainingCredits('u')\`
      calls(credits).then(() => new Worker(worker, { eval: true }))`
    const { lines } = await logOf('', source)
    for (const line of lines) expect(line).toMatch(LINE)
    // The lines of the writer and of two readers; of the server.
    expect(lines).toHaveLength(byStorage({ sqlite: 3, postgres: 1, libsql: 1 }))
  })
})

describe('a warning', () => {
  test('has the code of a failure', async () => {
    const { credits, store, url } = await TestDatabase.none()
    await credits.close()
    const source = `credits.getRemainingCredits('${PRIVATE}').catch(() => {})`
    const { out } = await evaluate(source, { DATABASE_URL: url, MEDIA_CREDITS_LOG: 'warn' })
    expect(out).toMatch(LINE)
    expect(out).toContain('failed function="getRemainingCredits" code="SCHEMA_MISMATCH"')
    expect(out).not.toContain(PRIVATE)
    expect(store.url).toBe(url)
  })

  test('reports retries', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const behindProxy = () => startProxy(database.url)
    const proxy = byStorage({ sqlite: () => undefined, postgres: behindProxy, libsql: behindProxy })()
    const told = await proxy
    const { consumeCredits } = database.credits
    await consumeCredits({ userId: 'u', credits: 1 })
    // The child prints when its connection may break.
    const breaks = `await credits.consumeCredits({ userId: 'break', credits: 1 }).catch(() => {})`
    const source = byStorage({
      sqlite: `
        const fs = require('node:fs')
        fs.copyFileSync(process.env.FILE, process.env.FILE + '.new')
        fs.renameSync(process.env.FILE + '.new', process.env.FILE)`,
      postgres: breaks,
      libsql: breaks,
    })
    if (told) {
      told.onClientData = (bytes, connection) => {
        if (!bytes.includes('break')) return true
        told.onClientData = () => {}
        connection.kill()
        return false
      }
    }
    const { out } = await evaluate(
      `(async () => {
        await credits.consumeCredits({ userId: 'u', credits: 1 })
        ${source}
        await credits.consumeCredits({ userId: 'u', credits: 1 }).catch(() => {})
      })()`,
      { DATABASE_URL: told?.url ?? database.url, FILE: database.file ?? '', MEDIA_CREDITS_LOG: 'warn' },
    )
    await told?.stop()
    expect(out.split('\n')[0]).toContain(
      byStorage({
        sqlite: 'a transaction failed: reopening the database database_code=FILE_REPLACED',
        postgres: 'a connection of the pool was closed: trying another one',
        libsql: 'a connection of the pool was closed: trying another one',
      }),
    )
  })
})

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('a log that can not be written leaves the calls alone', async () => {
  const database = await TestDatabase.fresh()
  await database.user(`user-${PRIVATE}`, 100)
  const script = `const credits = require(${JSON.stringify(MODULE)}); ${CALLS}
    calls(credits).then(() => credits.getRemainingCredits(userId)).then((balance) => console.log(balance))`
  for (const directive of ['trace', 'verbose']) {
    const { status, stdout } = spawnSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', fs.openSync('/dev/full', 'w')],
      env: { ...process.env, DATABASE_URL: database.url, MEDIA_CREDITS_LOG: directive },
    })
    expect({ status, balance: Number(stdout) }).toEqual({
      status: 0,
      balance: directive === 'trace' ? 99 : 98,
    })
  }
})

const FAILED = 'failed function="getRemainingCredits" code="DATABASE_UNAVAILABLE"'

// If a part of a password is read as the host, the host is not logged.
postgres.test.each([
  ['a wrong password', `postgres://postgres:${PRIVATE}@PLACE`, FAILED],
  ['a password with an @ in it', `postgres://app:x@${PRIVATE}@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a password with a comma in it', `postgres://app:x@${PRIVATE},PLACE`, 'INVALID_URL'],
  ['a server that does not exist', `postgres://app:${PRIVATE}@127.0.0.1:1/app`, FAILED],
])('%s is not logged', async (_, template, expected) => {
  const { host, pathname } = new URL((await TestDatabase.fresh()).url)
  const url = template.replace('PLACE', `${host}${pathname}`)
  const source = `
    const told = ({ code, message }) => console.log(code, message)
    credits.connect({ connectTimeoutMs: 2000 }).getRemainingCredits('u').catch(told)`
  const { code, out } = await evaluate(source, { DATABASE_URL: url, MEDIA_CREDITS_LOG: 'trace' })
  expect(code).toBe(0)
  expect(out).toContain(expected)
  expect(out).not.toContain(PRIVATE)
})

sqlite.test('a path with a line break in it stays on one line', async () => {
  const database = await TestDatabase.none()
  const url = `file:${database.folder}/a%0AINFO b.db`
  const source = `(async () => { await credits.createTables(); await credits.getCredits() })()`
  const { out } = await evaluate(source, { DATABASE_URL: url, MEDIA_CREDITS_LOG: 'info' })
  const lines = out.split('\n')
  expect(lines).toHaveLength(2)
  for (const line of lines) expect(line).toMatch(LINE)
  await database.credits.close()
})
