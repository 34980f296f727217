'use strict'

const { connect } = require('../..')
const { addUsers } = require('../helpers/callers')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { afterwards, connection } = require('../helpers/network')
const { describeWithPgBouncer, startPgBouncer } = require('../helpers/pgbouncer')
const { evaluate } = require('../helpers/processes')

/** The database's URL, changed by a function of its parts. */
function urlWith(database, change) {
  const url = new URL(database.url)
  change(url)
  return url.href
}

const parameters = (values) => (url) => {
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value)
}

const refusal = (url, options) =>
  connection(url, options)
    .getRemainingCredits('u')
    .catch((error) => error)

/** The result of a connection to a URL that is closed at once, so that its role can be dropped. */
async function closing(url, use) {
  const credits = connect({ url })
  try {
    return await use(credits)
  } finally {
    await credits.close()
  }
}

/** A role of the server while it is used. */
async function withRole(database, login, use) {
  const role = `${database.store.name}_role`
  await database.sql(`CREATE ROLE ${role} ${login}`)
  try {
    await use(role)
  } finally {
    await database.sql(`DROP ROLE ${role}`)
  }
}

/** A database with the app's tables in `public` and in `tenant`; the user `u` has 5 credits here and 50 there. */
async function twins() {
  const database = await TestDatabase.fresh()
  await database.user('u', 5)
  await database.sql('CREATE SCHEMA tenant')
  const there = connection(urlWith(database, parameters({ application_name: 'twin' })), { schema: 'tenant' })
  await there.createTables()
  await database.sql(`INSERT INTO tenant."user" (id, name, email) VALUES ('u', 'u', 'u@example.test')`)
  await there.createCredit({ userId: 'u', credits: 50 })
  return database
}

/** Charges and refunds, and returns the balance. */
async function live(credits) {
  await credits.createMediaTask(task('t', 'u'), 1)
  await credits.updateMediaTaskById('t', { status: 'failed' })
  await credits.consumeCredits({ userId: 'u', credits: 1 })
  return credits.getRemainingCredits('u')
}

describe('the package uses the tables of the search path:', () => {
  test.each([
    ['search_path=tenant', { search_path: 'tenant' }],
    ['search_path=Tenant, public', { search_path: 'Tenant, public' }],
    ['search_path="tenant"', { search_path: '"tenant"' }],
    ['schema=tenant', { schema: 'tenant' }],
    ['options=-c search_path=tenant', { options: '-c search_path=tenant' }],
  ])('the URL names the search path: %s', async (_, values) => {
    const database = await twins()
    const credits = connection(urlWith(database, parameters(values)))
    expect(await live(credits)).toBe(49)
    expect(await credits.getDiagnostics()).toMatchObject({ schema: 'tenant' })
    expect(await database.credits.getRemainingCredits('u')).toBe(5)
  })

  test('of the role', async () => {
    const database = await twins()
    await withRole(database, `LOGIN PASSWORD 'pw' SUPERUSER`, async (role) => {
      await database.sql(`ALTER ROLE ${role} SET search_path = tenant`)
      const url = urlWith(database, (url) => Object.assign(url, { username: role, password: 'pw' }))
      expect(await closing(url, live)).toBe(49)
    })
  })

  test('of the URL, unless the option schema names another schema', async () => {
    const database = await twins()
    const url = urlWith(database, parameters({ search_path: 'public', schema: 'public' }))
    expect(await live(connection(url, { schema: 'tenant' }))).toBe(49)
  })
})

