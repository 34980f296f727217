'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { addUsers, until } = require('../helpers/callers')
const { describeWithOpenssl, makeCertificate } = require('../helpers/certificates')
const { task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { afterwards, connection, ownServer } = require('../helpers/network')
const { clientOf } = require('../helpers/postgres')

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE' }

const server = ownServer()

/** The database's URL with parameters, and perhaps another host. */
function urlWith(url, parameters, hostname) {
  const changed = new URL(url)
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value)
  if (hostname) changed.hostname = hostname
  return changed.href
}

const encrypted = async (credits) => (await credits.getDiagnostics()).encrypted

describe('a server without TLS', () => {
  test.each(['require', 'verify-ca', 'verify-full'])('sslmode=%s refuses it', async (sslmode) => {
    const credits = connection(urlWith(server.url, { sslmode }))
    const error = await credits.getRemainingCredits('u').catch((error) => error)
    expect(error).toMatchObject(UNAVAILABLE)
    expect(error.message).toMatch(/TLS/)
  })

  test.each(['disable', 'allow', 'prefer'])('sslmode=%s uses it', async (sslmode) => {
    const database = await server.database()
    const credits = connection(urlWith(database.url, { sslmode }))
    expect(await encrypted(credits)).toBe(false)
  })
})

describe('a server without TLS, for parameters with which postgres.js would not use it', () => {
  test.each([
    'ssl=require',
    'ssl=true',
    'ssl=verify-full',
    'sslrootcert=system',
    'sslmode=require&sslnegotiation=direct',
  ])('%s refuses it', async (parameters) => {
    const error = await connection(`${server.url}?${parameters}`)
      .getRemainingCredits('u')
      .catch((error) => error)
    expect(error).toMatchObject({ ...UNAVAILABLE, retryable: false })
    expect(error.message).toMatch(/TLS/)
  })

  test.each(['ssl=false', 'ssl=prefer'])('%s uses it', async (parameters) => {
    const database = await server.database()
    expect(await encrypted(connection(`${database.url}?${parameters}`))).toBe(false)
  })

  test.each(['ssl=no-verify', 'ssl=0', 'sslnegotiation=direct', 'sslcert=/c.pem', 'sslcertmode=require'])(
    '%s is INVALID_URL',
    async (parameters) => {
      const error = await connection(`${server.url}?${parameters}`)
        .getRemainingCredits('u')
        .catch((error) => error)
      expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
    },
  )
})

