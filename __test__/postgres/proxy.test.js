'use strict'

const { once } = require('node:events')
const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')
const { startProxy } = require('../helpers/proxy')

// The proxy that counts round trips must itself be right: here in front of a server that repeats each message.

const stops = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** A proxy in front of the server, and a client that stores what it receives. */
async function connected() {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => socket.write(`${bytes}${bytes}`))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  stops.push(() => new Promise((resolve) => server.close(resolve)))
  const proxy = await startProxy(`tcp://127.0.0.1:${server.address().port}`)
  stops.push(() => proxy.stop())
  const client = net.connect(proxy.port, '127.0.0.1').setNoDelay(true)
  client.on('error', (error) => (client.failure = error.code))
  client.heard = ''
  client.on('data', (bytes) => (client.heard += bytes))
  const say = async (text) => {
    const expected = client.heard.length + 2 * text.length
    client.write(text)
    while (client.heard.length < expected && !client.destroyed) await sleep(1)
    return client.heard
  }
  return { proxy, client, say }
}

test('the proxy counts a query and its answer as one round trip', async () => {
  const { proxy, say } = await connected()
  expect(await say('a')).toBe('aa')
  expect(await say('b')).toBe('aabb')
  expect(proxy.roundTrips()).toEqual({ total: 2, perConnection: [2] })
  proxy.resetRoundTrips()
  await say('c')
  expect(proxy.roundTrips()).toEqual({ total: 1, perConnection: [1] })
})

test('the proxy counts pipelined queries as one round trip with one delay', async () => {
  const { proxy, client } = await connected()
  proxy.delayMs = 300
  const before = Date.now()
  client.write('a')
  await sleep(10)
  client.write('bc')
  while (client.heard.length < 6) await sleep(1)
  // The server may receive both at once.
  expect(['aabcbc', 'abcabc']).toContain(client.heard)
  expect(Date.now() - before).toBeGreaterThanOrEqual(300)
  expect(proxy.roundTrips().total).toBe(1)
})

test('stalled messages arrive when the proxy continues', async () => {
  const { proxy, client, say } = await connected()
  proxy.stall()
  const answer = say('a')
  await sleep(50)
  expect(client.heard).toBe('')
  proxy.resume()
  expect(await answer).toBe('aa')
})

test.each([
  ['all connections are cut', (proxy) => proxy.killConnections(), 1],
  [
    'the connection is cut at a message',
    (proxy) => (proxy.onClientData = (_, connection) => connection.kill()),
    1,
  ],
  ['an answer is lost', (proxy) => (proxy.onClientData = (_, connection) => connection.loseAnswer()), 2],
])('%s', async (_, cut, roundTrips) => {
  const { proxy, client, say } = await connected()
  await say('a')
  cut(proxy)
  await say('b')
  expect(['ECONNRESET', 'EPIPE']).toContain(client.failure)
  expect(client.heard).toBe('aa')
  expect(proxy.roundTrips().total).toBe(roundTrips)
})