describe('settings of the server in the URL', () => {
  test('apply in each transaction: a trigger sees them', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 5)
    await database.run(
      'CREATE TABLE seen (tenant text)',
      `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO seen VALUES (current_setting('app.tenant')); RETURN NEW; END $$`,
      'CREATE TRIGGER see AFTER INSERT ON media_tasks FOR EACH ROW EXECUTE FUNCTION see()',
    )
    const value = String.raw`it's \ 42`
    const credits = connection(urlWith(database, parameters({ 'app.tenant': value })))
    await credits.createMediaTask(task('t', 'u'), 1)
    expect(await database.sql('SELECT tenant FROM seen')).toEqual([{ tenant: value }])
  })

  test.each([
    ['one that the server does not know', { no_such_setting: 'x' }, 'no_such_setting'],
    ['a value that the server refuses', { work_mem: 'Tr0ub4dor' }, 'work_mem'],
    ['one that can only be set at the start of the server', { max_connections: '5' }, 'max_connections'],
  ])('%s is INVALID_URL', async (_, values, name) => {
    const database = await TestDatabase.fresh()
    const credits = connection(urlWith(database, parameters(values)))
    for (const call of [() => credits.getRemainingCredits('u'), () => credits.createTables()]) {
      const error = await call().catch((error) => error)
      expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
      expect(error.message).toContain(name)
      expect(error.message).not.toContain('Tr0ub4dor')
    }
  })

  test('can make a session read-only', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 5)
    const credits = connection(urlWith(database, parameters({ default_transaction_read_only: 'on' })))
    expect(await credits.getRemainingCredits('u')).toBe(5)
    await expect(credits.consumeCredits({ userId: 'u', credits: 1 })).rejects.toThrow(/read-only/)
    expect(await database.credits.getRemainingCredits('u')).toBe(5)
  })

  test('can set a role of which the user must be a member', async () => {
    const database = await TestDatabase.fresh()
    await withRole(database, '', async (role) => {
      const error = await refusal(urlWith(database, parameters({ role })))
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '42501' })
    })
  })
})

describeWithPgBouncer('behind a pooler in transaction mode', () => {
  test.each([
    ['search_path', { search_path: 'tenant' }],
    ['schema', { schema: 'tenant' }],
  ])('%s is obeyed, and stays in its transaction', async (_, values) => {
    const database = await twins()
    const pooler = await startPgBouncer(database.url, { poolSize: 1 })
    afterwards(() => pooler.stop())
    const url = pooler.through(database.url)
    const credits = connection(urlWith({ url }, parameters({ ...values, 'app.tenant': 'x' })))
    const beside = connection(url)
    expect(await live(credits)).toBe(49)
    expect(await beside.getRemainingCredits('u')).toBe(5)
    expect(await live(beside)).toBe(4)
    expect(await credits.getRemainingCredits('u')).toBe(49)
  })

  test('the option schema takes effect, and triggers use the search path of the session', async () => {
    const database = await twins()
    await database.run(
      'CREATE TABLE notes (credits integer)',
      `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO notes VALUES (NEW.credits); RETURN NEW; END $$`,
      'CREATE TRIGGER note AFTER INSERT ON tenant.credit FOR EACH ROW EXECUTE FUNCTION note()',
    )
    const pooler = await startPgBouncer(database.url, { poolSize: 1 })
    afterwards(() => pooler.stop())
    const url = pooler.through(database.url)
    expect(await live(connection(`${url}?application_name=tenant`, { schema: 'tenant' }))).toBe(49)
    expect(await live(connection(url))).toBe(4)
    expect(await database.sql('SELECT credits FROM notes')).toEqual([{ credits: -1 }, { credits: -1 }])
  })

  test('options that the pooler refuses are reported', async () => {
    const database = await TestDatabase.fresh()
    const pooler = await startPgBouncer(database.url)
    afterwards(() => pooler.stop())
    const url = pooler.through(database.url)
    const error = await refusal(urlWith({ url }, parameters({ options: '-c search_path=tenant' })))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toContain('options')
  })
})