describeWithOpenssl('a server with a certificate of its own', () => {
  let folder
  let database

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-tls-'))
    makeCertificate(folder, 'server', 'localhost')
    makeCertificate(folder, 'other', 'localhost')
    await useCertificate('server')
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  beforeEach(async () => {
    database = await server.database()
    await addUsers(database, 1)
  })

  const file = (name) => path.join(folder, name)

  /** The server demands a client certificate that this authority has signed. */
  async function useAuthority(name) {
    const copy = copyForServer(`${name}.crt`, 'ca.crt')
    await server.admin.unsafe(`ALTER SYSTEM SET ssl_ca_file = '${copy}'`)
    await server.admin.unsafe('SELECT pg_reload_conf()')
  }

  /** A rule of pg_hba.conf, before all others. */
  async function withLogins(rule, use) {
    const rules = path.join(server.dataFolder, 'pg_hba.conf')
    const before = fs.readFileSync(rules, 'utf8')
    fs.writeFileSync(rules, `${rule}\n${before}`)
    try {
      await server.admin.unsafe('SELECT pg_reload_conf()')
      await use()
    } finally {
      fs.writeFileSync(rules, before)
      await server.admin.unsafe('SELECT pg_reload_conf()')
    }
  }

  /** A file of the tests, in the server's own folder, which its account may read. */
  function copyForServer(name, as) {
    const { uid, gid } = fs.statSync(server.dataFolder)
    const copy = path.join(server.dataFolder, as)
    fs.copyFileSync(file(name), copy)
    fs.chmodSync(copy, 0o600)
    fs.chownSync(copy, uid, gid)
    return copy
  }

  /** The server reads it without a restart, but not at once. */
  async function useCertificate(name) {
    const { admin } = server
    for (const [setting, ending] of [
      ['ssl_cert_file', 'crt'],
      ['ssl_key_file', 'key'],
    ]) {
      const copy = copyForServer(`${name}.${ending}`, `tls.${ending}`)
      await admin.unsafe(`ALTER SYSTEM SET ${setting} = '${copy}'`)
    }
    await admin.unsafe('ALTER SYSTEM SET ssl = on')
    await admin.unsafe('SELECT pg_reload_conf()')
    await until(async () => {
      const client = clientOf(server.url)
      const [{ ssl }] = await client.unsafe(`SELECT current_setting('ssl') AS ssl`)
      await client.end()
      return ssl === 'on'
    }, 'the server uses TLS')
  }

  test.each([
    ['require', {}, 'localhost'],
    ['prefer', {}, 'localhost'],
    ['require', {}, '127.0.0.1'],
    ['verify-full', { sslrootcert: 'server.crt' }, 'localhost'],
    ['verify-ca', { sslrootcert: 'server.crt' }, 'localhost'],
    ['verify-ca', { sslrootcert: 'server.crt' }, '127.0.0.1'],
    ['require', { sslrootcert: 'server.crt' }, '127.0.0.1'],
  ])('is used, encrypted, by sslmode=%s with %j at %s', async (sslmode, { sslrootcert }, host) => {
    const roots = sslrootcert ? { sslrootcert: file(sslrootcert) } : {}
    const credits = connection(urlWith(database.url, { sslmode, ...roots }, host))
    expect(await encrypted(credits)).toBe(true)
    await credits.createMediaTask(task('t', 'u0'), 10)
    expect((await credits.updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(10)
    expect(await violations(database)).toEqual([])
  })

  test.each([
    ['verify-full', 'which is not signed', {}, 'localhost'],
    ['verify-ca', 'which is not signed', {}, 'localhost'],
    ['verify-full', 'which another one has signed', { sslrootcert: 'other.crt' }, 'localhost'],
    ['verify-ca', 'which another one has signed', { sslrootcert: 'other.crt' }, 'localhost'],
    ['require', 'which another one has signed', { sslrootcert: 'other.crt' }, 'localhost'],
    ['verify-full', 'which is for another host', { sslrootcert: 'server.crt' }, '127.0.0.1'],
  ])('is refused by sslmode=%s as one %s', async (sslmode, _, { sslrootcert }, host) => {
    const roots = sslrootcert ? { sslrootcert: file(sslrootcert) } : {}
    const credits = connection(urlWith(database.url, { sslmode, ...roots }, host))
    const error = await credits.getRemainingCredits('u0').catch((error) => error)
    expect(error).toMatchObject(UNAVAILABLE)
    expect(error.message).toMatch(/certificate/i)
  })

  test.each([
    ['ssl=require', 'localhost'],
    ['ssl=allow', '127.0.0.1'],
    ['ssl=prefer', 'localhost'],
    ['ssl=true&sslrootcert=server.crt', 'localhost'],
    ['sslrootcert=server.crt', '127.0.0.1'],
    ['sslmode=require&ssl_max_protocol_version=TLSv1.2', 'localhost'],
    ['sslmode=require&ssl_min_protocol_version=TLSv1.3&sslsni=0', 'localhost'],
    ['sslmode=require&channel_binding=require', 'localhost'],
  ])('is used, encrypted, by %s at %s', async (parameters, host) => {
    const url = urlWith(database.url, {}, host)
    const credits = connection(`${url}?${parameters.replace('server.crt', file('server.crt'))}`)
    expect(await encrypted(credits)).toBe(true)
  })

  test.each([
    ['ssl=true', 'localhost'],
    ['ssl=verify-full', 'localhost'],
    ['ssl=verify-ca', 'localhost'],
    ['sslrootcert=system', 'localhost'],
    ['sslrootcert=system&sslmode=require', 'localhost'],
    ['sslmode=verify-ca&sslrootcert=system', 'localhost'],
    ['sslrootcert=other.crt', 'localhost'],
    ['ssl=true&sslrootcert=server.crt', '127.0.0.1'],
  ])('is refused by %s at %s', async (parameters, host) => {
    const url = urlWith(database.url, {}, host)
    const named = parameters.replace(/\w+\.crt/, (name) => file(name))
    const error = await connection(`${url}?${named}`)
      .getRemainingCredits('u0')
      .catch((error) => error)
    expect(error).toMatchObject({ ...UNAVAILABLE, retryable: false })
    expect(error.message).toMatch(/certificate/i)
  })

  test('sslnegotiation=direct encrypts from the first byte, if the server is new enough', async () => {
    const [{ version }] = await server.admin.unsafe(
      `SELECT current_setting('server_version_num')::int AS version`,
    )
    const credits = connection(
      urlWith(database.url, { sslmode: 'require', sslnegotiation: 'direct' }, 'localhost'),
    )
    const found = await encrypted(credits).catch((error) => error.code)
    expect(found).toBe(version >= 170_000 ? true : UNAVAILABLE.code)
  })

  test("a user can log in with the client's own certificate, and with no other", async () => {
    const role = 'certified'
    makeCertificate(folder, 'client', role)
    await useAuthority('client')
    await server.admin.unsafe(`CREATE ROLE ${role} LOGIN SUPERUSER`)
    await withLogins(`hostssl all ${role} all cert`, async () => {
      const url = (client) => {
        const values = { sslmode: 'require', sslcert: file(`${client}.crt`), sslkey: file(`${client}.key`) }
        const changed = new URL(urlWith(database.url, values, 'localhost'))
        return Object.assign(changed, { username: role, password: '' }).href
      }
      const credits = connection(url('client'))
      expect(await encrypted(credits)).toBe(true)
      await credits.createMediaTask(task('t', 'u0'), 10)
      const error = await connection(url('other'))
        .getRemainingCredits('u0')
        .catch((error) => error)
      expect(error.code).toBe('DATABASE_UNAVAILABLE')
      const without = await connection(`${url('client')}&sslcertmode=disable`)
        .getRemainingCredits('u0')
        .catch((error) => error)
      expect(without).toMatchObject({ ...UNAVAILABLE, retryable: false })
    })
  })

  test.each([
    ['no key', 'server.crt'],
    ['an encrypted key', 'encrypted.key'],
    ['nothing', 'nothing.key'],
  ])('an sslkey that holds %s is INVALID_URL', async (_, name) => {
    if (name === 'encrypted.key') {
      const args = ['pkcs8', '-topk8', '-in', file('server.key'), '-out', file(name), '-passout', 'pass:x']
      execFileSync('openssl', args, { stdio: 'ignore' })
    }
    const values = { sslmode: 'require', sslcert: file('server.crt'), sslkey: file(name) }
    const error = await connection(urlWith(database.url, values, 'localhost'))
      .getRemainingCredits('u0')
      .catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
    expect(error.message).toContain('sslkey')
  })

  test.each([
    ['does not exist', 'nothing.crt', undefined],
    ['holds no certificate', 'empty.crt', ''],
    ['is damaged', 'damaged.crt', '-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n'],
  ])('an sslrootcert that %s is INVALID_URL', async (_, name, content) => {
    if (content !== undefined) fs.writeFileSync(file(name), content)
    afterwards(() => fs.rmSync(file(name), { force: true }))
    const credits = connection(
      urlWith(database.url, { sslmode: 'verify-full', sslrootcert: file(name) }, 'localhost'),
    )
    const error = await credits.getRemainingCredits('u0').catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_URL', retryable: false })
    expect(error.message).toContain('sslrootcert')
  })
})
