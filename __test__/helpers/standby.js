'use strict'

/** A separate primary, with a hot standby that streams from it. */

const { start } = require('../../scripts/test-postgres')
const { until } = require('./callers')
const { afterwards, ownServer } = require('./network')
const { clientOf, urlOf } = require('./postgres')

const PRIMARY = {
  // Keeps the log for a standby that is stopped for a moment.
  wal_keep_size: '128MB',
}
const STANDBY = { wal_retrieve_retry_interval: '100ms' }

/** For a file: a primary and its standby, with additional `settings` of postgresql.conf. */
function ownPair(settings = {}) {
  const primary = ownServer(PRIMARY)
  const standby = {}
  beforeAll(async () => {
    Object.assign(standby, await start({ standbyOf: primary, settings: { ...STANDBY, ...settings } }))
  }, 60_000)
  afterAll(() => standby.stop?.())
  return { primary, standby }
}

/** The URL of the primary's database on the standby. */
const urlOn = (server, database) => urlOf(server.url, database.store.name)

/** The URL of a database with these servers as its hosts, in this order. */
function urlOfHosts(database, servers, parameters = '') {
  const { username, password, pathname } = new URL(database.url)
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join()
  return `postgres://${username}:${password}@${hosts}${pathname}${parameters}`
}

/** A client of the standby, for reads without the package. */
function clientOn(server, database) {
  const client = clientOf(urlOn(server, database))
  afterwards(() => client.end({ timeout: 1 }))
  return client
}

/** Waits until a standby has applied everything that the primary has written so far. */
async function caughtUp({ primary, standby }) {
  // Its commit flushes to the disk, and so to the standby, the writes of open transactions too.
  await primary.admin`SELECT pg_logical_emit_message(true, 'test', '')`
  const [{ lsn }] = await primary.admin`SELECT pg_current_wal_flush_lsn() AS lsn`
  const client = clientOf(standby.url)
  const sql = `SELECT pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn AS is`
  await until(async () => (await client.unsafe(sql).catch(() => [{}]))[0].is, 'the standby has caught up')
  await client.end({ timeout: 1 })
}

module.exports = { caughtUp, clientOn, ownPair, urlOfHosts, urlOn }
