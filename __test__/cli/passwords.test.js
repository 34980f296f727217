'use strict'

const { cli, cliOn } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { pooled, postgres, sqlite } = require('../helpers/storage')

const SECRET = 'Tr0ub4dor'

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
    [['doctor', '--url', `mysql://app:${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `mysql2://app:1/${SECRET}@127.0.0.1:1/app`], 1],
    [['doctor', '--url', `sqlserver://app:${SECRET}@127.0.0.1/app`], 1],
  ])('are not in what %j writes', async (args, code) => {
    const said = await cli(args, { isAlone: true })
    expect(said.code).toBe(code)
    expect(said.out + said.errors).not.toBe('')
    expect(said.out + said.errors).not.toContain(SECRET)
  })

  pooled.test('that are wrong are not in the message about a server', async () => {
    const database = await TestDatabase.fresh()
    const { protocol, username, host, pathname } = new URL(database.url)
    const wrong = `${protocol}//${username}:${SECRET}@${host}${pathname}`
    for (const [args, code] of [
      [['doctor'], 1],
      [['doctor', '--json'], 1],
      [['audit'], 3],
    ]) {
      const said = await cli(args, { env: { DATABASE_URL: wrong }, isAlone: true })
      expect(said.code).toBe(code)
      expect(said.out + said.errors).toContain('password')
      expect(said.out + said.errors).not.toContain(SECRET)
    }
  })

  postgres.test('that are right are not in the message about a server', async () => {
    const database = await TestDatabase.fresh()
    const { password } = new URL(database.url)
    for (const args of [['doctor'], ['doctor', '--json'], ['init', '--json']]) {
      const { code, out, errors } = await cliOn(database, ...args)
      expect({ code, errors }).toEqual({ code: 0, errors: '' })
      expect(out).not.toContain(password)
    }
  })
})