describe('a URL', () => {
  test.each(['POSTGRES:', 'PostgreSQL:', 'postgreSQL:'])('can begin with %s//', async (scheme) => {
    const database = await TestDatabase.fresh()
    await addUsers(database, 1, { grants: 1 })
    const credits = connection(database.url.replace(/^postgres(ql)?:/, scheme))
    expect(await credits.getRemainingCredits('u0')).toBe(await database.credits.getRemainingCredits('u0'))
  })

  test('can have a password with each character, percent-encoded', async () => {
    const database = await TestDatabase.fresh()
    const password = `@/#?%:&+= "'\\[]é`
    const login = `LOGIN SUPERUSER PASSWORD '${password.replaceAll("'", "''")}'`
    await withRole(database, login, async (role) => {
      const { host, pathname } = new URL(database.url)
      const encoded = encodeURIComponent(password)
      for (const url of [
        `postgres://${role}:${encoded}@${host}${pathname}`,
        `postgres://${host}${pathname}?user=${role}&password=${encoded}`,
      ]) {
        const { storage } = await closing(url, (credits) => credits.getDiagnostics())
        expect(storage).toBe('postgres')
      }
    })
  })

  test.each([
    'service',
    'passfile',
    'require_auth',
    'requirepeer',
    'sslcrl',
    'sslpassword',
    'scram_client_key',
  ])('a URL with %s, which is not done, is INVALID_URL', async (name) => {
    const error = await refusal(`postgres://app@127.0.0.1:1/app?${name}=Tr0ub4dor`)
    expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('Tr0ub4dor')
  })

  test('without a password is not retryable if the server asks for one', async () => {
    const database = await TestDatabase.fresh()
    const error = await refusal(urlWith(database, (url) => (url.password = '')))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toContain('PGPASSWORD')
  })
})

describe('variables of the environment:', () => {
  const SOURCE = `(async () => {
    const said = await credits.getRemainingCredits('u').catch((error) => error.code + ' ' + error.message)
    console.log(said)
    await credits.close()
  })()`

  async function asked(environment) {
    return (await evaluate(SOURCE, { DATABASE_PROVIDER: 'postgresql', ...environment })).out.trim()
  }

  test('PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE supply the parts that the URL does not have', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 5)
    const url = new URL(database.url)
    const all = {
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: decodeURIComponent(url.username),
      PGPASSWORD: decodeURIComponent(url.password),
      PGDATABASE: url.pathname.slice(1),
    }
    expect(await asked({ DATABASE_URL: 'postgres://', ...all })).toBe('5')
    expect(await asked({ DATABASE_URL: `postgres://${url.host}${url.pathname}`, ...all })).toBe('5')
    expect(await asked({ DATABASE_URL: database.url, ...all, PGPASSWORD: 'wrong', PGPORT: '1' })).toBe('5')
    expect(await asked({ DATABASE_URL: 'postgres://', ...all, PGPASSWORD: '' })).toContain('PGPASSWORD')
  })

  test.each(['PGSSLMODE', 'PGSSL'])('%s can refuse a server without TLS', async (name) => {
    const database = await TestDatabase.fresh()
    expect(await asked({ DATABASE_URL: database.url, [name]: 'require' })).toMatch(
      /^DATABASE_UNAVAILABLE.*TLS/,
    )
  })

  test('PGOPTIONS with another search path, which the app does not read, is refused', async () => {
    const database = await twins()
    const DATABASE_URL = database.url
    expect(await asked({ DATABASE_URL, PGOPTIONS: '-c search_path=tenant' })).toMatch(
      /^INVALID_URL.*PGOPTIONS/,
    )
    expect(await asked({ DATABASE_URL, PGOPTIONS: '-c work_mem=8MB' })).toBe('5')
  })
})

test('connections by each of these forms use one ledger', async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 10)
  const spellings = [
    database.url,
    database.url.replace(/^postgres:/, 'POSTGRES:'),
    urlWith(database, parameters({ search_path: 'public' })),
    urlWith(database, parameters({ application_name: 'worker', connect_timeout: '3', keepalives: '1' })),
  ]
  const all = spellings.map((url) => connection(url))
  await Promise.all(all.map((credits) => credits.consumeCredits({ userId: 'u', credits: 1 })))
  expect(await database.credits.getRemainingCredits('u')).toBe(6)
  expect(await violations(database)).toEqual([])
})
