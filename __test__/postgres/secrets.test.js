'use strict'

const { MediaCreditsError, connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { untilWaiting } = require('../helpers/callers')
const { isCommit, connection, foreignTransaction, throughProxy } = require('../helpers/network')
const { evaluate } = require('../helpers/processes')
const { expectNoSecret } = require('../helpers/secrets')

const SECRET = 'Tr0ub4dor'

/** The address of the test server, without user and password. */
async function place() {
  const { host, pathname } = new URL((await TestDatabase.fresh()).url)
  return `${host}${pathname}`
}

const URLS = [
  ['no server listens', `postgres://app:${SECRET}@127.0.0.1:1/app`, 'DATABASE_UNAVAILABLE'],
  ['a host that does not exist', `postgres://app:${SECRET}@nowhere.invalid/app`, 'DATABASE_UNAVAILABLE'],
  ['a wrong password', `postgres://postgres:${SECRET}@PLACE`, 'DATABASE_UNAVAILABLE'],
  ['a user of that name', `postgres://${SECRET}:${SECRET}@127.0.0.1:1/app`, 'DATABASE_UNAVAILABLE'],
  [
    'TLS that the server does not have',
    `postgres://postgres:${SECRET}@PLACE?sslmode=require`,
    'DATABASE_UNAVAILABLE',
  ],
  ['the password as a parameter', `postgres://PLACE?user=app&password=${SECRET}`, 'DATABASE_UNAVAILABLE'],
  ['an @ in the password', `postgres://app:${SECRET}@x@127.0.0.1:1/app`, 'INVALID_URL'],
  ['an @ before the rest of the password', `postgres://app:x@${SECRET}@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a # in the password', `postgres://app:${SECRET}#x@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a / in the password', `postgres://app:x/${SECRET}@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a ? in the password', `postgres://app:x?${SECRET}@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a ? and an = in the password', `postgres://app:x?sslmode=${SECRET}@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a % in the password', `postgres://app:%${SECRET}%zz@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a % that is not text', `postgres://app:${SECRET}%ff@127.0.0.1:1/app`, 'INVALID_URL'],
  ['a space in the password', `postgres://app:${SECRET} x@127.0.0.1:1/app`, 'DATABASE_UNAVAILABLE'],
  ['a : in the password', `postgres://app:x:${SECRET}@127.0.0.1:1/app`, 'DATABASE_UNAVAILABLE'],
  ['brackets in the password', `postgres://app:[${SECRET}]@127.0.0.1:1/app`, 'DATABASE_UNAVAILABLE'],
  ['a port that is no number', `postgres://app:${SECRET}@127.0.0.1:port/app`, 'INVALID_URL'],
  ['a port out of range', `postgres://app:${SECRET}@127.0.0.1:65536/app`, 'INVALID_URL'],
  ['an unknown sslmode', `postgres://app:${SECRET}@127.0.0.1:1/app?sslmode=no`, 'INVALID_URL'],
  [
    'no root certificate',
    `postgres://app:${SECRET}@127.0.0.1:1/app?sslmode=verify-full&sslrootcert=/no`,
    'INVALID_URL',
  ],
  [
    'a connect_timeout that is not a number',
    `postgres://app:${SECRET}@127.0.0.1:1/app?connect_timeout=x`,
    'INVALID_URL',
  ],
  ['no host', `postgres://app:${SECRET}@/app`, 'INVALID_URL'],
  ['a NUL', `postgres://app:${SECRET}\0@127.0.0.1/app`, 'INVALID_URL'],
  ['another scheme', `sqlserver://app:${SECRET}@127.0.0.1/app`, 'UNSUPPORTED_DATABASE'],
  ['a mistyped scheme', `postgre://app:${SECRET}@127.0.0.1/app`, 'UNSUPPORTED_DATABASE'],
  ['no slashes', `postgres:app:${SECRET}@127.0.0.1/app`, 'INVALID_URL'],
  ['quotes around it', `"postgres://app:${SECRET}@127.0.0.1/app"`, 'INVALID_URL'],
  [
    'the name of its variable before it',
    `DATABASE_URL=postgres://app:${SECRET}@127.0.0.1/app`,
    'INVALID_URL',
  ],
  ['a space before it', ` postgres://app:${SECRET}@127.0.0.1/app`, 'INVALID_URL'],
]

test.each(URLS)('%s: the password is not in the error', async (_, template, code) => {
  const url = template.includes('PLACE') ? template.replace('PLACE', await place()) : template
  const credits = connection(url, { connectTimeoutMs: 1000 })
  for (const call of [
    () => credits.getRemainingCredits('u'),
    () => credits.createMediaTask(task('t', 'u'), 1),
    () => credits.getDiagnostics(),
    () => credits.createTables(),
  ]) {
    const error = await call().catch((error) => error)
    expect(error).toBeInstanceOf(MediaCreditsError)
    expectNoSecret(error, SECRET)
    expect(error.code).toBe(code)
  }
  expectNoSecret(credits, SECRET)
})

test('the password is not in the error about an option', () => {
  for (const options of [
    { url: { href: `postgres://app:${SECRET}@host/app` } },
    { url: [`postgres://app:${SECRET}@host/app`] },
    { url: `postgres://app:${SECRET}@host/app`, maxConnections: 0 },
    { uri: `postgres://app:${SECRET}@host/app` },
    { url: new URL(`postgres://app:${SECRET}@host/app`) },
  ]) {
    let error
    try {
      connect(options)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(MediaCreditsError)
    expectNoSecret(error, SECRET)
  }
})

test('the password is not in the errors of a connection that works and then breaks', async () => {
  const database = await TestDatabase.fresh()
  const { password } = new URL(database.url)
  await database.user('u', 10)
  const { proxy, credits } = await throughProxy(database, { busyTimeoutMs: 50 })
  const errors = []
  const call = async () =>
    errors.push(await credits.consumeCredits({ userId: 'u', credits: 1 }).catch((e) => e))
  const foreign = await foreignTransaction(database, `SELECT 1 FROM "user" FOR UPDATE`)
  await call()
  await foreign.commit()
  proxy.onClientData = (bytes, connection) => {
    if (!isCommit(bytes)) return true
    // The query for its rows ends with a COMMIT, too.
    proxy.onClientData = () => {}
    connection.kill()
    return false
  }
  await call()
  await proxy.stop()
  await call()
  const codes = ['DATABASE_BUSY', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE']
  expect(errors.map(({ code }) => code)).toEqual(codes)
  for (const error of errors) expectNoSecret(error, password)
  expectNoSecret(credits, password)
  expectNoSecret(await database.credits.getDiagnostics(), password)
})

test('the password is not visible to other sessions of the server', async () => {
  const database = await TestDatabase.fresh()
  const { password } = new URL(database.url)
  await database.user('u', 10)
  const foreign = await foreignTransaction(database, `SELECT 1 FROM "user" FOR UPDATE`)
  const call = database.credits.consumeCredits({ userId: 'u', credits: 1 })
  await untilWaiting(database)
  const activity = await database.sql(
    'SELECT application_name, query FROM pg_stat_activity WHERE datname = current_database()',
  )
  expect(activity.length).toBeGreaterThan(1)
  expect(JSON.stringify(activity)).not.toContain(password)
  await foreign.commit()
  await call
})

test('the password is not in an uncaught error of the connection by DATABASE_URL', async () => {
  const source = `credits.getRemainingCredits('u')`
  const environment = {
    DATABASE_URL: `postgres://app:${SECRET}@127.0.0.1:1/app`,
    DATABASE_PROVIDER: 'postgresql',
  }
  const { code, out } = await evaluate(source, environment)
  expect(code).toBe(1)
  expect(out).toContain('DATABASE_UNAVAILABLE')
  expect(out).not.toContain(SECRET)
})
