'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { cli, cliOn, ended, startCli } = require('./helpers/cli')
const { TestDatabase, aiTask, task } = require('./helpers/database')
const { evaluate } = require('./helpers/processes')
const { byStorage, postgres, sqlite } = require('./helpers/storage')

const SECRET = 'Tr0ub4dor'

describe('stuck', () => {
  /** A user with a task of each kind, which were silent for two hours. */
  async function silent() {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await database.credits.createMediaTask(task('t', 'u'), 10)
    await database.credits.createAITask(aiTask('a', 'u', { costCredits: 20 }))
    const before = new Date(Date.now() - 2 * 3_600_000)
    for (const table of ['media_tasks', 'ai_task'])
      await database.sql(`UPDATE ${table} SET updated_at = ?`, before)
    return database
  }

  test('lists them, and says so by its exit code', async () => {
    const database = await silent()
    const { code, out } = await cliOn(database, 'stuck')
    expect(code).toBe(1)
    expect(out).toMatch(/^t +u +pending +[-\d]+ [:\d]+ +2 h$/m)
    expect(out).toMatch(/^1 stuck task, silent for more than 30 min\.$/m)
    const { json } = await cliOn(database, 'stuck', '--ai', '--json')
    expect(json.tasks).toMatchObject([{ id: 'a', userId: 'u', status: 'pending' }])
    const later = await cliOn(database, 'stuck', '--older-than', '3h')
    expect(later).toMatchObject({ code: 0, out: '0 stuck tasks, silent for more than 3 h.' })
    expect((await database.credits.findMediaTaskById('t')).status).toBe('pending')
  })

  test('fails and refunds them', async () => {
    const database = await silent()
    const args = ['--fail', '--older-than', '1h']
    const { code, out } = await cliOn(database, 'stuck', ...args, '--message', 'timed out')
    expect(code).toBe(0)
    expect(out).toMatch(/^t +u +10$/m)
    expect(out).toMatch(/^1 task failed, 10 credits refunded\.$/m)
    const failed = { status: 'failed', errorMessage: 'timed out' }
    expect(await database.credits.findMediaTaskById('t')).toMatchObject(failed)
    const ai = await cliOn(database, 'stuck', ...args, '--ai', '--json')
    const refund = { credits: 20 }
    expect(ai).toMatchObject({ code: 0, json: { tasks: [{ id: 'a', refund }], credits: 20, errors: [] } })
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test('is about AI tasks where there is no media_tasks', async () => {
    const database = await silent()
    await database.sql('DROP TABLE media_tasks')
    const { json } = await cliOn(database, 'stuck', '--json')
    expect(json.tasks).toMatchObject([{ id: 'a' }])
    const failed = await cliOn(database, 'stuck', '--fail', '--older-than', '1h', '--json')
    expect(failed).toMatchObject({ code: 0, json: { tasks: [{ id: 'a' }], credits: 20 } })
    // They have no error message: nothing is failed without the one that was asked for.
    const args = ['--fail', '--older-than', '1h', '--message', 'timed out']
    const { code, errors } = await cliOn(database, 'stuck', ...args)
    expect({ code, errors }).toEqual({ code: 3, errors: expect.stringContaining('media_tasks') })
  })

  test('one that can not be failed is named', async () => {
    const database = await silent()
    await database.sql("UPDATE credit SET consumed_detail = 'x' WHERE transaction_type = 'consume'")
    const args = ['stuck', '--fail', '--older-than', '1h']
    const { code, out } = await cliOn(database, ...args)
    expect(code).toBe(1)
    expect(out).toMatch(/^t +u +\S+/m)
    expect(out).toMatch(/^0 tasks failed, 0 credits refunded\.$/m)
    const { json } = await cliOn(database, ...args, '--json')
    expect(json.errors).toMatchObject([
      { id: 't', error: { code: 'CHARGE_CORRUPT', message: expect.any(String) } },
    ])
  })
})

describe('passwords', () => {
  const url = `postgres://app:${SECRET}@127.0.0.1:1/app`

  sqlite.test.each([
    [['doctor', '--url', url], 1],
    [['doctor', '--json', '--url', url], 1],
    [['audit', '--url', url], 3],
    [['balance', 'u', '--json', '--url', url], 3],
    [['init', url], 3],
    [['init', url, '--url', url], 2],
    [[url], 2],
    [['doctor', url], 2],
    [['doctor', `--ulr=${url}`], 2],
    [['doctor', `--password=${SECRET}:x`], 2],
    [['audit', '--limit', url], 2],
    [['audit', '--env', url], 3],
    [['grant', 'u', url], 2],
    [['doctor', '--url', `postgres://app:x/${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `postgres://app:1?${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `postgres://app:1/${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `postgres://127.0.0.1:1/app?user=app&password=${SECRET}`], 1],
    [['doctor', '--url', `postgres:app:${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `app:${SECRET}@127.0.0.1/app`], 1],
    [['doctor', '--url', `mysql://app:${SECRET}@127.0.0.1/app`], 1],
  ])('are not in what %j writes', async (args, code) => {
    const said = await cli(args)
    expect(said.code).toBe(code)
    expect(said.out + said.errors).not.toBe('')
    expect(said.out + said.errors).not.toContain(SECRET)
  })

  postgres.test('nor is a wrong one of a server that answers', async () => {
    const database = await TestDatabase.fresh()
    const { username, host, pathname } = new URL(database.url)
    const wrong = `postgres://${username}:${SECRET}@${host}${pathname}`
    for (const [args, code] of [
      [['doctor'], 1],
      [['doctor', '--json'], 1],
      [['audit'], 3],
    ]) {
      const said = await cli(args, { env: { DATABASE_URL: wrong } })
      expect(said.code).toBe(code)
      expect(said.out + said.errors).toContain('password')
      expect(said.out + said.errors).not.toContain(SECRET)
    }
  })

  postgres.test('nor is the right one', async () => {
    const database = await TestDatabase.fresh()
    const { password } = new URL(database.url)
    for (const args of [['doctor'], ['doctor', '--json'], ['init', '--json']]) {
      const { code, out, errors } = await cliOn(database, ...args)
      expect({ code, errors }).toEqual({ code: 0, errors: '' })
      expect(out).not.toContain(password)
    }
  })
})

describe('on a terminal and in a pipe', () => {
  test.each([
    ['in a pipe without colours', {}, false],
    ['with FORCE_COLOR in colour', { FORCE_COLOR: '1' }, true],
    ['with FORCE_COLOR=0 without', { FORCE_COLOR: '0' }, false],
    ['with NO_COLOR without', { NO_COLOR: '1' }, false],
  ])('%s', async (_, colours, isColourful) => {
    const database = await TestDatabase.fresh()
    const env = { DATABASE_URL: database.url, ...colours }
    const { code, out } = await cli(['doctor'], { env })
    expect(code).toBe(0)
    expect(out.includes('\u001b[')).toBe(isColourful)
    const { out: json } = await cli(['doctor', '--json'], { env })
    expect(json).not.toContain('\u001b[')
  })

  /** Starts an audit that finds more than a pipe holds, and gives it once its first finding is there. */
  async function longAudit(...args) {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    // As many copies of one damaged grant: more than fit into a pipe that nobody empties.
    const numbers = Array.from({ length: 5000 }, (_, at) => `('g${at}')`).join(', ')
    await database.sql(
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
          created_at, updated_at)
        SELECT number.column1, 'u', number.column1, 'grant', 100, 130, 'active', created_at, updated_at
        FROM (VALUES ${numbers}) AS number, credit`,
    )
    const child = startCli(['audit', ...args], { env: { DATABASE_URL: database.url } })
    let first = ''
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      first += chunk
      if (first.includes('grant-out-of-range')) break
    }
    return { database, child, first }
  }

  test.each([[], ['--json']].map((args) => [args]))('audit %j | head ends without a word', async (args) => {
    const { child, first } = await longAudit(...args)
    expect(first).toContain('grant-out-of-range')
    const end = ended(child)
    child.stdout.destroy()
    expect(await end).toMatchObject({ code: 1, signal: null, errors: '' })
  })

  test('an audit that is interrupted is no result, and the database is as it was', async () => {
    const { database, child } = await longAudit()
    const before = await database.everything()
    const end = ended(child)
    child.stdout.pause()
    child.kill('SIGINT')
    const gone = new Promise((resolve) => child.once('exit', (...how) => resolve(how)))
    expect(await gone).toEqual([null, 'SIGINT'])
    expect(await end).toMatchObject({ errors: '', out: expect.not.stringContaining('findings in') })
    expect(await database.everything()).toEqual(before)
    expect(await database.credits.getRemainingCredits('u')).toBeGreaterThan(0)
  })
})

test('who requires the library loads nothing of the command line', async () => {
  const { out } = await evaluate("console.log(Object.keys(require.cache).join('\\n'))")
  const files = out.split('\n').map((file) => path.relative(path.join(__dirname, '..'), file))
  expect(files).toContain('index.js')
  expect(files.filter((file) => /^cli|node_modules/.test(file))).toEqual([])
})
