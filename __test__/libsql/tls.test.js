'use strict'

/** An encrypted server, like Turso, with a certificate that the machine trusts or not. */

const fs = require('node:fs')
const https = require('node:https')
const os = require('node:os')
const path = require('node:path')
const { describeWithOpenssl, makeCertificate } = require('../helpers/certificates')
const { TestDatabase } = require('../helpers/database')
const { passOnTo } = require('../helpers/libsql-proxy')
const { evaluate } = require('../helpers/processes')

/** The output of a process whose machine trusts the certificates of a file: its task and the balance, or an error. */
async function charged(url, authorities) {
  const source = `(async () => {
    const { consumeCredits, getRemainingCredits, getDiagnostics } = credits.connect({ url: ${JSON.stringify(url)} })
    try {
      await consumeCredits({ userId: 'u', credits: 10 })
      const { encrypted } = await getDiagnostics()
      console.log(JSON.stringify({ left: await getRemainingCredits('u'), encrypted }))
    } catch ({ code, retryable, message }) {
      console.log(JSON.stringify({ code, retryable, message }))
    }
  })()`
  const { out } = await evaluate(source, { SSL_CERT_FILE: authorities })
  return JSON.parse(out)
}

describeWithOpenssl('an encrypted server', () => {
  let folder, database, server, own, other

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-tls-'))
    own = makeCertificate(folder, 'own', 'localhost')
    other = makeCertificate(folder, 'other', 'localhost')
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  /** A proxy with TLS in front of the database's server. */
  beforeEach(async () => {
    database = await TestDatabase.fresh()
    await database.user('u', 100)
    const pair = { cert: fs.readFileSync(own.cert), key: fs.readFileSync(own.key) }
    server = https.createServer(pair, passOnTo(database.url))
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })

  const urlOf = (scheme, host) => `${scheme}://${host}:${server.address().port}`

  test.each(['libsql', 'https', 'wss'])(
    'is used with %s if the machine trusts its certificate',
    async (scheme) => {
      expect(await charged(urlOf(scheme, 'localhost'), own.cert)).toEqual({ left: 90, encrypted: true })
    },
  )

  test.each([
    ['with a certificate that the machine does not trust', 'localhost', () => other.cert],
    ['with a certificate for another name', '127.0.0.1', () => own.cert],
  ])('%s is refused, and receives nothing', async (_, host, authorities) => {
    const error = await charged(urlOf('libsql', host), authorities())
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: false })
    expect(error.message).toMatch(/certificate/)
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })

  test('can not be replaced by one without encryption', async () => {
    const error = await charged(database.url.replace('http:', 'https:'), own.cert)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
  })
})
