'use strict'

const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const mysql = require('mysql2/promise')
const { describeIf } = require('../helpers/describe')
const { violations } = require('../helpers/invariants')
const { describeWithOwnServer, ownServer } = require('../helpers/mariadb')
const { connection } = require('../helpers/network')
const { evaluate } = require('../helpers/processes')

const UNAVAILABLE = { code: 'DATABASE_UNAVAILABLE' }

const missing = spawnSync('openssl', ['version']).status !== 0
const describeWithOpenssl = missing
  ? describeIf(false, 'it takes openssl on the PATH to make a certificate')
  : describeWithOwnServer

const refused = (url) =>
  connection(url)
    .getRemainingCredits('u')
    .catch((error) => error)
const encrypted = async (url) => (await connection(url).getDiagnostics()).encrypted

describeWithOwnServer('a server without TLS', () => {
  const server = ownServer()

  test.each([
    'ssl-mode=REQUIRED',
    'ssl-mode=VERIFY_CA',
    'ssl-mode=VERIFY_IDENTITY',
    `ssl=${encodeURIComponent('{"rejectUnauthorized":true}')}`,
    `ssl=${encodeURIComponent('{"rejectUnauthorized":false}')}`,
  ])('%s refuses it', async (parameters) => {
    const error = await refused(`${server.url}?${parameters}`)
    expect(error).toMatchObject({ ...UNAVAILABLE, retryable: false })
    expect(error.message).toMatch(/encryption/)
  })

  test.each(['', 'ssl-mode=DISABLED', 'ssl-mode=PREFERRED'])('%p uses it', async (parameters) => {
    const database = await server.database()
    expect(await encrypted(`${database.url}?${parameters}`)).toBe(false)
  })
})

describeWithOpenssl('a server with its own certificate', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-tls-'))
  const file = (name) => path.join(folder, name)
  const made = missing ? undefined : makeCertificates(file)
  const server = ownServer({
    'ssl-ca': file('ca.pem'),
    'ssl-cert': file('server.pem'),
    'ssl-key': file('server.key'),
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  const authority = `ssl-ca=${encodeURIComponent(file('ca.pem'))}`

  test('has a certificate', () => expect(made).toBe(true))

  test.each([
    ['is used without a check of the certificate', 'ssl-mode=REQUIRED'],
    ['is used with encryption if the server supports it', 'ssl-mode=PREFERRED'],
    ['is used with the ssl parameter of mysql2', `ssl=${encodeURIComponent('{"rejectUnauthorized":false}')}`],
    ['is used with the named authority', `ssl-mode=VERIFY_CA&${authority}`],
    ['is used with the named authority and a check of the host', `ssl-mode=VERIFY_IDENTITY&${authority}`],
  ])('%s: ?%s', async (_, parameters) => {
    const database = await server.database()
    await database.user('u', 100)
    const credits = connection(`${database.url}?${parameters}`)
    expect((await credits.getDiagnostics()).encrypted).toBe(true)
    await credits.consumeCredits({ userId: 'u', credits: 5 })
    expect(await violations(database)).toEqual([])
  })

  test('is used with the text of an authority, by the ssl parameter of mysql2, which reads the same URL', async () => {
    const database = await server.database()
    await database.user('u', 100)
    const withText = (name) => {
      const url = new URL(database.url)
      url.searchParams.set('ssl', JSON.stringify({ ca: fs.readFileSync(file(name), 'utf8') }))
      return url.href
    }
    const url = withText('ca.pem')
    expect(await connection(url).getRemainingCredits('u')).toBe(100)
    const app = await mysql.createConnection(url)
    const [[row]] = await app.query("SHOW STATUS LIKE 'Ssl_cipher'")
    await app.end()
    expect(row.Value).not.toBe('')
    // A certificate that did not sign the server's.
    expect(await refused(withText('server.pem'))).toMatchObject({ ...UNAVAILABLE, retryable: false })
    const error = await refused(withText('server.key'))
    expect(error).toMatchObject({ code: 'INVALID_URL', message: expect.stringContaining('ca in ssl') })
    expect(error.message).not.toContain('BEGIN')
  })

  test.each(['SSL_CERT_FILE', 'SSL_CERT_DIR'])('is used with the authorities of %s', async (name) => {
    const database = await server.database()
    await database.user('u', 100)
    const url = JSON.stringify(`${database.url}?ssl-mode=VERIFY_IDENTITY`)
    const source = `
      const told = ({ code }) => code
      credits.connect({ url: ${url} }).getRemainingCredits('u').catch(told).then(console.log)`
    fs.mkdirSync(file('authorities'), { recursive: true })
    fs.copyFileSync(file('ca.pem'), file('authorities/ca.pem'))
    const place = { SSL_CERT_FILE: file('ca.pem'), SSL_CERT_DIR: file('authorities') }[name]
    expect((await evaluate(source, { [name]: place })).out).toBe('100')
    expect((await evaluate(source, { [name]: file('server.key') })).out).toMatch(
      /^(INVALID_URL|DATABASE_UNAVAILABLE)$/,
    )
  })

  test.each([
    ['an authority that the system does not know', 'ssl-mode=VERIFY_CA'],
    [
      'an authority that the system does not know, by the ssl parameter of mysql2',
      `ssl=${encodeURIComponent('{"rejectUnauthorized":true}')}`,
    ],
    ['an unknown authority with a check of the host', 'ssl-mode=VERIFY_IDENTITY'],
  ])('is refused for %s: ?%s', async (_, parameters) => {
    const error = await refused(`${server.url}?${parameters}`)
    expect(error).toMatchObject({ ...UNAVAILABLE, retryable: false })
    expect(error.message).toMatch(/certificate/i)
  })

  test('is refused for a certificate of another host', async () => {
    const url = server.url.replace('127.0.0.1', 'localhost')
    const error = await refused(`${url}?ssl-mode=VERIFY_IDENTITY&${authority}`)
    expect(error).toMatchObject({ ...UNAVAILABLE, retryable: false })
  })

  test('refuses an unencrypted login of a user that requires TLS', async () => {
    await server.admin("CREATE USER secure@'%' IDENTIFIED BY 'x' REQUIRE SSL")
    await server.admin("GRANT ALL ON `%`.* TO secure@'%'")
    const { url } = await server.database()
    const secure = url.replace(/app:\w+@/, 'secure:x@')
    expect(await refused(`${secure}?ssl-mode=DISABLED`)).toMatchObject(UNAVAILABLE)
    expect(await encrypted(`${secure}?ssl-mode=REQUIRED`)).toBe(true)
  })

  test('an authority’s file that does not exist is INVALID_URL', async () => {
    expect(await refused(`${server.url}?ssl-mode=VERIFY_CA&ssl-ca=/no/such.pem`)).toMatchObject({
      code: 'INVALID_URL',
    })
  })
})

/** An authority, and a certificate by it for 127.0.0.1. */
function makeCertificates(file) {
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore' })
  const key = ['-newkey', 'rsa:2048', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=An authority',
  )
  openssl('req', ...key, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', '/CN=A server')
  fs.writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1')
  const signed = [
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-extfile',
    file('names'),
  ]
  openssl('x509', '-req', '-in', file('server.csr'), ...signed, '-days', '2', '-out', file('server.pem'))
  return true
}
