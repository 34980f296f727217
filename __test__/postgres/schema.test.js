'use strict'

const { connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { addUsers } = require('../helpers/callers')
const { violations } = require('../helpers/invariants')
const { connection } = require('../helpers/network')
const { evaluate } = require('../helpers/processes')

const HOUR_MS = 3_600_000

describe("a real app's database", () => {
  test('has charges of the app that are refunded, and tasks of the app that are listed', async () => {
    const database = await TestDatabase.fixture()
    const damage = await violations(database)
    const { updateMediaTaskById, getMediaTaskHistory, getRemainingCredits } = database.credits
    const [paid] = await database.sql(
      `SELECT media_tasks.id, media_tasks.user_id, media_tasks.credit_id, -credit.credits AS credits
        FROM media_tasks JOIN credit ON credit.id = credit_id
        WHERE credit.status = 'active' AND media_tasks.status <> 'failed' AND credit.user_id = media_tasks.user_id
        ORDER BY media_tasks.id LIMIT 1`,
    )
    const before = await getRemainingCredits(paid.user_id)
    const { refund } = await updateMediaTaskById(paid.id, { status: 'failed' })
    expect(refund.credits).toBe(paid.credits)
    expect(await getRemainingCredits(paid.user_id)).toBe(before + refund.spendable)
    expect((await updateMediaTaskById(paid.id, { status: 'failed' })).refund.credits).toBe(0)

    const history = await getMediaTaskHistory(paid.user_id, 1, 1000)
    const rows = await database.sql(
      `SELECT id, created_at FROM media_tasks WHERE user_id = ? AND deleted_at IS NULL
        ORDER BY created_at DESC, id DESC`,
      paid.user_id,
    )
    expect(history.list.map(({ id, createdAt }) => ({ id, created_at: createdAt.getTime() }))).toEqual(rows)
    expect(await violations(database)).toEqual(damage)
  })
})

describe('times are stored in UTC if the time zone of the server, the database or the role is', () => {
  const TIMES = `SELECT created_at::text AS created, updated_at::text AS updated, expires_at::text AS expires`

  test.each(['Asia/Shanghai', 'America/New_York', 'Asia/Kolkata'])('%s', async (timeZone) => {
    const database = await TestDatabase.fresh()
    await database.sql(`ALTER DATABASE ${database.store.name} SET timezone = '${timeZone}'`)
    const credits = connection(database.url)
    await addUsers(database, 1, { grants: 0 })
    const expiresAt = new Date(Date.now() + HOUR_MS)
    const before = Date.now()
    await credits.createCredit({ userId: 'u0', credits: 5, expiresAt: new Date(before - HOUR_MS) })
    const grant = await credits.createCredit({ userId: 'u0', credits: 10, expiresAt })
    expect(await credits.getRemainingCredits('u0')).toBe(10)
    const created = await credits.createMediaTask(task('t', 'u0', { expiresAt }), 4)
    await credits.updateMediaTaskById('t', { progress: 5 })
    const after = Date.now()

    const raw = [
      ...(await database.sql(`${TIMES} FROM credit WHERE id = ?`, grant.id)),
      ...(await database.sql(`${TIMES} FROM media_tasks`)),
    ]
    const utc = (text) => Date.parse(`${text.replace(' ', 'T')}Z`)
    for (const { created, updated, expires } of raw) {
      expect(utc(expires)).toBe(expiresAt.getTime())
      for (const time of [utc(created), utc(updated)]) {
        expect(time).toBeGreaterThanOrEqual(before)
        expect(time).toBeLessThanOrEqual(after)
      }
    }
    expect((await credits.findMediaTaskById('t')).createdAt).toEqual(created.createdAt)
    expect(created.expiresAt).toEqual(expiresAt)
    const [{ detail }] = await database.sql(
      'SELECT consumed_detail AS detail FROM credit WHERE id = ?',
      created.creditId,
    )
    expect(JSON.parse(detail)[0].expiresAt).toBe(expiresAt.toISOString())
    expect(await violations(database)).toEqual([])
  })
})

describe('a column that is added or dropped while the database is open:', () => {
  test('a new one can be passed at once', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u'), 1)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts jsonb')
    const rewrittenScripts = [{ lang: 'fr' }]
    const row = await database.credits.createMediaTask(task('new', 'u', { rewrittenScripts }), 1)
    expect(row.rewrittenScripts).toEqual(rewrittenScripts)
    expect((await database.credits.findMediaTaskById('t')).rewrittenScripts).toBeNull()
  })

  test('a new one that needs a value is a missing field', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u'), 1)
    await database.run(
      `ALTER TABLE media_tasks ADD COLUMN team_id text NOT NULL DEFAULT 'none'`,
      'ALTER TABLE media_tasks ALTER team_id DROP DEFAULT',
    )
    const { createMediaTask, getRemainingCredits } = database.credits
    await expect(createMediaTask(task('new', 'u'), 1)).rejects.toMatchObject({
      code: 'MISSING_FIELD',
      field: 'teamId',
    })
    expect(await getRemainingCredits('u')).toBe(9)
    expect(await createMediaTask(task('new', 'u', { teamId: 'a' }), 1)).toMatchObject({ teamId: 'a' })
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['reads', ({ findMediaTaskById }) => findMediaTaskById('t')],
    ['history', async ({ getMediaTaskHistory }) => (await getMediaTaskHistory('u')).list[0]],
    ['updates', ({ updateMediaTaskById }) => updateMediaTaskById('t', { progress: 1 })],
    ['refunds', ({ updateMediaTaskById }) => updateMediaTaskById('t', { status: 'failed' })],
    ['creates', ({ createMediaTask }) => createMediaTask(task('new', 'u'), 1)],
  ])('one that is dropped does not stop %s', async (_, call) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.credits.createMediaTask(task('t', 'u', { likes: 5 }), 1)
    await database.sql('ALTER TABLE media_tasks DROP COLUMN likes')
    const row = await call(database.credits)
    expect(row).toMatchObject({ userId: 'u' })
    expect(row).not.toHaveProperty('likes')
    expect(await violations(database)).toEqual([])
  })

  test('a dropped one that is needed is named', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 10)
    await database.sql('ALTER TABLE credit DROP COLUMN consumed_detail')
    const error = await database.credits.createMediaTask(task('t', 'u'), 1).catch((error) => error)
    expect(error.code).toBe('SCHEMA_MISMATCH')
    expect(error.message).toContain('credit.consumed_detail')
  })
})

