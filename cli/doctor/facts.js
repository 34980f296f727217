'use strict'

/** The facts that doctor collects. It writes nothing. */

const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { thisPlatform } = require('../../lib/native/platforms')
const { version } = require('../../package.json')
const { placeOf } = require('../database')

/** The number of reads to measure. */
const READS = 5

/** How long to look for unreadable values, in milliseconds; an audit reads all rows. */
const LOOK_MS = 2000

async function gather({ options, url, source, origins }, folder = process.cwd()) {
  const facts = {
    versions: { package: version, node: process.versions.node, platform: thisPlatform() },
    database: { place: placeOf(url), source },
    sqliteClient: findPackage('@libsql/client', folder),
    operatingSystem: process.platform,
  }
  try {
    const { connect } = require('../..')
    const credits = connect({ ...options, journalMode: 'keep' })
    facts.versions.binary = binary()
    try {
      await look(credits, facts)
      facts.connections = connectionsOf(facts.diagnostics, origins)
    } finally {
      await credits.close()
    }
  } catch (error) {
    // Without a binary there is no connection.
    facts.loadError = error
  }
  return facts
}

async function look(credits, facts) {
  const start = performance.now()
  const [found, error] = await outcomeOf(credits.getDiagnostics())
  facts.connectMs = performance.now() - start
  facts.diagnostics = found
  facts.connectError = error
  if (error) return
  const times = []
  for (let read = 0; read < READS; read++) {
    const before = performance.now()
    const [, error] = await outcomeOf(credits.getRemainingCredits('media-credits doctor'))
    times.push(performance.now() - before)
    facts.schemaError = error
    if (error) return
  }
  facts.roundTripMs = times.sort((one, other) => one - other)[Math.floor(READS / 2)]
  facts.taskErrors = {
    mediaTasks: await errorOf(credits.hasActiveMediaTask('media-credits doctor')),
    aiTasks: await errorOf(credits.getAITasksCount({ userId: 'media-credits doctor' })),
  }
  facts.values = await valuesOf(credits)
}

/** Unreadable values in the first rows, or why they can't be read. */
async function valuesOf(credits) {
  const ENOUGH = new Error('enough was looked at')
  const end = performance.now() + LOOK_MS
  const values = { rows: 0, totalRows: 0, unreadable: [] }
  const onProgress = ({ rows, totalRows }) => {
    if (values.rows > 0 && performance.now() > end) throw ENOUGH
    Object.assign(values, { rows, totalRows })
  }
  try {
    for await (const { kind, message } of credits.auditLedger({ onProgress })) {
      if (kind === 'value-unreadable') values.unreadable.push(message)
    }
  } catch (error) {
    if (error !== ENOUGH) values.error = error
  }
  return values
}

/** The maximum number of connections from the environment, and the source of that value. */
function connectionsOf({ maxConnections: most } = {}, { DB_MAX_CONNECTIONS: origin }) {
  if (most === undefined) return undefined
  return { most, source: origin ? `DB_MAX_CONNECTIONS ${origin}` : 'the default; DB_MAX_CONNECTIONS sets it' }
}

const errorOf = async (promise) => (await outcomeOf(promise))[1]

const outcomeOf = (promise) =>
  promise.then(
    (value) => [value, undefined],
    (error) => [undefined, error],
  )

/** The file of the loaded addon. */
function binary() {
  const loaded = Object.keys(require.cache).find((file) => /media-credits\.[\w-]+\.node$/.test(file))
  return loaded && path.basename(loaded)
}

/** The version of a package that the app in this folder uses. */
function findPackage(name, folder) {
  const paths = createRequire(path.join(folder, 'app.js')).resolve.paths(name)
  for (const modules of paths) {
    try {
      return JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'), 'utf8')).version
    } catch {
      // It is not there.
    }
  }
  return undefined
}

module.exports = { gather }
