'use strict'

const { createServer } = require('node:http')
const { inspect } = require('node:util')
const { connect } = require('../..')
const { cli } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { passOnTo } = require('../helpers/libsql-proxy')

const TOKEN = 'eyJ-secret-token'

let database, gate

/** A proxy in front of the database's server that refuses requests without the token, like Turso. */
async function startGate(target) {
  const seen = []
  const pass = passOnTo(target)
  const server = createServer((asked, answer) => {
    const { authorization } = asked.headers
    seen.push(authorization)
    if (authorization !== `Bearer ${TOKEN}`) {
      answer.writeHead(401, { 'content-type': 'application/json' })
      answer.end('{"error":"Unauthorized: `The JWT is invalid`"}')
      return
    }
    pass(asked, answer)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${server.address().port}`, seen, stop }
}

beforeEach(async () => {
  database = await TestDatabase.fresh()
  await database.user('u', 5)
  gate = await startGate(database.url)
})

afterEach(() => gate.stop())

/** The balance over a connection with these options, in an environment with these variables. */
async function balance(options, env = {}) {
  Object.assign(process.env, env)
  const credits = connect(options)
  for (const name of Object.keys(env)) delete process.env[name]
  return credits.getRemainingCredits('u').finally(() => credits.close())
}

const refused = (call) =>
  call.then(
    () => 'no error',
    (error) => error,
  )

describe('the token of a libSQL server', () => {
  test.each([
    ['the option', () => [{ url: gate.url, authToken: TOKEN }]],
    ['the URL', () => [{ url: `${gate.url}?authToken=${TOKEN}` }]],
    ['the environment, with its URL', () => [{}, { DATABASE_URL: gate.url, DATABASE_AUTH_TOKEN: TOKEN }]],
    ['the environment without a URL', () => [{ url: gate.url }, { DATABASE_AUTH_TOKEN: TOKEN }]],
    [
      'the option, before the URL and the environment',
      () => [
        { url: `${gate.url}?authToken=wrong`, authToken: TOKEN },
        { DATABASE_AUTH_TOKEN: 'wrong as well' },
      ],
    ],
  ])('is read from %s', async (_, call) => {
    expect(await balance(...call())).toBe(5)
    expect(new Set(gate.seen)).toEqual(new Set([`Bearer ${TOKEN}`]))
  })

  test('is not sent to another database than that of the environment', async () => {
    const env = { DATABASE_URL: 'libsql://elsewhere.example', DATABASE_AUTH_TOKEN: TOKEN }
    const error = await refused(balance({ url: gate.url }, env))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(new Set(gate.seen)).toEqual(new Set([undefined]))
  })

  test.each([
    ['option', [{ url: 'http://db:8080', authToken: TOKEN }]],
    ['environment', [{}, { DATABASE_URL: 'http://db:8080', DATABASE_AUTH_TOKEN: TOKEN }]],
  ])(
    'from the %s does not leave this machine unencrypted unless the URL has tls=0',
    async (_, [options, env]) => {
      const error = await refused(balance(options, env))
      expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
      expect(error.message).toContain('its token would leave this machine unencrypted')
      expect(inspect(error, { depth: 9 })).not.toContain(TOKEN)
    },
  )

  test('is requested in the error if it is missing, without a retry', async () => {
    const error = await refused(balance({ url: gate.url }))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toContain('DATABASE_AUTH_TOKEN')
    expect(gate.seen).toEqual([undefined])
  })

  test('is reported as expired, and not shown', async () => {
    const error = await refused(balance({ url: gate.url, authToken: 'expired-secret' }))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toContain('expired: make a new one')
    expect(inspect(error, { depth: 9 })).not.toContain('secret')
  })

  test.each([7, 'two words', 'line\nbreak', {}])('is refused if it is %j, and not shown', (authToken) => {
    const error = (() => {
      try {
        connect({ url: gate.url, authToken })
        return 'no error'
      } catch (error) {
        return error
      }
    })()
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('authToken')
    expect(error.message).not.toMatch(/two words|line/)
  })

  test('counts as missing if it is empty', async () => {
    expect(await balance({ url: `${gate.url}?authToken=${TOKEN}`, authToken: '' })).toBe(5)
  })

  test('is shown nowhere', async () => {
    const credits = connect({ url: `${gate.url}?authToken=${TOKEN}` })
    const shown = [credits, await credits.getDiagnostics(), await credits.stats()]
    await credits.close()
    expect(inspect(shown, { depth: 9, showHidden: true })).not.toContain(TOKEN)
  })

  test('is read by the command line from the environment', async () => {
    const env = { DATABASE_URL: gate.url, DATABASE_AUTH_TOKEN: TOKEN }
    const { code, out, errors } = await cli(['doctor'], { env })
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(out).not.toContain(TOKEN)
    const without = await cli(['balance', 'u'], { env: { DATABASE_URL: gate.url } })
    expect(without).toMatchObject({ code: 3, out: '' })
    expect(without.errors).toContain('DATABASE_AUTH_TOKEN')
  })
})