describe('a schema of the app', () => {
  const quoted = (name) => `"${name.replaceAll('"', '""')}"`

  /** A database whose tables are in a schema other than `public`. */
  async function open(schema, { alsoPublic = false } = {}) {
    const database = alsoPublic ? await TestDatabase.fresh() : await TestDatabase.none()
    await database.sql(`CREATE SCHEMA ${quoted(schema)}`)
    const option = /[",]/.test(schema) ? quoted(schema) : schema
    const credits = connection(database.url, { schema: option })
    await credits.createTables()
    // For direct queries of the test, which use the search path.
    await database.sql(`ALTER DATABASE ${database.store.name} SET search_path = ${quoted(schema)}`)
    await database.store.client.end()
    database.store.client = undefined
    await database.sql(`INSERT INTO "user" (id, name, email) VALUES ('u', 'u', 'u@example.test')`)
    return { database, credits }
  }

  async function live(credits) {
    await credits.createCredit({ userId: 'u', credits: 50 })
    await credits.createMediaTask(task('t', 'u'), 10)
    await credits.consumeCredits({ userId: 'u', credits: 5 })
    expect((await credits.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(10)
    expect(await credits.getRemainingCredits('u')).toBe(45)
    expect((await credits.getMediaTaskHistory('u')).total).toBe(1)
  }

  test.each(['app', 'App', 'my app', 'my "app", public', `a'b\\; DROP TABLE credit; --`])(
    'is named by connect({ schema }): %s',
    async (schema) => {
      const { database, credits } = await open(schema)
      await live(credits)
      expect(await credits.getDiagnostics()).toMatchObject({ schema })
      expect(await violations(database)).toEqual([])
    },
  )

  test('is used beside tables of the same names in public', async () => {
    const { database, credits } = await open('app', { alsoPublic: true })
    await live(credits)
    expect(await database.sql('SELECT count(*) AS count FROM public.credit')).toEqual([{ count: 0 }])
    expect(await database.sql('SELECT count(*) AS count FROM app.credit')).toEqual([{ count: 3 }])
    expect(await violations(database)).toEqual([])
  })

  test('can be that of the search path of the database', async () => {
    const { database, credits } = await open('app')
    await credits.close()
    await live(database.credits)
    expect(await database.credits.getDiagnostics()).toMatchObject({ schema: 'app' })
    expect(await violations(database)).toEqual([])
  })

  test('can have its enums in public', async () => {
    const { database, credits } = await open('app')
    await database.run(
      `CREATE TYPE public.media_status AS ENUM ('pending', 'failed')`,
      'ALTER TABLE media_tasks ALTER status DROP DEFAULT',
      'ALTER TABLE media_tasks ALTER status TYPE public.media_status USING status::public.media_status',
      `ALTER TABLE media_tasks ALTER status SET DEFAULT 'pending'`,
    )
    await live(credits)
    expect(await violations(database)).toEqual([])
  })

  describe("an app's own triggers find the same tables as for the app:", () => {
    /** A trigger of the schema's `credit` that writes into a table without naming its schema. */
    async function withTrigger(database, table) {
      await database.run(
        `CREATE TABLE ${table} (credits integer)`,
        `CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO notes VALUES (NEW.credits); RETURN NEW; END $$`,
        'CREATE TRIGGER note AFTER INSERT ON app.credit FOR EACH ROW EXECUTE FUNCTION public.note()',
      )
    }

    test.each([
      ['in public', 'public.notes', 'app'],
      ['in public, a list of schemas', 'public.notes', 'app,public'],
      ["in the app's schema", 'app.notes', 'app'],
      ["in the role's own schema", 'extra.notes', 'app'],
    ])('where they are %s', async (_, table, schema) => {
      const { database, credits: other } = await open('app', { alsoPublic: true })
      await other.close()
      await database.run('CREATE SCHEMA extra', `ALTER DATABASE ${database.store.name} RESET search_path`)
      if (table.startsWith('extra')) {
        await database.sql(`ALTER DATABASE ${database.store.name} SET search_path = extra, public`)
      }
      await withTrigger(database, table)
      await live(connection(database.url, { schema }))
      const noted = await database.sql(`SELECT credits FROM ${table} ORDER BY credits`)
      expect(noted.map(({ credits }) => credits)).toEqual([-10, -5, 50])
      expect(await database.sql('SELECT count(*) AS count FROM public.credit')).toEqual([{ count: 0 }])
    })
  })

  test('that was dropped is not replaced by another one with the same tables', async () => {
    const { database, credits } = await open('app', { alsoPublic: true })
    await database.run(
      `ALTER DATABASE ${database.store.name} RESET search_path`,
      `INSERT INTO public."user" (id, name, email) VALUES ('u', 'u', 'u@example.test')`,
    )
    await credits.createCredit({ userId: 'u', credits: 50 })
    await database.sql(
      `INSERT INTO public.credit SELECT 'p', user_id, user_email, order_no, subscription_no, 'p', transaction_type,
        transaction_scene, credits, remaining_credits, description, expires_at, status, created_at, updated_at,
        deleted_at, consumed_detail, metadata FROM app.credit`,
    )
    const pooled = connection(database.url, { schema: 'app' })
    expect(await pooled.getRemainingCredits('u')).toBe(50)
    await database.sql('DROP SCHEMA app CASCADE')
    for (const call of [
      () => pooled.consumeCredits({ userId: 'u', credits: 1 }),
      () => pooled.createMediaTask(task('t', 'u'), 1),
      () => pooled.getRemainingCredits('u'),
      () => pooled.createCredit({ userId: 'u', credits: 1 }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    }
    expect(await database.sql('SELECT credits, remaining_credits FROM public.credit')).toEqual([
      { credits: 50, remaining_credits: 50 },
    ])
    await database.sql('CREATE SCHEMA other')
    const other = connection(`${database.url}?application_name=other`, { schema: 'other' })
    await other.createTables()
    expect((await other.getDiagnostics()).schema).toBe('other')
  })

  test('that does not exist gets no tables in another one', async () => {
    const database = await TestDatabase.none()
    const credits = connection(database.url, { schema: 'nowhere' })
    await expect(credits.createTables()).rejects.toThrow()
    expect(await database.sql(`SELECT to_regclass('public.credit')::text AS found`)).toEqual([
      { found: null },
    ])
  })

  test('is for each table the first of several that has it', async () => {
    const { database, credits: other } = await open('app', { alsoPublic: true })
    await other.close()
    await database.run('DROP TABLE app.media_tasks', 'DROP TABLE app.ai_task')
    await database.sql(`INSERT INTO public."user" (id, name, email) VALUES ('u', 'u', 'u@example.test')`)
    const credits = connection(database.url, { schema: 'app, public' })
    await live(credits)
    const counts = `SELECT (SELECT count(*) FROM app.credit) AS app, (SELECT count(*) FROM public.credit) AS public,
      (SELECT count(*) FROM public.media_tasks) AS tasks`
    expect(await database.sql(counts)).toEqual([{ app: 3, public: 0, tasks: 1 }])
  })

  test.each(['', 'a"b', '"app', 'app,', ',app', 'app,,public', '""', 'a\0b'])(
    'can not be %j, which is no list of schemas',
    (schema) => {
      const error = (() => {
        try {
          connect({ schema })
        } catch (error) {
          return error
        }
      })()
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'schema' })
    },
  )

  test('that does not exist is named in the error', async () => {
    const database = await TestDatabase.fresh()
    const credits = connection(database.url, { schema: 'nowhere' })
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error.code).toBe('SCHEMA_MISMATCH')
  })

  test('can not be a DB_SCHEMA that is not a list, and each call rejects', async () => {
    const { database } = await open('app', { alsoPublic: true })
    const source = `credits.getRemainingCredits('u').catch((error) => console.log(error.code, error.field))`
    const environment = {
      DATABASE_URL: database.url,
      DATABASE_PROVIDER: 'postgresql',
      DB_SCHEMA: 'app,,public',
    }
    expect((await evaluate(source, environment)).out).toBe('INVALID_ARGUMENT DB_SCHEMA')
  })

  test('can be set by DB_SCHEMA', async () => {
    const { database } = await open('app', { alsoPublic: true })
    const source = `(async () => {
      await credits.createCredit({ userId: 'u', credits: 50 })
      console.log(await credits.getRemainingCredits('u'), (await credits.getDiagnostics()).schema)
      await credits.close()
    })()`
    const environment = { DATABASE_URL: database.url, DATABASE_PROVIDER: 'postgresql', DB_SCHEMA: 'app' }
    expect((await evaluate(source, environment)).out).toBe('50 app')
    expect(await violations(database)).toEqual([])
  })
})
