'use strict'

const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { context, metrics, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api')
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks')
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics')
const {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} = require('@opentelemetry/sdk-trace-base')
const appCredits = require('../..')
const { instrument } = require('../../lib/opentelemetry')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')
const { byStorage } = require('../helpers/storage')

const { connect } = appCredits

const ROOT = path.join(__dirname, '../..')
const SYSTEM = byStorage({ sqlite: 'sqlite', postgres: 'postgresql', mysql: 'mysql' })

let spans
let meters
let measured
let stop
beforeEach(() => {
  // Before a provider is set, as when the app's own code starts first.
  stop = instrument()
  spans = new InMemorySpanExporter()
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: measured })] })
  metrics.setGlobalMeterProvider(meters)
})
afterEach(async () => {
  stop()
  for (const api of [trace, metrics, context]) api.disable()
  await meters.shutdown()
})

/** A user with 100 credits, made without spans. */
async function withUser(...grants) {
  const database = await TestDatabase.fresh()
  await database.user('u', ...(grants.length ? grants : [100]))
  spans.reset()
  return { database, credits: database.credits }
}

const names = () => spans.getFinishedSpans().map(({ name }) => name)

/** The data points of a metric: `[value, attributes]`. */
async function points(metric) {
  await meters.forceFlush()
  const all =
    measured
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
  const found = all.find(({ descriptor }) => descriptor.name === metric)
  return (found?.dataPoints ?? []).map(({ value, attributes }) => [value, attributes])
}

const of = (operation, more) => ({ 'db.system.name': SYSTEM, 'db.operation.name': operation, ...more })

describe('a span', () => {
  test('is made for each call, as a child of the active span', async () => {
    const { credits } = await withUser()
    const tracer = trace.getTracer('app')
    await tracer.startActiveSpan('POST /api/media/submit', async (route) => {
      await credits.createMediaTask(task('t', 'u'), 10)
      await Promise.all([
        credits.getRemainingCredits('u'),
        tracer.startActiveSpan('worker', async (worker) => {
          await credits.updateMediaTaskById('t', { status: 'failed' })
          worker.end()
        }),
      ])
      route.end()
    })
    const found = Object.fromEntries(spans.getFinishedSpans().map((span) => [span.name, span]))
    const parentOf = ({ parentSpanContext }) =>
      spans.getFinishedSpans().find((span) => span.spanContext().spanId === parentSpanContext?.spanId)?.name
    const { createMediaTask: span } = found
    expect(parentOf(span)).toBe('POST /api/media/submit')
    expect(parentOf(found.getRemainingCredits)).toBe('POST /api/media/submit')
    expect(parentOf(found.updateMediaTaskById)).toBe('worker')
    expect(span.kind).toBe(SpanKind.CLIENT)
    expect(span.attributes).toEqual(of('createMediaTask'))
    expect(span.status).toEqual({ code: SpanStatusCode.UNSET })
    expect(span.ended).toBe(true)
    expect(span.instrumentationScope).toMatchObject({
      name: 'media-credits',
      version: require('../../package.json').version,
    })
  })

  test.each([
    ['of a refusal is not an error', () => [task('t', 'u'), 101], 'INSUFFICIENT_CREDITS', true],
    ['of a caller error is an error', () => [task('t', 'u'), -1], 'INVALID_AMOUNT', false],
    ['of a call for an unknown user is an error', () => [task('t', 'nobody'), 1], 'USER_NOT_FOUND', false],
  ])('%s', async (_, args, code, refused) => {
    const { credits } = await withUser()
    await expect(credits.createMediaTask(...args())).rejects.toMatchObject({ code })
    const [span] = spans.getFinishedSpans()
    const said = refused ? { 'media_credits.refusal.code': code } : { 'error.type': code }
    expect(span.attributes).toEqual(of('createMediaTask', said))
    expect(span.status).toEqual({ code: refused ? SpanStatusCode.UNSET : SpanStatusCode.ERROR })
    expect(span.events).toEqual([])
    const refusals = refused ? [[1, of('createMediaTask', said)]] : []
    expect(await points('media_credits.refusals')).toEqual(refusals)
    const durations = await points('db.client.operation.duration')
    expect(durations.map(([, attributes]) => attributes)).toContainEqual(
      of('createMediaTask', refused ? {} : said),
    )
  })

  test('has the error code of the database, and that of a closed connection', async () => {
    const { database, credits } = await withUser()
    await database.sql(
      byStorage({
        sqlite: `CREATE TRIGGER no BEFORE INSERT ON media_tasks BEGIN SELECT RAISE(ABORT, 'no'); END`,
        postgres: 'ALTER TABLE media_tasks ADD CONSTRAINT no CHECK (false)',
      }),
    )
    const error = await credits.createMediaTask(task('t', 'u'), 1).catch((error) => error)
    const other = connect({ url: database.url })
    await other.close()
    await other.getRemainingCredits('u').catch(() => {})
    const [failed, closed] = spans.getFinishedSpans()
    expect(error.code).toBe('DATABASE_ERROR')
    expect(failed.attributes).toEqual(
      of('createMediaTask', { 'error.type': error.code, 'db.response.status_code': error.databaseCode }),
    )
    expect(closed.attributes).toEqual(of('getRemainingCredits', { 'error.type': 'CLOSED' }))
  })

  test('names the system of the open database after DATABASE_URL has changed', async () => {
    const { database } = await withUser()
    const before = process.env.DATABASE_URL
    try {
      process.env.DATABASE_URL = database.url
      await appCredits.getRemainingCredits('u')
      process.env.DATABASE_URL = byStorage({ sqlite: 'postgres://db/app', postgres: 'file:local.db' })
      await appCredits.getRemainingCredits('u')
    } finally {
      if (before === undefined) delete process.env.DATABASE_URL
      else process.env.DATABASE_URL = before
      await appCredits.close()
    }
    const both = Array(2).fill(of('getRemainingCredits'))
    expect(spans.getFinishedSpans().map(({ attributes }) => attributes)).toEqual(both)
  })

  test('is made for an atomic batch, or for each item of another batch', async () => {
    const { database, credits } = await withUser()
    const items = (...ids) => ids.map((id) => ({ task: task(id, 'u'), costCredits: 1 }))
    await credits.createMediaTasks(items('a', 'b', 'c'), { atomic: true })
    const [batch] = spans.getFinishedSpans()
    expect(batch.attributes).toEqual(of('createMediaTasks', { 'db.operation.batch.size': 3 }))
    spans.reset()
    await credits.createMediaTasks(items('d', 'e'))
    expect(names()).toEqual(['createMediaTask', 'createMediaTask'])
    await database.sql('UPDATE media_tasks SET updated_at = ?', new Date(Date.now() - 3_600_000))
    spans.reset()
    await credits.failStuckMediaTasks({ olderThanMs: 60_000 })
    expect(names().filter((name) => name === 'updateMediaTaskById')).toHaveLength(5)
    expect(new Set(names())).toEqual(new Set(['failStuckMediaTasks', 'updateMediaTaskById']))
    expect(await points('media_credits.charged')).toEqual([
      [3, of('createMediaTasks')],
      [2, of('createMediaTask')],
    ])
    expect(await points('media_credits.refunded')).toEqual([[5, of('updateMediaTaskById')]])
  })

  test('is not made for the reads of events, nor twice, nor after the end', async () => {
    const { credits } = await withUser()
    instrument()
    const low = new Promise((resolve) => credits.on('balance-low', { below: 95 }, resolve))
    await credits.consumeCredits({ userId: 'u', credits: 10 })
    expect(await low).toMatchObject({ balance: 90 })
    expect(names()).toEqual(['consumeCredits'])
    stop()
    await credits.consumeCredits({ userId: 'u', credits: 10 })
    expect(names()).toEqual(['consumeCredits'])
  })

  test('that can not be made does not affect the call', async () => {
    const { database } = await withUser()
    const source = `
      const { trace } = require('@opentelemetry/api')
      const startSpan = () => { throw new Error('no spans today') }
      trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) })
      require('media-credits/opentelemetry').instrument()
      process.on('unhandledRejection', ({ message }) => console.log('unhandled:', message))
      credits.consumeCredits({ userId: 'u', credits: 10 }).then((charge) => console.log(charge.credits))`
    const { code, out } = await evaluate(source, { DATABASE_URL: database.url })
    expect({ code, out }).toEqual({ code: 0, out: 'unhandled: no spans today\n-10' })
  })
})

