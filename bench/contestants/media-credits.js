'use strict'

/**
 * This package: over SQLite with `file` and `durability`, over a server with `url` and `poolSize`. Its name may
 * select an additional feature, whose cost `--variants` shows.
 */

const { connect } = require('../..')
const { COST } = require('../work')

const EVENTS = ['charged', 'refused', 'refunded']
const DAY_CREDITS = 1_000_000_000
const EVERY_SECOND_MS = 1000

/** The options of each charge, and what is started before the first one. */
const VARIANTS = {
  events: { start: listen },
  'balance-low': { start: watchBalances },
  statistics: { start: askForStatistics },
  opentelemetry: { start: instrumentWithoutExport },
  scenes: { options: { scenes: ['payment'] } },
  limit: { options: { limits: [{ credits: DAY_CREDITS, per: 'day' }] } },
}

async function open({ name, file, url = `file:${file}`, durability, poolSize }) {
  const { options, start = () => () => {} } = VARIANTS[name] ?? {}
  const credits = connect({ url, durability, maxConnections: poolSize })
  const stop = start(credits)
  return {
    createTask: options
      ? (task) => credits.createMediaTask(task, COST, options)
      : (task) => credits.createMediaTask(task, COST),
    settings: () => credits.getDiagnostics(),
    close: async () => {
      stop()
      await credits.close()
    },
  }
}

/** A listener for each event, which counts. */
function listen(credits) {
  let told = 0
  for (const event of EVENTS) credits.on(event, () => told++)
  return () => {
    if (told === 0) throw new Error('no event was told')
  }
}

/** Balances are read after charges, and none is low. */
function watchBalances(credits) {
  credits.on('balance-low', { below: COST }, ({ userId }) => {
    throw new Error(`the balance of ${userId} is low`)
  })
  return () => {}
}

function askForStatistics(credits) {
  const timer = setInterval(() => credits.stats(), EVERY_SECOND_MS)
  return () => clearInterval(timer)
}

/**
 * Spans and metrics by OpenTelemetry's SDK. They are discarded, because an exporter is not part of this package.
 */
function instrumentWithoutExport() {
  const { metrics, trace } = require('@opentelemetry/api')
  const { MeterProvider } = require('@opentelemetry/sdk-metrics')
  const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')
  let ended = 0
  const exporter = {
    export: (spans, done) => {
      ended += spans.length
      done({ code: 0 })
    },
    shutdown: async () => {},
  }
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] })
  trace.setGlobalTracerProvider(provider)
  metrics.setGlobalMeterProvider(new MeterProvider())
  const stop = require('../../lib/opentelemetry').instrument()
  return () => {
    stop()
    void provider.forceFlush().then(() => {
      if (ended === 0) throw new Error('no span has ended')
    })
  }
}

module.exports = { open }
