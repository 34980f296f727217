'use strict'

/** Answers that are lost, delayed or wrong between this package and a libSQL server. */

const { MediaCreditsError } = require('../..')
const { cliOn } = require('../helpers/cli')
const { TestDatabase, task } = require('../helpers/database')
const { FAULTS, SECRET, connectThrough, through } = require('../helpers/libsql-proxy')
const { describeWithSqld } = require('../helpers/sqld')
const { violations } = require('../helpers/invariants')

// Each test is about rows, or about what a proxy does.
TestDatabase.reuse()

const errorOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => error,
  )

const charge = (number, credits = 10) => ({ userId: 'u', credits, transactionNo: `n-${number}` })

/** Changes, each with the balance that it leaves of 100 credits. */
const CHANGES = {
  consumeCredits: [(credits) => credits.consumeCredits({ userId: 'u', credits: 10 }), 90],
  createMediaTask: [(credits) => credits.createMediaTask(task('t', 'u'), 10), 90],
  'a task without a charge': [(credits) => credits.createMediaTask(task('t', 'u'), 0), 100],
  'an atomic createMediaTasks': [
    (credits) =>
      credits.createMediaTasks(
        ['a', 'b', 'c'].map((id) => ({ task: task(id, 'u'), costCredits: 10 })),
        { atomic: true },
      ),
    70,
  ],
  createCredit: [
    (credits) => credits.createCredit({ userId: 'u', credits: 5, transactionScene: 'gift' }),
    105,
  ],
  updateMediaTaskById: [(credits) => credits.updateMediaTaskById('old', { status: 'failed' }), 100, 'old'],
  'a patch without a refund': [(credits) => credits.updateMediaTaskById('old', { progress: 5 }), 80, 'old'],
  chargeMediaTask: [(credits) => credits.chargeMediaTask('old', { credits: 10 }), 70, 'old'],
  settleMediaTask: [(credits) => credits.settleMediaTask('old', 5), 95, 'old'],
  claimTopUp: [
    async (credits) => {
      const claim = { userId: 'u', below: 999, credits: 10, transactionNo: 'top' }
      const { claimed, credit } = await credits.claimTopUp(claim)
      expect([claimed, credit.status]).toEqual([true, 'pending'])
    },
    100,
  ],
  renewGrants: [
    (credits) =>
      credits.renewGrants({
        ...{ userId: 'u', subscriptionNo: 's', credits: 10 },
        ...{ periodEnd: new Date(9e12), transactionNo: 'period' },
      }),
    110,
  ],
  'a hold': [
    (credits) => credits.consumeCredits({ userId: 'u', credits: 10, holdUntil: new Date(9e12) }),
    90,
  ],
  'settleMediaTask to more': [
    (credits) => credits.settleMediaTask('old', 25, { over: 'available' }),
    75,
    'old',
  ],
  refundCredits: [
    async (credits) => {
      const { creditId } = await credits.findMediaTaskById('old')
      return credits.refundCredits(creditId)
    },
    100,
    'old',
  ],
}

describeWithSqld('one answer to a write is lost:', () => {
  for (const [name, [change, left, old]] of Object.entries(CHANGES)) {
    test(`${name} is written once and succeeds`, async () => {
      for (const fault of FAULTS) {
        const { database, proxy, credits } = await through()
        if (old) await database.credits.createMediaTask(task(old, 'u'), 20)
        proxy.faults = [fault]
        const made = await errorOf(change(credits))
        expect([fault, made]).not.toEqual([fault, expect.any(Error)])
        expect(proxy.faults).toEqual([])
        expect(proxy.late).toEqual([])
        expect([fault, await database.credits.getRemainingCredits('u')]).toEqual([fault, left])
        expect(await violations(database)).toEqual([])
      }
    })
  }

  test('of 400 charges with a fault at each third write each acknowledged one is written once', async () => {
    const { database, proxy, credits } = await through()
    await database.user('v', 10_000)
    for (let at = 0; at < 2000; at++) proxy.faults.push(at % 3 === 0 ? FAULTS[at % FAULTS.length] : undefined)
    const calls = Array.from({ length: 400 }, (_, at) =>
      credits.consumeCredits({ userId: at % 2 ? 'u' : 'v', credits: 1, transactionNo: `n-${at}` }),
    )
    const settled = await Promise.allSettled(calls)
    const refused = settled.filter(({ status }) => status === 'rejected')
    expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(new Set(['INSUFFICIENT_CREDITS']))
    await proxy.deliver()
    const acknowledged = settled.filter(({ status }) => status === 'fulfilled').length
    expect(acknowledged).toBe(300)
    expect(
      await database.sql("SELECT count(*) AS written FROM credit WHERE transaction_no LIKE 'n-%'"),
    ).toEqual([{ written: acknowledged }])
    expect(await violations(database)).toEqual([])
  })
})