test('metrics count credits, refusals and seconds', async () => {
  const { database, credits } = await withUser()
  await credits.createMediaTask(task('t', 'u'), 10)
  await credits.createMediaTask(task('t', 'u'), 10, { replay: true })
  await credits.createMediaTask(task('free', 'u'), 0)
  await credits.createAITask(aiTask('a', 'u', { costCredits: 7 }))
  await credits.chargeMediaTask('t', { credits: 5 })
  await credits.settleMediaTask('t', 3)
  await credits.updateMediaTaskById('t', { status: 'failed' })
  await credits.updateMediaTaskById('t', { status: 'failed' })
  const charge = await credits.consumeCredits({ userId: 'u', credits: 2 })
  await credits.refundCredits(charge.id)
  for (let times = 0; times < 3; times++) {
    await credits.consumeCredits({ userId: 'u', credits: 1000 }).catch(() => {})
  }
  expect(await points('media_credits.charged')).toEqual([
    [10, of('createMediaTask')],
    [7, of('createAITask')],
    [5, of('chargeMediaTask')],
    [2, of('consumeCredits')],
  ])
  expect(await points('media_credits.refunded')).toEqual([
    [2, of('settleMediaTask')],
    [3, of('updateMediaTaskById')],
    [2, of('refundCredits')],
  ])
  expect(await points('media_credits.refusals')).toEqual([
    [3, of('consumeCredits', { 'media_credits.refusal.code': 'INSUFFICIENT_CREDITS' })],
  ])
  const [[duration]] = (await points('db.client.operation.duration')).filter(
    ([, attributes]) => attributes['db.operation.name'] === 'createMediaTask',
  )
  expect(duration.count).toBe(3)
  expect(duration.buckets.boundaries).toEqual([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10])
  expect(duration.sum).toBeGreaterThan(0)
  expect(duration.max).toBeLessThan(30)
  expect(await database.credits.getRemainingCredits('u')).toBe(83)
})

