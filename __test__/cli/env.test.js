'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { cli, folder } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { byStorage, postgres, sqlite } = require('../helpers/storage')

/** An app's folder with these files: text, or for one `NAME=value` line `{ NAME: value }`. */
function app(files) {
  const made = fs.mkdtempSync(path.join(folder, 'app-'))
  for (const [name, content] of Object.entries(files)) write(made, name, content)
  return made
}

function write(cwd, name, content) {
  const lines =
    typeof content === 'string' ? [content] : Object.entries(content).map((pair) => pair.join('='))
  fs.writeFileSync(path.join(cwd, name), `# the app's\n${lines.join('\n')}\n`)
}

/** The database that doctor reports, which need not exist. */
async function found(cwd, env = {}, ...args) {
  const { out, errors } = await cli(['doctor', '--json', ...args], { cwd, env })
  return out ? JSON.parse(out).database : JSON.parse(errors).error
}

const LOCAL = ['.env.development.local', '.env.local', '.env.development', '.env']
const PRODUCTION = ['.env.production.local', '.env.production']
const TEST = ['.env.test.local', '.env.test']
const ALL = [...LOCAL, ...PRODUCTION, ...TEST]

// The files are the same for each storage.
sqlite.describe('the env files of the folder', () => {
  test.each([
    [undefined, [...LOCAL, ...PRODUCTION]],
    ['', [...LOCAL, ...PRODUCTION]],
    ['development', LOCAL],
    ['staging', LOCAL],
    ['production', ['.env.production.local', '.env.local', '.env.production', '.env']],
    ['test', ['.env.test.local', '.env.test', '.env']],
  ])('where NODE_ENV is %j are looked at in the order %j', async (mode, order) => {
    const cwd = app(Object.fromEntries(ALL.map((name) => [name, { DATABASE_URL: `file:at${name}` }])))
    const env = mode === undefined ? {} : { NODE_ENV: mode }
    for (const name of order) {
      expect(await found(cwd, env)).toEqual({ place: `at${name}`, source: `DATABASE_URL in ${name}` })
      fs.rmSync(path.join(cwd, name))
    }
    const { code, message } = await found(cwd, env)
    expect(code).toBe('NO_DATABASE')
    for (const name of ALL)
      expect([name, message.split(/[ ,()]+/).includes(name)]).toEqual([name, order.includes(name)])
  })

  test('are those of production if those of development name no database', async () => {
    const cwd = app({
      '.env.development': { DB_SCHEMA: 'dev' },
      '.env.production': { DATABASE_URL: 'file:p.db', DB_SCHEMA: 'live' },
      '.env': { DB_MAX_CONNECTIONS: 3 },
    })
    expect((await found(cwd)).source).toBe(
      'DATABASE_URL and DB_SCHEMA in .env.production, DB_MAX_CONNECTIONS in .env',
    )
  })

  test('are searched for each name, after the environment', async () => {
    const cwd = app({
      '.env.local': { DB_SCHEMA: 'local', DATABASE_PROVIDER: 'sqlite' },
      '.env': { DATABASE_URL: 'file:a.db', DB_SCHEMA: 'all', DATABASE_PROVIDER: 'sqlite' },
    })
    expect(await found(cwd)).toEqual({
      place: 'a.db',
      source: 'DATABASE_URL in .env, DATABASE_PROVIDER and DB_SCHEMA in .env.local',
    })
    const env = { DATABASE_URL: 'file:b.db', DATABASE_PROVIDER: 'sqlite' }
    expect(await found(cwd, env)).toEqual({
      place: 'b.db',
      source: 'DATABASE_URL and DATABASE_PROVIDER of the environment, DB_SCHEMA in .env.local',
    })
    expect(await found(cwd, { DB_SCHEMA: 'own' })).toMatchObject({
      source: 'DATABASE_URL in .env, DATABASE_PROVIDER in .env.local, DB_SCHEMA of the environment',
    })
    expect((await found(cwd, {}, '--url', 'c.db')).source).toBe('the command line')
  })

  test.each([
    ['"file:a.db"', 'a.db'],
    ["'file:a b.db' # the app's", 'a b.db'],
    ['file:$NAME.db', 'n.db'],
    ['file:${NAME}-${OTHER:-x}.db', 'n-x.db'],
    ['"file:a\\$NAME.db"', 'a$NAME.db'],
    ['file:$OF_ENVIRONMENT.db', 'e.db'],
  ])('have values as Next.js reads them: %s', async (value, place) => {
    const cwd = app({ '.env': { NAME: 'n', 'export DATABASE_URL': value } })
    const env = { OF_ENVIRONMENT: 'e' }
    expect((await found(cwd, env)).place).toBe(place)
    expect((await found(cwd, env, '--env', '.env')).place).toBe(place)
  })

  test('can refer to values of an earlier file', async () => {
    const cwd = app({
      '.env.local': { NAME: 'local' },
      '.env': { DATABASE_URL: 'file:$NAME.db', NAME: 'all' },
    })
    expect((await found(cwd)).place).toBe('local.db')
  })

  test('set only variables about the database', async () => {
    const cwd = app({ '.env': { DATABASE_URL: 'file:a.db', FORCE_COLOR: 1, NODE_ENV: 'production' } })
    write(cwd, '.env.development', { DATABASE_URL: 'file:dev.db' })
    const { out } = await cli(['doctor'], { cwd })
    expect(out).toContain('dev.db (DATABASE_URL in .env.development)')
    expect(out).not.toContain('\u001b[')
  })

  test('with an empty URL hide those after them, and this is reported', async () => {
    const cwd = app({ '.env.local': { DATABASE_URL: '' }, '.env': { DATABASE_URL: 'file:a.db' } })
    expect((await found(cwd)).message).toMatch(/; DATABASE_URL in \.env\.local is empty$/)
    const env = { DATABASE_URL: '' }
    expect((await found(cwd, env)).message).toMatch(/; DATABASE_URL of the environment is empty$/)
  })

  test('that can not be read are named, unless the environment has the database', async () => {
    const cwd = app({ '.env': { DATABASE_URL: 'file:a.db' } })
    fs.mkdirSync(path.join(cwd, '.env.development'))
    expect((await found(cwd)).place).toBe('a.db')
    fs.symlinkSync('.env.local', path.join(cwd, '.env.local'))
    const error = { code: 'NO_DATABASE', message: ".env.local can't be read: ELOOP", retryable: false }
    expect(await found(cwd)).toEqual(error)
    expect((await found(cwd, { DATABASE_URL: 'file:b.db' })).place).toBe('b.db')
    fs.rmSync(path.join(cwd, '.env.local'))
    write(cwd, '.env.local', { NAME: '$NAME' })
    expect((await found(cwd)).message).toBe(".env.local can't be read: a value refers to itself")
  })

  test('that exist are listed if none names a database', async () => {
    const cwd = app({ '.env': { DB_SCHEMA: 'app' }, '.env.production': { NAME: 'x' } })
    for (const name of ['doctor', 'audit', 'repair', 'stuck', 'init']) {
      const { code, out, errors } = await cli([name], { cwd })
      expect({ code, out }).toEqual({ code: 3, out: '' })
      expect(errors).toBe(
        'media-credits: no database is configured: set DATABASE_URL, or pass --url or --env; it is not in the environment, ' +
          'nor in .env and .env.production (searched: .env.development.local, .env.local, .env.development, .env, ' +
          '.env.production.local and .env.production)',
      )
    }
    expect((await found(app({}))).message).toMatch(
      / and this folder has no env file \(searched: \.env\.development\.local, /,
    )
  })
})

sqlite.describe('--env', () => {
  test('reads only that file, before the environment, also if it refers to itself', async () => {
    const cwd = app({
      '.env.production': { HOST: 'file', DATABASE_URL: 'file:$HOST.db' },
      '.env.local': { DATABASE_URL: 'file:local.db', DB_SCHEMA: 'local' },
    })
    const env = { DATABASE_URL: 'file:env.db', HOST: 'env' }
    expect(await found(cwd, env, '--env', '.env.production')).toEqual({
      place: 'file.db',
      source: 'DATABASE_URL in .env.production',
    })
    const schema = { ...env, DB_SCHEMA: 'env' }
    expect((await found(cwd, schema, '--env', '.env.production')).source).toBe(
      'DATABASE_URL in .env.production, DB_SCHEMA of the environment',
    )
  })

  test('reads no other file if that file has no database or does not exist', async () => {
    const cwd = app({ '.env': { DATABASE_URL: 'file:a.db' }, other: { NAME: 'x' } })
    const env = { DATABASE_URL: 'file:env.db' }
    expect((await found(cwd, env, '--env', 'other')).message).toBe(
      'no database is configured: other has no DATABASE_URL',
    )
    expect((await found(cwd, env, '--env', 'none')).message).toBe("none can't be read: ENOENT")
    expect((await found(cwd, env, '--env', '.')).message).toBe(". can't be read: EISDIR")
  })
})

test('the values of the env files are passed to the library', async () => {
  const [right, wrong] = [await TestDatabase.fresh(), await TestDatabase.fresh()]
  await right.user('u', 7)
  const cwd = app({ '.env': { DATABASE_URL: `"${right.url}"` } })
  const credits = async (args, env) => {
    const { code, out, errors } = await cli(['balance', 'u', '--json', ...args], { cwd, env })
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    return JSON.parse(out).credits
  }
  const elsewhere = { DATABASE_URL: wrong.url }
  expect(await credits([])).toBe(7)
  expect(await credits([], elsewhere)).toBe(0)
  expect(await credits(['--url', right.url], elsewhere)).toBe(7)
  expect(await credits(['--env', '.env'], elsewhere)).toBe(7)
  write(cwd, '.env.local', 'DATABASE_PROVIDER=oracle')
  expect((await cli(['balance', 'u'], { cwd })).errors).toContain('DATABASE_PROVIDER')
  const provider = {
    DATABASE_PROVIDER: byStorage({ sqlite: 'sqlite', postgres: 'postgresql', mysql: 'mysql' }),
  }
  expect((await cli(['balance', 'u'], { cwd, env: provider })).errors).not.toContain('DATABASE_PROVIDER')
})

postgres.test('the env files can set the schema and the number of connections', async () => {
  const database = await TestDatabase.fresh()
  await database.sql('CREATE SCHEMA other')
  const files = { '.env.local': { DB_MAX_CONNECTIONS: 3 }, '.env': { DB_SCHEMA: 'other' } }
  const cwd = app({ ...files, '.env.production': { DATABASE_URL: database.url } })
  expect(JSON.parse((await cli(['init', '--json'], { cwd })).out)).toMatchObject({ schema: 'other' })
  const { out } = await cli(['doctor', '--json'], { cwd })
  expect(JSON.parse(out).connections).toEqual({ most: 3, source: 'DB_MAX_CONNECTIONS in .env.local' })
})

// So is the message about it.
sqlite.describe('the name of the env file that was read', () => {
  /** Makes stderr look like a terminal to a command. */
  function onTerminal(cwd) {
    const preload = path.join(cwd, 'terminal.js')
    fs.writeFileSync(preload, 'process.stderr.isTTY = true\n')
    return { NODE_OPTIONS: `--require ${preload}`, NO_COLOR: '1' }
  }

  async function appWithUser() {
    const database = await TestDatabase.fresh()
    await database.user('u', 7)
    return { database, cwd: app({ '.env.development': { DATABASE_URL: `"${database.url}"` } }) }
  }

  const LINE = /^\S+ \(DATABASE_URL in \.env\.development\)$/

  test('is printed on a terminal without --json', async () => {
    const { cwd } = await appWithUser()
    const env = onTerminal(cwd)
    for (const args of [['balance', 'u'], ['grant', 'u', '5'], ['stuck']]) {
      const { code, out, errors } = await cli(args, { cwd, env })
      expect({ code, errors }).toEqual({ code: 0, errors: expect.stringMatching(LINE) })
      expect(out).not.toContain('.env.development')
      expect(await cli([...args, '--json'], { cwd, env })).toMatchObject({ code: 0, errors: '' })
    }
  })

  test.each([
    [['grant', 'u', '5'], true],
    [['repair', '--apply'], true],
    [['stuck', '--fail', '--older-than', '1h'], true],
    [['init'], true],
    [['repair'], false],
    [['stuck'], false],
    [['balance', 'u'], false],
  ])(
    'is printed to a log by a command that writes if the command line names no database: %j: %j',
    async (args, writes) => {
      const { database, cwd } = await appWithUser()
      const firstLine = async (...more) => {
        const { code, out, errors } = await cli([...args, ...more], { cwd })
        expect({ code, errors }).toEqual({ code: 0, errors: '' })
        return out.split('\n')[0]
      }
      expect(LINE.test(await firstLine())).toBe(writes)
      for (const more of [['--json'], ['--env', '.env.development'], ['--url', database.url]]) {
        expect(await firstLine(...more)).not.toMatch(LINE)
      }
    },
  )

  test('is not printed for a command that did nothing', async () => {
    const { cwd } = await appWithUser()
    expect(await cli(['grant', 'nobody', '5'], { cwd })).toMatchObject({ code: 3, out: '' })
  })
})

postgres.test(
  'PGPASSWORD and similar variables in a file supply the parts that the URL does not have',
  async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 42)
    const { host, hostname, port, username, password, pathname } = new URL(database.url)
    const [PGUSER, PGPASSWORD] = [decodeURIComponent(username), decodeURIComponent(password)]
    const cwd = app({
      '.env.local': { PGUSER, PGPASSWORD },
      '.env': { DATABASE_URL: `postgres://${host}${pathname}`, PGPASSWORD: 'wrong' },
    })
    const source = 'DATABASE_URL in .env'
    expect(await found(cwd)).toEqual({ place: `postgres://${host}${pathname}`, source })
    const { errors } = await cli(['balance', 'u'], { cwd, env: { PGPASSWORD: 'wrong' } })
    expect(errors).toContain('28P01')
    write(cwd, '.env', {
      DATABASE_URL: 'postgres://',
      PGHOST: hostname,
      PGPORT: port,
      PGDATABASE: pathname.slice(1),
    })
    const { out } = await cli(['balance', 'u', '--json'], { cwd })
    expect(JSON.parse(out).credits).toBe(42)
  },
)