describeWithSqld('a server that answers late or not at all', () => {
  test('makes a write reject with OUTCOME_UNKNOWN after the timeout of the options', async () => {
    const { database, proxy, credits } = await through({ statementTimeoutMs: 300, busyTimeoutMs: 0 })
    await credits.getRemainingCredits('u')
    proxy.faults = ['nothing comes']
    const error = await errorOf(credits.consumeCredits(charge(1)))
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false })
    expect(error.message).toContain('statementTimeoutMs')
    expect(await database.credits.getRemainingCredits('u')).toBe(100)
    // The next write is not blocked.
    await credits.consumeCredits(charge(2))
  })

  test('makes calls behind a write reject with DATABASE_BUSY, unsent', async () => {
    const { database, proxy, credits } = await through({ statementTimeoutMs: 1000, busyTimeoutMs: 0 })
    await database.user('v', 100)
    await credits.getRemainingCredits('u')
    const sent = new Promise((resolve) => {
      proxy.faults = [() => resolve()]
    })
    // The check of the server after the first write is not answered either.
    proxy.onRead = async ({ body, forward, send }) => body.includes('"SELECT 1"') || send(await forward())
    const first = errorOf(credits.consumeCredits(charge(1)))
    await sent
    const behind = await errorOf(credits.consumeCredits({ ...charge(2), userId: 'v' }))
    expect(behind).toMatchObject({ code: 'DATABASE_BUSY', retryable: true })
    expect(behind.message).toContain('waited too long for other calls of this process')
    expect(behind.message).toContain('owes this process the reply to another write')
    expect(await first).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(proxy.writes).toBe(1)
    expect(await database.credits.getRemainingCredits('v')).toBe(100)
  })

  test('is waited for if it answers within that time, and the write is not sent again', async () => {
    const { database, proxy, credits } = await through({ statementTimeoutMs: 4000, busyTimeoutMs: 0 })
    await credits.getRemainingCredits('u')
    const slow = async ({ forward, send }) => {
      const answer = await forward()
      setTimeout(() => send(answer), 3000)
    }
    proxy.faults = [slow]
    expect(await proxy.counted(() => credits.consumeCredits(charge(1)))).toEqual([1, 1])
    expect(await database.credits.getRemainingCredits('u')).toBe(90)
  })

  test('is reported in the error if it answers reads but no writes', async () => {
    const { database, proxy, credits } = await through({ statementTimeoutMs: 300, busyTimeoutMs: 0 })
    await credits.getRemainingCredits('u')
    proxy.isWedged = true
    const error = await errorOf(credits.consumeCredits(charge(1)))
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false })
    expect(error.message).toContain('the server answers reads, but has not answered this write')
    expect(await credits.getDiagnostics()).toMatchObject({ answersWrites: false })
    const { code, json } = await cliOn({ ...database, url: proxy.url }, 'doctor', '--json')
    const { status, message } = json.checks.find(({ name }) => name === 'writes')
    expect([code, status]).toEqual([1, 'problem'])
    expect(message).toContain('restart the server')
    proxy.isWedged = false
    expect(await credits.getDiagnostics()).toMatchObject({ answersWrites: true })
    await credits.consumeCredits(charge(2))
  })

  test.each([
    ['SQLITE_READONLY', false, 'problem'],
    ['BLOCKED', false, 'problem'],
    ['SQLITE_BUSY', true, 'warning'],
  ])('is reported in the error if it refuses writes (%s)', async (code, retryable, expected) => {
    const { database, proxy, credits } = await through()
    const refusal = { status: 400, body: JSON.stringify({ message: 'no writes', code }) }
    proxy.faults = [refusal]
    const found = await credits.getDiagnostics()
    expect(found).toMatchObject({ answersWrites: false, writeRefusal: { retryable } })
    proxy.faults = [refusal]
    const { json } = await cliOn({ ...database, url: proxy.url }, 'doctor', '--json')
    const { status, message } = json.checks.find(({ name }) => name === 'writes')
    expect(status).toBe(expected)
    expect(message).toContain('no writes')
  })

  test('is DATABASE_UNAVAILABLE without a write if it does not run', async () => {
    const { proxy, credits } = await through()
    await proxy.stop()
    const error = await errorOf(credits.consumeCredits(charge(1)))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
  })
})