test('gauges report the queues of open connections', async () => {
  const { database, credits } = await withUser()
  const other = connect({ url: database.url })
  const stats = (queued, running) => async () => ({ queue: { queued, running } })
  Object.assign(credits, { stats: stats(3, 1) })
  Object.assign(other, { stats: stats(2, 7) })
  const closed = Object.assign(connect({ url: database.url }), { stats: () => Promise.reject(new Error()) })
  for (const connection of [credits, other, closed]) await connection.getRemainingCredits('u')
  expect(await points('media_credits.queue.queued')).toEqual([[3, { 'db.system.name': SYSTEM }]])
  expect(await points('media_credits.queue.running')).toEqual([[7, { 'db.system.name': SYSTEM }]])
  for (const connection of [other, closed]) await connection.close()
})

test('spans and metrics contain no user data', async () => {
  const { database, credits } = await withUser()
  const SECRET = 'Zw7secret'
  const own = { title: SECRET, author: SECRET, videoUrl: `https://${SECRET}/`, errorMessage: SECRET }
  const userId = `${SECRET}-user`
  await database.user(userId, { credits: 100, description: SECRET, metadata: { note: SECRET } })
  const id = `${SECRET}-task`
  await credits.createMediaTask(task(id, userId, own), 10)
  await credits.chargeMediaTask(id, { credits: 1, description: SECRET, transactionNo: SECRET })
  await credits.settleMediaTask(id, 0)
  await credits.updateMediaTaskById(id, { status: 'failed', errorMessage: SECRET })
  await credits.createAITask(aiTask(`${id}-ai`, userId, { prompt: SECRET, costCredits: 1 }))
  await credits.getCredits({ userId })
  const failing = [
    () => credits.createMediaTask(task(id, userId), 10),
    () => credits.createMediaTask(task(SECRET, `${SECRET}-nobody`), 10),
    () => credits.createMediaTask(task(SECRET, userId), 1000),
    () => credits.createMediaTask(task(SECRET, userId, { [SECRET]: SECRET }), 1),
    () => credits.createMediaTask(task(SECRET, userId, { likes: SECRET }), 1),
    () => credits.consumeCredits({ userId, credits: 1, transactionNo: SECRET }),
    () => credits.consumeCredits({ userId, credits: SECRET }),
    () => credits.updateMediaTaskById(id, { status: 'completed' }),
    () => credits.updateMediaTaskById(id, {}, { ifStatus: SECRET }),
    () => credits.refundCredits(SECRET),
  ]
  for (const call of failing) await expect(call()).rejects.toThrow()
  const wrong = connect({ url: `postgres://${SECRET}:${SECRET}@127.0.0.1:1/${SECRET}` })
  await expect(wrong.getCredits({ userId })).rejects.toThrow()
  await wrong.close()
  await meters.forceFlush()
  const told = spans.getFinishedSpans().map(({ name, attributes, events, links, status, resource }) => ({
    name,
    attributes,
    events,
    links,
    status,
    resource: resource.attributes,
  }))
  const all = JSON.stringify([told, measured.getMetrics()])
  expect(told.length).toBeGreaterThan(15)
  expect(all).toContain('TASK_REFUNDED')
  expect(all).toContain('media_credits.charged')
  expect(all).not.toContain(SECRET)
})

describe('the package', () => {
  const run = (...args) => execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }).trim()
  const MISSING = `
    const Module = require('node:module')
    const find = Module._resolveFilename
    Module._resolveFilename = (name, ...rest) => {
      if (!name.startsWith('@opentelemetry/')) return find(name, ...rest)
      throw Object.assign(new Error(name + ' is not installed'), { code: 'MODULE_NOT_FOUND' })
    };`

  test('works where @opentelemetry/api is not installed', () => {
    const source = `${MISSING}
      const credits = require('media-credits').connect({ url: ':memory:' })
      credits.on('charged', () => {})
      credits.createTables().then(() => credits.getRemainingCredits('u')).then(console.log)
      try { require('media-credits/opentelemetry') } catch ({ code, message }) { console.log(code, message) }`
    expect(run('-e', source)).toBe('MODULE_NOT_FOUND @opentelemetry/api is not installed\n0')
  })

  test('does not load it before media-credits/opentelemetry is loaded', () => {
    const loaded = `require('media-credits'); console.log(Object.keys(require.cache)
      .filter((file) => file.includes('opentelemetry')).length)`
    expect(run('-e', loaded)).toBe('0')
  })

  test('exports `instrument` for `import` and `require`', () => {
    const source = `
      import { createRequire } from 'node:module'
      import { instrument } from 'media-credits/opentelemetry'
      console.log(createRequire('${ROOT}/')('media-credits/opentelemetry').instrument === instrument)`
    expect(run('--input-type=module', '-e', source)).toBe('true')
  })
})
