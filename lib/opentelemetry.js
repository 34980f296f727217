'use strict'

/**
 * Spans and metrics of all calls, by OpenTelemetry's conventions for database clients. They contain nothing
 * about a user: no id, and no error message, which may contain one.
 */

const { performance } = require('node:perf_hooks')
const { context, metrics, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api')
const { own } = require('./fields.js')
const { effects, observers, refusal } = require('./events/observe.js')
const { name, version } = require('../package.json')

/** In seconds, as the conventions advise. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

const REFUSAL = 'media_credits.refusal.code'

/** Created at the first call: a meter created before the app registers a provider never reports anything. */
let instruments

/** Starts to observe all calls. Returns a function that stops. */
function instrument() {
  observers.add(begin)
  return function stop() {
    observers.delete(begin)
    instruments?.stop()
    instruments = undefined
  }
}

function begin(call) {
  // Called by a gauge.
  if (call.operation === 'stats') return undefined
  instruments ??= makeInstruments()
  const { tracer, duration, count, watch } = instruments
  watch(call)
  const attributes = { 'db.system.name': call.system, 'db.operation.name': call.operation }
  const parent = context.active()
  const span = tracer.startSpan(call.operation, { kind: SpanKind.CLIENT, attributes }, parent)
  const traced = trace.setSpan(parent, span)
  const items = own(call.passed[0], '$list')?.length
  if (items > 1) span.setAttribute('db.operation.batch.size', items)
  const started = performance.now()
  return (error, value, reply) => {
    const seconds = (performance.now() - started) / 1000
    const refused = error && refusal(call, error, reply)
    // A rejection is a regular result, not an error.
    if (refused) span.setAttribute(REFUSAL, refused.code)
    else if (error) {
      attributes['error.type'] = own(error, 'code') ?? error.name
      const status = own(error, 'databaseCode')
      if (status) attributes['db.response.status_code'] = status
      span.setAttributes(attributes).setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end()
    duration.record(seconds, attributes, traced)
    count(call, refused, error ? [] : effects(call, value, reply), traced)
  }
}

function makeInstruments() {
  const meter = metrics.getMeter(name, version)
  const duration = meter.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations.',
    advice: { explicitBucketBoundaries: DURATION_BUCKETS },
  })
  const counter = (what, unit, description) =>
    meter.createCounter(`media_credits.${what}`, { unit, description })
  const credits = {
    charged: counter('charged', '{credit}', 'Credits that were charged.'),
    refunded: counter('refunded', '{credit}', 'Credits that went back.'),
  }
  const refusals = counter('refusals', '{refusal}', 'Calls that the ledger refused.')
  function count({ system, operation }, refused, changes, traced) {
    const attributes = { 'db.system.name': system, 'db.operation.name': operation }
    for (const change of changes) own(credits, change.event)?.add(change.credits, attributes, traced)
    if (refused) refusals.add(1, { ...attributes, [REFUSAL]: refused.code }, traced)
  }
  return { tracer: trace.getTracer(name, version), duration, count, ...watchQueues(meter) }
}

/** Gauges of the queues of all connections in use. */
function watchQueues(meter) {
  const known = new WeakSet()
  const connections = new Set()
  const gauge = (what, description) =>
    meter.createObservableGauge(`media_credits.queue.${what}`, { unit: '{request}', description })
  const gauges = {
    queued: gauge('queued', 'Requests that wait for their turn; of several databases, the most.'),
    running: gauge('running', 'Requests that are worked on; of several databases, the most.'),
  }

  function watch({ connection, system }) {
    if (known.has(connection) || typeof connection.stats !== 'function') return
    known.add(connection)
    connections.add({ connection: new WeakRef(connection), system })
  }

  async function report(result) {
    const most = { queued: {}, running: {} }
    for (const entry of connections) {
      const connection = entry.connection.deref()
      if (!connection) connections.delete(entry)
      // A closed connection has none.
      const stats = await connection?.stats().catch(() => undefined)
      for (const what of Object.keys(gauges)) {
        const number = stats?.queue?.[what]
        if (Number.isFinite(number))
          most[what][entry.system] = Math.max(number, most[what][entry.system] ?? 0)
      }
    }
    for (const [what, systems] of Object.entries(most)) {
      for (const [system, number] of Object.entries(systems)) {
        result.observe(gauges[what], number, { 'db.system.name': system })
      }
    }
  }

  const observed = Object.values(gauges)
  meter.addBatchObservableCallback(report, observed)
  return { watch, stop: () => meter.removeBatchObservableCallback(report, observed) }
}

module.exports = { instrument }
