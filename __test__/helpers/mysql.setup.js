'use strict'

/** For Jest: starts one server for all files. Without one the tests of the project `mysql` are skipped, with the reason. */

const { randomBytes } = require('node:crypto')
const { startUnlessGiven } = require('../../scripts/mariadb')
const { chosenKind, install } = require('../../scripts/mariadb-binaries')
const { clientOf } = require('./mysql')

/** The collations of MariaDB and of MySQL that compare texts by their bytes. */
const COLLATIONS = ['utf8mb4_nopad_bin', 'utf8mb4_0900_bin']

module.exports = async function setup() {
  const server = await startUnlessGiven().catch(({ message }) => ({ reason: message.split('\n')[0] }))
  const { url, adminUrl, reason } = server
  // A server that was not started here may have databases of another run.
  const prefix = `media_credits_test_${randomBytes(4).toString('hex')}`
  const collation = url && (await collationOf(url))
  // With TEST_MYSQL_URL there may be no server for the tests that start one.
  const ownReason = await install().then(
    () => undefined,
    ({ message }) => message.split('\n')[0],
  )
  const given = { url, adminUrl, reason, ownReason, kind: chosenKind(), prefix, collation }
  process.env.MEDIA_CREDITS_TEST_MYSQL = JSON.stringify(given)

  globalThis.stopTestMysql = async () => {
    if (!server.url) return
    const admin = await clientOf(server.url)
    const [left] = await admin.query(
      "SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE CONCAT(?, '\\_%')",
      [prefix],
    )
    for (const { name } of left) await admin.query(`DROP DATABASE ${name}`)
    await admin.end()
    await server.stop()
  }
}

async function collationOf(url) {
  const client = await clientOf(url)
  const [rows] = await client.query('SHOW COLLATION WHERE collation IN (?)', [COLLATIONS])
  await client.end()
  return rows[0].Collation
}
