'use strict'

const { connect, MediaCreditsError } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { sqlite } = require('../helpers/storage')

describe('connect', () => {
  test.each([
    ['null', null, 'INVALID_ARGUMENT'],
    ['an unknown option', { uri: 'file:x.db' }, 'UNKNOWN_FIELD'],
    ['a url that is not text', { url: 5 }, 'INVALID_ARGUMENT'],
    ['an unknown durability', { durability: 'fast' }, 'INVALID_ARGUMENT'],
    ['an unknown unit', { timestampUnit: 'us' }, 'INVALID_ARGUMENT'],
    ['a negative timeout', { busyTimeoutMs: -1 }, 'INVALID_ARGUMENT'],
    ['a fractional timeout', { busyTimeoutMs: 0.5 }, 'INVALID_ARGUMENT'],
    ['a queue of 0', { maxQueue: 0 }, 'INVALID_ARGUMENT'],
    ['0 connections', { maxConnections: 0 }, 'INVALID_ARGUMENT'],
    ['a statement timeout of 0', { statementTimeoutMs: 0 }, 'INVALID_ARGUMENT'],
    ['a connect timeout in text', { connectTimeoutMs: '10' }, 'INVALID_ARGUMENT'],
    ['a schema without a name', { schema: '' }, 'INVALID_ARGUMENT'],
  ])('refuses %s', (_, options, code) => {
    expect(() => connect(options)).toThrow(expect.objectContaining({ name: 'MediaCreditsError', code }))
  })

  test.each([
    ['', 'INVALID_URL'],
    ['file:local.db?mode=ro', 'INVALID_URL'],
    ['postgres://app:secret@127.0.0.1:1/app', 'DATABASE_UNAVAILABLE'],
    ['libsql://127.0.0.1:1?authToken=secret', 'DATABASE_UNAVAILABLE'],
    ['https://app:secret@host', 'INVALID_URL'],
    ['mysql://app:secret@127.0.0.1:1/app', 'DATABASE_UNAVAILABLE'],
    ['mariadb://app:secret@[::1/app', 'INVALID_URL'],
    ['sqlserver://app:secret@host/app', 'UNSUPPORTED_DATABASE'],
  ])('%p is an error of the first call, not of an import', async (url, code) => {
    const credits = connect({ url })
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toBeInstanceOf(MediaCreditsError)
    expect(error.code).toBe(code)
    expect(error.message + error.stack).not.toContain('secret')
  })

  test.each(['mysql://app:secret@127.0.0.1:1/app', 'libsql://127.0.0.1:1', 'http://127.0.0.1:1'])(
    'lets the first call refuse a schema if the URL names the database: %p',
    async (url) => {
      const error = await connect({ url, schema: 'app' })
        .getRemainingCredits('u')
        .catch((error) => error)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'schema', retryable: false })
      expect(error.message).toContain('PostgreSQL alone has schemas')
    },
  )

  test('opens the database once for each spelling of its URL', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const connections = database.store.otherUrls.map((url) => connect({ url }))
    const all = [database.credits, ...connections]
    await Promise.all(all.map((credits, at) => credits.createMediaTask(task(`t${at}`, 'u'), 10)))
    const left = 100 - 10 * all.length
    const balances = await Promise.all(all.map((credits) => credits.getRemainingCredits('u')))
    expect(balances).toEqual(all.map(() => left))
    for (const credits of connections) await credits.close()
    expect(await database.credits.getRemainingCredits('u')).toBe(left)
  })

  sqlite.test('refuses other options for a file that is open', async () => {
    const database = await TestDatabase.fresh()
    const other = connect({ url: database.url, durability: 'normal' })
    await expect(other.getRemainingCredits('u')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('returns functions that work without the connection object', async () => {
    const database = await TestDatabase.fresh()
    const { getRemainingCredits } = database.credits
    expect(await getRemainingCredits('nobody')).toBe(0)
  })
})
