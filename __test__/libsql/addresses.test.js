'use strict'

/** A database at a path of its server, as sqld has them with namespaces, and a server at an address of IPv6. */

const { createServer } = require('node:http')
const { networkInterfaces } = require('node:os')
const { connect } = require('../..')
const { TestDatabase } = require('../helpers/database')
const { describeIf } = require('../helpers/describe')
const { passOnTo } = require('../helpers/libsql-proxy')

const PATH = '/dev/app'
const addresses = Object.values(networkInterfaces()).flatMap((all) => all.map(({ address }) => address))

/** A server before a database, and the places that it was asked for. */
async function serve(database, host) {
  const asked = new Set()
  const pass = passOnTo(database.url)
  const server = createServer((request, response) => {
    asked.add(`${request.headers.host}${request.url}`)
    request.url = request.url.replace(PATH, '')
    pass(request, response)
  })
  await new Promise((resolve) => server.listen(0, host, resolve))
  const stop = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { port: server.address().port, asked, stop }
}

async function isReached(host, schemes) {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const { port, asked, stop } = await serve(database, host)
  const written = host.includes(':') ? `[${host}]` : host
  for (const url of schemes(`${written}:${port}${PATH}`)) {
    const credits = connect({ url })
    await credits.consumeCredits({ userId: 'u', credits: 10 })
    await credits.close()
  }
  await stop()
  expect([...asked]).toEqual([`${written}:${port}${PATH}/v3/pipeline`])
  return database.credits.getRemainingCredits('u')
}

const every = (place) => [
  `http://${place}`,
  `http://${place}/`,
  `ws://${place}`,
  `WS://${place}`,
  `libsql://${place}?tls=0`,
]

test('a database at a path is reached by each form of its URL', async () => {
  expect(await isReached('127.0.0.1', every)).toBe(50)
})

describeIf(addresses.includes('::1'), 'this machine has no IPv6')('a server at an address of IPv6', () => {
  test('is reached by each form of its URL', async () => {
    expect(await isReached('::1', every)).toBe(50)
  })
})
