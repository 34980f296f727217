'use strict'

const path = require('node:path')
const { createClient } = require('@libsql/client')
const { LIBSQL } = require('../helpers/libsql')
const { describeWithSqld, startSqld } = require('../helpers/sqld')
const { within } = require('../..')

// The app's transaction is on a server, over a network.

/** How the app of the fixture declares its tables. */
async function tablesOfApp() {
  const client = createClient({ url: `file:${path.join(__dirname, '../fixtures/shipany.sqlite')}` })
  const { rows } = await client.execute('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL')
  client.close()
  return rows.map(({ sql }) => sql)
}

describeWithSqld('inside a transaction on a server of libSQL', () => {
  let server, client

  beforeEach(async () => {
    server = await startSqld()
    client = createClient({ url: server.url })
    await client.batch(await tablesOfApp(), 'write')
    await client.execute(`INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u')`)
  })

  afterEach(async () => {
    client.close()
    await server.stop()
  })

  test.each(Object.keys(LIBSQL))('what @libsql/client %s commits is there', async (version) => {
    const app = require(LIBSQL[version]).createClient({ url: server.url })
    const tx = await app.transaction('write')
    await within(tx).createCredit({ userId: 'u', credits: 10 })
    await within(tx).consumeCredits({ userId: 'u', credits: 3 })
    await tx.commit()
    app.close()
    const { rows } = await client.execute('SELECT credits, remaining_credits FROM credit ORDER BY credits')
    expect(rows.map((row) => Object.values(row))).toEqual([
      [-3, 0],
      [10, 7],
    ])
  })
})
