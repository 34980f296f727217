'use strict'

const path = require('node:path')
const { cli, ended, startCli } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')
const { byStorage } = require('../helpers/storage')

describe('the command line', () => {
  test.each([
    ['has no colours in a pipe', {}, false],
    ['has colours with FORCE_COLOR', { FORCE_COLOR: '1' }, true],
    ['has no colours with FORCE_COLOR=0', { FORCE_COLOR: '0' }, false],
    ['has no colours with NO_COLOR', { NO_COLOR: '1' }, false],
  ])('%s', async (_, colours, isColourful) => {
    const database = await TestDatabase.fresh()
    const env = { DATABASE_URL: database.url, ...colours }
    const { code, out } = await cli(['doctor'], { env })
    expect(code).toBe(0)
    expect(out.includes('\u001b[')).toBe(isColourful)
    const { out: json } = await cli(['doctor', '--json'], { env })
    expect(json).not.toContain('\u001b[')
  })

  /** Starts an audit with more findings than a pipe can hold, and returns it after the first finding. */
  async function longAudit(...args) {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    // Copies of one damaged grant, more than fit into a pipe that is not read.
    const names = Array.from({ length: 5000 }, (_, at) => `'g${at}'`)
    const values = `SELECT column1 AS name FROM (VALUES (${names.join('), (')})) AS listed`
    // MySQL names such a column after its first value.
    const mysql = `SELECT ${names[0]} AS name UNION ALL SELECT ${names.slice(1).join(' UNION ALL SELECT ')}`
    await database.sql(
      `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
          created_at, updated_at)
        SELECT number.name, 'u', number.name, 'grant', 100, 130, 'active', created_at, updated_at
        FROM (${byStorage({ sqlite: values, postgres: values, mysql })}) AS number, credit`,
    )
    const child = startCli(['audit', ...args], { env: { DATABASE_URL: database.url } })
    let first = ''
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      first += chunk
      if (first.includes('grant-out-of-range')) break
    }
    return { database, child, first }
  }

  test.each([[], ['--json']].map((args) => [args]))(
    'ends without a message when its reader ends: audit %j | head',
    async (args) => {
      const { child, first } = await longAudit(...args)
      expect(first).toContain('grant-out-of-range')
      const end = ended(child)
      child.stdout.destroy()
      expect(await end).toMatchObject({ code: 1, signal: null, errors: '' })
    },
  )

  test('prints no result of an interrupted audit, and does not change the database', async () => {
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

test('an app that requires the library does not load the command line', async () => {
  const { out } = await evaluate("console.log(Object.keys(require.cache).join('\\n'))")
  const files = out.split('\n').map((file) => path.relative(path.join(__dirname, '../..'), file))
  expect(files).toContain('lib/index.js')
  expect(files.filter((file) => /^cli|node_modules/.test(file))).toEqual([])
})
