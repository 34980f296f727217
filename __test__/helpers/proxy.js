'use strict'

/**
 * A proxy in front of a server, which slows the network down, cuts it, and counts its round trips.
 *
 * A round trip is data of a client and then data of the server, each in any number of pieces. With
 * a `delayMs`, data that a client sends without waiting counts as one even if the server answers its beginning quickly.
 */

const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

/** Starts a proxy in front of the server of a URL. Its own `url` leads through it. */
async function startProxy(serverUrl) {
  const target = new URL(serverUrl)
  const proxy = new Proxy({ host: target.hostname, port: Number(target.port) || 5432 })
  await new Promise((resolve, reject) => {
    proxy.listener.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  proxy.port = proxy.listener.address().port
  proxy.url = proxy.through(serverUrl)
  return proxy
}

class Proxy {
  /** The delay of each message of a client, and so of each round trip. */
  delayMs = 0

  /**
   * Called with the data of a client, `(bytes, connection) => …`, before it is passed on. With `false` it is not
   * passed on. It may end the connection: `connection.kill()` at once, or `connection.loseAnswer(isLast)` when the
   * server has sent the last of its answers, so that the call is done and the client does not know it.
   */
  onClientData = () => {}

  constructor(target) {
    this.target = target
    this.connections = new Set()
    /** All that are open: after one side of a connection has closed, the other may be. */
    this.sockets = new Set()
    this.past = []
    this.gate = Promise.resolve()
    this.open = () => {}
    this.listener = net.createServer({ allowHalfOpen: true }, (client) => {
      const connection = new Connection(this, client)
      this.connections.add(connection)
      this.past.push(connection)
    })
  }

  /** The URL of another database of the same server, through this proxy. */
  through(url) {
    const changed = new URL(url)
    changed.hostname = '127.0.0.1'
    changed.port = this.port
    return changed.href
  }

  /** Holds all data back in both directions, while connections stay open and new ones are accepted. */
  stall() {
    this.resume()
    this.gate = new Promise((resolve) => (this.open = resolve))
  }

  /** Passes on the data that was held back. */
  resume() {
    this.open()
  }

  /** The number of round trips since the last reset: in total, and for each connection in its order. */
  roundTrips() {
    const perConnection = this.past.map((connection) => connection.roundTrips)
    return { total: perConnection.reduce((sum, count) => sum + count, 0), perConnection }
  }

  /** Restarts the count, with the open connections. */
  resetRoundTrips() {
    this.past = [...this.connections]
    for (const connection of this.past) connection.roundTrips = 0
  }

  /** Cuts all connections like a network: both sides get a reset. */
  killConnections() {
    for (const connection of this.connections) connection.kill()
  }

  /** Cuts all connections and accepts no new ones. */
  async stop() {
    const closed = new Promise((resolve) => this.listener.close(resolve))
    this.resume()
    this.killConnections()
    for (const socket of this.sockets) reset(socket)
    await closed
  }
}

/** A client's connection, and the one to the server that belongs to it. */
class Connection {
  roundTrips = 0

  constructor(proxy, client) {
    this.proxy = proxy
    this.client = client
    this.server = net.connect({ ...proxy.target, allowHalfOpen: true })
    this.passOn(client, this.server, (bytes) => this.sent(bytes))
    this.passOn(this.server, client, (bytes) => this.answered(bytes))
  }

  /** Passes on the data that `look` does not hold back, in order, each piece after its delay. */
  passOn(from, to, look) {
    let last = Promise.resolve()
    const inOrder = (then) => (last = last.then(then))
    from.setNoDelay(true)
    this.proxy.sockets.add(from)
    from.on('data', (bytes) => {
      if (look(bytes) === false) return
      const due = Date.now() + (from === this.client ? this.proxy.delayMs : 0)
      inOrder(async () => {
        const early = due - Date.now()
        if (early > 0) await sleep(early)
        await this.proxy.gate
        to.write(bytes)
      })
    })
    from.on('end', () => inOrder(() => to.end()))
    // After an error there is a close, and after a close of one side the other side has no peer.
    from.on('error', () => {})
    from.on('close', (broken) => {
      if (broken) this.kill()
      this.proxy.connections.delete(this)
      this.proxy.sockets.delete(from)
    })
  }

  sent(bytes) {
    this.isAsking = true
    return this.proxy.onClientData(bytes, this)
  }

  answered(bytes) {
    if (this.isAsking) this.roundTrips++
    this.isAsking = false
    if (!this.isLastAnswer) return true
    if (this.isLastAnswer(bytes)) this.kill()
    return false
  }

  loseAnswer(isLast = () => true) {
    this.isLastAnswer = isLast
  }

  kill() {
    reset(this.client)
    reset(this.server)
  }
}

/** Node can't reset a socket that it is about to end (EINVAL), and then keeps it for ever: its process would spin at its exit. */
function reset(socket) {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}

module.exports = { startProxy }
