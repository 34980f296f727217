'use strict'

const { NO_FINDINGS, cli, cliOn, findingsOf } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { byStorage, postgres, sqlite } = require('../helpers/storage')

const CAN = 'can be used'

/** The report of doctor on an app's database after these statements, and on its tasks. */
async function afterwards(...statements) {
  const database = await TestDatabase.fresh()
  if (statements.length > 0) await database.run(...statements)
  const { code, json } = await cliOn(database, 'doctor', '--json')
  const said = (name) => {
    const { status, message } = json.checks.find((check) => check.name === name) ?? {}
    return [status, message]
  }
  return { database, code, json, media: said('media tasks'), ai: said('AI tasks') }
}

/** A statement of doctor's advice. */
const adviceIn = (message) => message.match(/ALTER TABLE .*;/)[0]

describe('doctor', () => {
  test('reports that both kinds of task can be used if all tables exist', async () => {
    const { code, json, media, ai } = await afterwards()
    expect({ code, media, ai }).toEqual({ code: 0, media: ['ok', CAN], ai: ['ok', CAN] })
    expect(json.available).toEqual({ mediaTasks: true, aiTasks: true, missing: [] })
  })

  test.each([
    ['media_tasks', 'media tasks', { mediaTasks: false, aiTasks: true, missing: [] }],
    ['ai_task', 'AI tasks', { mediaTasks: true, aiTasks: false, missing: [] }],
  ])('says what can be used without %s, as information', async (table, title, available) => {
    const { code, json } = await afterwards(`DROP TABLE ${table}`)
    expect({ code, ok: json.ok, available: json.available }).toEqual({ code: 0, ok: true, available })
    const check = json.checks.find(({ name }) => name === title)
    expect(check).toEqual({ name: title, status: 'ok', message: expect.stringContaining(table) })
    expect(json.checks.filter(({ status }) => status !== 'ok')).toEqual([])
    for (const { message } of json.checks) expect(message).not.toContain('drizzle-kit push')
  })

  test('reports which functions can be used without both task tables', async () => {
    const { code, json } = await afterwards('DROP TABLE media_tasks', 'DROP TABLE ai_task')
    const available = { mediaTasks: false, aiTasks: false, missing: [] }
    expect({ code, ok: json.ok, available: json.available }).toEqual({ code: 0, ok: true, available })
  })

  test.each([
    ['media_tasks', 'media tasks', 'charging media tasks'],
    ['ai_task', 'AI tasks', 'charging AI tasks'],
  ])(
    'names the functions that %s can not be used for without credit_id, and the statement that adds it',
    async (table, title, stops) => {
      const { database, code, json } = await afterwards(`ALTER TABLE ${table} DROP COLUMN credit_id`)
      expect({ code, available: json.available }).toEqual({
        code: 0,
        available: { mediaTasks: true, aiTasks: true, missing: [{ table, column: 'credit_id', stops }] },
      })
      const [{ name, message }] = findingsOf(json)
      expect(name).toBe(title)
      expect(message).toContain(`${CAN}, but not charged: there is no ${table}.credit_id`)
      const [type, inDrizzle] = byStorage({
        sqlite: ['text', "text('credit_id')"],
        postgres: ['text', "text('credit_id')"],
        mysql: ['varchar(191)', "varchar('credit_id', { length: 191 })"],
      })
      expect(message).toContain(`creditId: ${inDrizzle}`)
      const place = byStorage({ sqlite: table, postgres: `"public".${table}`, mysql: table })
      expect(adviceIn(message)).toBe(`ALTER TABLE ${place} ADD COLUMN credit_id ${type};`)
      await database.run(adviceIn(message))
      expect((await cliOn(database, 'doctor')).out).toContain(NO_FINDINGS)
    },
  )

  test('names the functions that can not be used without the columns of free trials, as information', async () => {
    const { code, json, media } = await afterwards(
      'ALTER TABLE media_tasks DROP COLUMN is_free_trial',
      'ALTER TABLE "user" DROP COLUMN free_trial_used',
    )
    const trials = "freeTrialLimit can't be used without media_tasks.is_free_trial and user.free_trial_used"
    expect({ code, media }).toEqual({ code: 0, media: ['ok', `${CAN}; ${trials}`] })
    expect(json.available.missing).toEqual([
      { table: 'media_tasks', column: 'is_free_trial', stops: 'freeTrialLimit' },
      { table: 'user', column: 'free_trial_used', stops: 'freeTrialLimit' },
    ])
  })

  test('warns of counters on user that this package does not maintain, and of no column with a similar name', async () => {
    const columns = ['remaining_credits', 'used_credits', 'credits_reset_at', 'credit_card_last4']
    const adding = columns.map((column) => `ALTER TABLE "user" ADD COLUMN ${column} integer`)
    const { code, json } = await afterwards(...adding)
    expect(code).toBe(0)
    const [{ name, message }, ...others] = findingsOf(json)
    expect({ name, others }).toEqual({ name: 'counters', others: [] })
    expect(message).toMatch(/^user has remaining_credits and used_credits, counters of the app's own that /)
  })

  test('warns of a table without a column that it needs', async () => {
    const { code, json, ai } = await afterwards('ALTER TABLE ai_task RENAME COLUMN updated_at TO changed_at')
    const said = ['warning', expect.stringMatching(/^can't be used: .*ai_task\.updated_at/)]
    expect({ code, ai }).toEqual({ code: 0, ai: said })
    expect(json.available).toMatchObject({ aiTasks: false, mediaTasks: true })
  })

  test('names the database that it could not check', async () => {
    const { code, json } = await afterwards(
      'DROP TABLE ai_task',
      'DROP TABLE media_tasks',
      'DROP TABLE credit',
    )
    expect({ code, ok: json.ok, available: json.available }).toEqual({ code: 1, ok: false, available: null })
    const { message } = json.checks.find(({ name }) => name === 'schema')
    expect(message).toMatch(/\(DATABASE_URL of the environment\): .*credit/)
  })
})

postgres.describe('doctor reports the maximum number of connections', () => {
  const connections = async (env) => {
    const database = await TestDatabase.fresh()
    const { out } = await cli(['doctor', '--json'], { env: { DATABASE_URL: database.url, ...env } })
    const { connections, checks } = JSON.parse(out)
    return [connections, checks.find(({ name }) => name === 'connections')?.message]
  }

  test.each([
    [{ DB_MAX_CONNECTIONS: '3' }, 3, 'DB_MAX_CONNECTIONS of the environment'],
    [{}, 10, 'the default; DB_MAX_CONNECTIONS sets it'],
  ])('doctor says how many connections there may be, and from where: %j', async (env, most, source) => {
    expect(await connections(env)).toEqual([{ most, source }, `at most ${most} (${source})`])
  })
})

describe('the check of values:', () => {
  const GRANT = `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status,
      created_at, updated_at) VALUES ('g', 'u', 'g', 'grant', 5, 5, 'active', ?, ?)`
  const USER = `INSERT INTO "user" (id, name, email) VALUES ('u', 'u', 'u')`
  const valuesIn = (json) => json.checks.filter(({ name }) => name === 'values')

  test('doctor reports how many rows it checked', async () => {
    const { json } = await afterwards(USER, [GRANT, new Date(), new Date()])
    const message = "all 1 rows of credit hold values of their columns' types"
    expect(valuesIn(json)).toEqual([{ name: 'values', status: 'ok', message }])
  })

  sqlite.test('doctor warns of values that do not fit the type of their column', async () => {
    const { code, json } = await afterwards(
      USER,
      [GRANT, new Date(), new Date()],
      `UPDATE credit SET updated_at = 'yesterday'`,
    )
    const message = expect.stringMatching(/^1 of all 1 rows .*updatedAt.*yesterday.*npx media-credits audit/)
    expect({ code, values: valuesIn(json) }).toEqual({
      code: 0,
      values: [{ name: 'values', status: 'warning', message }],
    })
  })
})