describeWithSqld('an idle connection', () => {
  /** The keep-alive time of the server, and the number of connections for the tables and three reads, five requests. */
  const KEPT = [
    ['is reused if the server keeps it for a minute', 60_000, 1],
    [
      'is not reused if the server keeps it for a second, because it may be closed before the request arrives',
      1000,
      5,
    ],
  ]
  test('that its server has closed costs no call', async () => {
    const { database, proxy, credits } = await through()
    const all = () =>
      Promise.all([
        ...Array.from({ length: 4 }, () => credits.consumeCredits({ userId: 'u', credits: 1 })),
        ...Array.from({ length: 4 }, () => credits.getMediaTaskHistory('u')),
      ])
    for (let round = 0; round < 5; round++) {
      await all()
      proxy.server.closeAllConnections()
    }
    expect(await database.credits.getRemainingCredits('u')).toBe(80)
  })

  test.each(KEPT)('%s', async (_, keepAliveTimeout, connections) => {
    const { proxy, credits } = await through()
    proxy.server.keepAliveTimeout = keepAliveTimeout
    for (let at = 0; at < 3; at++) await credits.getRemainingCredits('u')
    expect(proxy.connections).toBe(connections)
  })
})

describeWithSqld('a server that answers with another status', () => {
  const ANSWERS = [
    [
      401,
      'DATABASE_UNAVAILABLE',
      false,
      'it may have expired: make a new one for DATABASE_AUTH_TOKEN or authToken',
    ],
    [403, 'DATABASE_UNAVAILABLE', false, 'it may have expired'],
    [
      404,
      'DATABASE_UNAVAILABLE',
      false,
      'there is no such database (404). Nothing was written; check DATABASE_URL',
    ],
    [418, 'DATABASE_UNAVAILABLE', false, 'check that DATABASE_URL names a libSQL server'],
  ]
  test.each(ANSWERS)(
    'a server that answers a charge with %d is reported as %s',
    async (status, code, retryable, words) => {
      const { proxy, credits } = await through()
      await credits.getRemainingCredits('u')
      proxy.faults = Array.from({ length: 50 }, () => ({ status, body: `no ${SECRET}` }))
      const error = await errorOf(credits.consumeCredits(charge(1)))
      expect(error).toBeInstanceOf(MediaCreditsError)
      expect(error).toMatchObject({ code, retryable })
      expect(error.message).toContain(words)
      expect(error.message).not.toContain(SECRET)
      proxy.faults = []
      await credits.consumeCredits(charge(1))
    },
  )

  /** The second one is answered while most of it is still under way. */
  test.each([30_000, 8_000_000])(
    'a 413 refuses a request of %d bytes, and no other one of its batch',
    async (long) => {
      const { proxy, credits } = await through()
      await credits.getRemainingCredits('u')
      proxy.longest = 20_000
      const asked = Array.from({ length: 24 }, (_, at) => {
        const prompt = 'p'.repeat(at === 7 ? long : 2000)
        const rest = { mediaType: 'image', provider: 'p', model: 'm', status: 'pending', costCredits: 1 }
        return errorOf(credits.createAITask({ id: `t${at}`, userId: 'u', prompt, ...rest }))
      })
      const made = await Promise.all(asked)
      const refused = made.filter((error) => error instanceof Error)
      expect(refused).toEqual([made[7]])
      expect(made[7]).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: 'HTTP_413', retryable: false })
      expect(made[7].message).toContain('shorten its texts')
      expect(await credits.getRemainingCredits('u')).toBe(77)
    },
  )

  test.each([
    ['as long as the server demands', { 'retry-after': '1' }],
    ['for a second if the server does not say how long', {}],
    ['for a second if the server names a date', { 'retry-after': new Date(9e12).toUTCString() }],
  ])('a charge waits after a 429 %s', async (_, headers) => {
    const { proxy, credits } = await through()
    await credits.getRemainingCredits('u')
    proxy.faults = [{ status: 429, headers }]
    const began = performance.now()
    await credits.consumeCredits(charge(1))
    expect(performance.now() - began).toBeGreaterThan(950)
  })

  /** A pause, and the one that is demanded after it: in seconds, and more than a duration can be. */
  const PAUSES = [[], ['1']].flatMap((before) =>
    ['60', `${2n ** 64n - 1n}`].map((last) => [[...before, last]]),
  )
  test.each(PAUSES)('a 429 for longer than connectTimeoutMs is an error (%j)', async (pauses) => {
    const { proxy, credits } = await through({ connectTimeoutMs: 2500 })
    await credits.getRemainingCredits('u')
    proxy.faults = pauses.map((seconds) => ({ status: 429, headers: { 'retry-after': seconds } }))
    const error = await errorOf(credits.consumeCredits(charge(1)))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
    expect(error.message).toContain('fewer requests (429)')
  })

  test.each([301, 302, 307, 308])(
    'a charge follows a %d to the new address, with the token only on the same host',
    async (status) => {
      const { database, proxy, credits } = await through()
      const { proxy: other } = await connectThrough(database.url)
      await credits.getRemainingCredits('u')
      proxy.faults = [{ status, headers: { location: `${other.url}/v3/pipeline` } }]
      await credits.consumeCredits(charge(1))
      expect(other.writes).toBe(1)
      expect(other.headers.authorization).toBe(`Bearer ${SECRET}`)
      const elsewhere = other.url.replace('127.0.0.1', 'localhost')
      other.faults = [{ status, headers: { location: `${elsewhere}/v3/pipeline` } }]
      await credits.consumeCredits(charge(2))
      expect(other.headers.host).toContain('localhost')
      expect(other.headers.authorization).toBeUndefined()
    },
  )

  test('a redirect in a circle ends', async () => {
    const { proxy, credits } = await through()
    await credits.getRemainingCredits('u')
    const circle = { status: 307, headers: { location: `${proxy.url}/v3/pipeline` } }
    proxy.faults = Array.from({ length: 50 }, () => circle)
    expect(await errorOf(credits.consumeCredits(charge(1)))).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })
})

describeWithSqld('a text that is not UTF-8', () => {
  test('is a database error, and the call writes nothing', async () => {
    const { database, credits } = await through()
    await credits.createMediaTask(task('t', 'u'), 10)
    const everything = () => database.sql('SELECT hex(title) AS title, progress FROM media_tasks')
    await database.sql("UPDATE media_tasks SET title = CAST(x'41ff42' AS TEXT)")
    const before = await everything()
    const odd = { code: 'DATABASE_ERROR', databaseCode: 'INVALID_UTF8', retryable: false }
    expect(await errorOf(credits.findMediaTaskById('t'))).toMatchObject(odd)
    expect(await errorOf(credits.updateMediaTaskById('t', { progress: 5 }))).toMatchObject(odd)
    expect(await everything()).toEqual(before)
    await credits.updateMediaTaskById('t', { title: 'AB' })
  })
})
