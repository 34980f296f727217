'use strict'

/** The token of a libSQL server is not in an error, a log or the output of a command, whatever goes wrong. */

const { MediaCreditsError, connect } = require('../..')
const { cli } = require('../helpers/cli')
const { TestDatabase, task } = require('../helpers/database')
const { SECRET, through } = require('../helpers/libsql-proxy')
const { evaluate } = require('../helpers/processes')
const { expectNoSecret } = require('../helpers/secrets')
const { describeWithSqld } = require('../helpers/sqld')

TestDatabase.reuse()

const URLS = [
  ['no server listens', `http://127.0.0.1:1?authToken=${SECRET}`, 'DATABASE_UNAVAILABLE'],
  ['a host that does not exist', `libsql://nowhere.invalid?authToken=${SECRET}`, 'DATABASE_UNAVAILABLE'],
  ['no encryption', `http://10.0.0.1?authToken=${SECRET}`, 'INVALID_URL'],
  ['the token as a password', `libsql://app:${SECRET}@db`, 'INVALID_URL'],
  ['the token as a user', `libsql://${SECRET}@db`, 'INVALID_URL'],
  ['another parameter', `libsql://db?token=${SECRET}`, 'INVALID_URL'],
  ['a space in the token', `libsql://db?authToken=${SECRET}%20x`, 'INVALID_URL'],
  ['a % in the token', `libsql://db?authToken=${SECRET}%zz`, 'INVALID_URL'],
  ['a # before the token', `libsql://db#?authToken=${SECRET}`, 'INVALID_URL'],
  ['a port that is no number', `libsql://db:port?authToken=${SECRET}`, 'INVALID_URL'],
  ['tls that is neither 0 nor 1', `libsql://db?authToken=${SECRET}&tls=yes`, 'INVALID_URL'],
  ['no slashes', `libsql:db?authToken=${SECRET}`, 'INVALID_URL'],
  ['no host', `libsql://?authToken=${SECRET}`, 'INVALID_URL'],
  ['a mistyped scheme', `libsq://db?authToken=${SECRET}`, 'UNSUPPORTED_DATABASE'],
]

const callsOf = (credits) => [
  () => credits.getRemainingCredits('u'),
  () => credits.createMediaTask(task('t', 'u'), 1),
  () => credits.getDiagnostics(),
  () => credits.createTables(),
]

/** Each call's error, which is this package's own. */
async function errorsOf(calls) {
  const errors = []
  for (const call of calls) errors.push(await call().catch((error) => error))
  for (const error of errors) expect(error).toBeInstanceOf(MediaCreditsError)
  return errors
}

test.each(URLS)('%s: the token is not in the error, nor in the output of doctor', async (_, url, code) => {
  const credits = connect({ url, connectTimeoutMs: 1000 })
  const errors = await errorsOf(callsOf(credits))
  expect(errors.map((error) => error.code)).toEqual(errors.map(() => code))
  for (const shown of [...errors, credits]) expectNoSecret(shown, SECRET)
  await credits.close()
  const doctor = await cli(['doctor'], { env: { DATABASE_URL: url }, isAlone: true })
  expect(doctor).toMatchObject({ code: 1, errors: '' })
  expect(doctor.out).toContain('problem')
  expect(doctor.out).not.toContain(SECRET)
})

/** The bodies of answers that repeat the token, as a proxy does that shows the request. */
const REPEATING = [
  { error: `Bearer ${SECRET} is odd` },
  { message: `Bearer ${SECRET} is odd`, code: 'ODD' },
  { message: 'odd', code: SECRET },
]

describeWithSqld('an answer that repeats the token', () => {
  test.each([400, 401, 403, 404, 413, 418, 429, 500, 503])(
    'with status %d: the error does not repeat it',
    async (status) => {
      const { proxy, credits } = await through({ connectTimeoutMs: 500 })
      const charge = () => credits.consumeCredits({ userId: 'u', credits: 1 })
      await credits.getRemainingCredits('u')
      for (const refusal of REPEATING.map((body) => ({ status, body: JSON.stringify(body) }))) {
        proxy.onRead = ({ send }) => send(refusal)
        const errors = await errorsOf([() => credits.getRemainingCredits('u'), charge])
        proxy.onRead = undefined
        proxy.faults = Array.from({ length: 500 }, () => refusal)
        errors.push(...(await errorsOf([charge, credits.createTables])))
        const { writeRefusal } = await credits.getDiagnostics()
        proxy.faults = []
        for (const shown of [...errors, writeRefusal]) expectNoSecret(shown, SECRET)
      }
    },
  )
})

describeWithSqld('the log', () => {
  test('does not contain the token when calls succeed, are lost, are redirected and are refused', async () => {
    const { proxy } = await through()
    const refused = { status: 401, body: JSON.stringify({ error: `Bearer ${SECRET} is odd` }) }
    const moved = { status: 307, headers: { location: `${proxy.url}/v3/pipeline?authToken=${SECRET}` } }
    proxy.faults = ['the connection breaks before the server has it', undefined, refused, moved]
    const source = `(async () => {
      const { consumeCredits } = credits.connect({ url: '${proxy.url}?authToken=${SECRET}' })
      for (let at = 0; at < 4; at++)
        console.log(await consumeCredits({ userId: 'u', credits: 1 }).then(() => 'done', ({ code }) => code))
    })()`
    const { out } = await evaluate(source, { MEDIA_CREDITS_LOG: 'trace' })
    const lines = out.split('\n').filter((line) => /^[a-z]+$|^[A-Z_]+$/.test(line))
    expect(lines).toEqual(['done', 'DATABASE_UNAVAILABLE', 'done', 'done'])
    expect(out).toContain('the database has moved')
    expect(out).toContain('a write was not answered')
    expect(out).not.toContain(SECRET)
  })
})
