'use strict'

/** For Jest: starts one server for all files, with a template for each content that a test can request. */

const { randomBytes } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { startUnlessGiven } = require('../../scripts/test-postgres')
const { clientOf, urlOf } = require('./postgres')

const FIXTURES = { fixture: 'shipany.pg.sql', stock: 'stock.pg.sql' }

module.exports = async function setup() {
  const server = await startUnlessGiven()
  // A server that was not started here may have databases of another run.
  const prefix = `media_credits_test_${randomBytes(4).toString('hex')}`
  const admin = clientOf(server.url)
  const fill = async (template, statements) => {
    const client = clientOf(urlOf(server.url, template))
    await client.unsafe(statements)
    await client.end()
  }
  for (const [content, file] of Object.entries(FIXTURES)) {
    await admin.unsafe(`CREATE DATABASE ${prefix}_${content}`)
    const statements = fs.readFileSync(path.join(__dirname, '../fixtures', file), 'utf8')
    await fill(`${prefix}_${content}`, statements)
  }
  await admin.unsafe(`CREATE DATABASE ${prefix}_tables TEMPLATE ${prefix}_fixture`)
  // The rows of each other table belong to a user.
  await fill(`${prefix}_tables`, 'TRUNCATE "user" CASCADE')
  const [{ server_version_num: version }] = await admin`SHOW server_version_num`
  // In memory and without fsync, copying files takes half the time of logging each page.
  const strategy = Number(version) >= 150000 ? 'STRATEGY FILE_COPY' : ''
  process.env.MEDIA_CREDITS_TEST_POSTGRES = JSON.stringify({ url: server.url, prefix, strategy })

  globalThis.stopTestPostgres = async () => {
    const left = await admin`SELECT datname FROM pg_database WHERE starts_with(datname, ${prefix})`
    for (const { datname } of left) await admin.unsafe(`DROP DATABASE ${datname} WITH (FORCE)`)
    await admin.end()
    await server.stop()
  }
}
