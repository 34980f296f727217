'use strict'

/** A proxy in front of a libSQL server, with the faults of networks, proxies and servers. */

const http = require('node:http')
const { connect } = require('../..')
const { TestDatabase } = require('./database')

const isWrite = (body) => body.includes('BEGIN IMMEDIATE')

class LibsqlProxy {
  /** The faults of the next requests that write, one after the other: names of `FAULTS`, functions like theirs, or answers. */
  faults = []
  /** The fault of each request that reads: a function like those of `FAULTS`, with the request's `body`. */
  onRead
  /** Requests that write and reach the server later than those that were sent in their place. */
  late = []
  /** The number of further random faults, for one of two requests that write. */
  faultsLeft = 0
  /** Whether requests that write are no longer answered. */
  isWedged = false
  /** The longest request in bytes; a longer one gets a 413, before it has arrived. */
  longest = Infinity
  /** The number of connections. */
  connections = 0
  /** The number of requests, by kind. */
  reads = 0
  writes = 0
  /** The rows that the server reports as read and written, as plans bill them. */
  rows = { read: 0, written: 0 }
  /** How many requests that write wait for an answer now, and at most. */
  writesNow = 0
  mostWrites = 0
  /** The headers of the last request. */
  headers = {}

  static async before(url) {
    const proxy = new LibsqlProxy()
    proxy.server = http.createServer((request, response) => {
      if (Number(request.headers['content-length']) > proxy.longest) {
        return response.writeHead(413).end('<html>too long</html>')
      }
      const chunks = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        proxy.answer(url, request, Buffer.concat(chunks), response).catch(() => request.socket.destroy())
      })
    })
    proxy.server.on('connection', () => proxy.connections++)
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve))
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`
    return proxy
  }

  async answer(url, request, body, response) {
    this.headers = request.headers
    const writes = isWrite(body)
    const answered = writes ? this.countWrite(response) : () => {}
    if (!writes) this.reads++
    if (writes && this.isWedged) return undefined
    const fault = writes ? (this.faults.shift() ?? this.byChance()) : undefined
    const forward = async () => {
      const answer = await fetch(`${url}/v3/pipeline`, { method: 'POST', body })
      const text = await answer.text()
      this.countRows(text)
      return { status: answer.status, body: text }
    }
    const send = ({ status, headers, body: text = '' }) => {
      answered()
      response.writeHead(status, headers).end(text)
    }
    if (typeof fault === 'object') return send(fault)
    const happens = writes ? (FAULTS[fault] ?? fault) : this.onRead
    const later = () => this.late.push({ body, forward })
    if (happens) return happens({ body: `${body}`, forward, later, send, socket: request.socket })
    const answer = await forward()
    await this.deliver((late) => late.body.equals(body))
    send(answer)
  }

  countRows(answer) {
    for (const [, what, rows] of answer.matchAll(/"rows_(read|written)":(\d+)/g))
      this.rows[what] += Number(rows)
  }

  /** Sends the late requests, or some of them, to the server. */
  async deliver(isDue = () => true) {
    const due = this.late.filter(isDue)
    this.late = this.late.filter((late) => !due.includes(late))
    for (const { forward } of due) await forward()
  }

  /** Counts a request that writes, until it is answered or its connection breaks. Call the returned function on an answer. */
  countWrite(response) {
    this.writes++
    this.writesNow++
    this.mostWrites = Math.max(this.mostWrites, this.writesNow)
    let isOver = false
    const over = () => {
      if (!isOver) this.writesNow--
      isOver = true
    }
    response.on('close', over)
    return over
  }

  byChance() {
    if (this.faultsLeft === 0 || Math.random() < 0.5) return undefined
    this.faultsLeft--
    return LOSSES[Math.floor(Math.random() * LOSSES.length)]
  }

  /** The number of requests that read and that write during a call. */
  async counted(call) {
    this.reads = this.writes = 0
    await call()
    return [this.reads, this.writes]
  }

  stop() {
    this.server.closeAllConnections()
    return new Promise((resolve) => this.server.close(resolve))
  }
}

/** Passes requests on to a server, and its answers back unchanged. */
function passOnTo(target) {
  const { hostname, port } = new URL(target)
  return (asked, answer) => {
    const { method, url, headers } = asked
    const passed = http.request({ hostname, port, method, path: url, headers }, (from) => {
      answer.writeHead(from.statusCode, from.headers)
      from.pipe(answer)
    })
    asked.pipe(passed)
  }
}

const SECRET = 'secret-token'

const ends = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A connection through a proxy with its own engine, like another process. Both end with the test. */
async function connectThrough(url, options) {
  const proxy = await LibsqlProxy.before(url)
  const credits = connect({ url: proxy.url, authToken: SECRET, connectTimeoutMs: 3000, ...options })
  ends.push(
    () => proxy.stop(),
    () => credits.close(),
  )
  return { proxy, credits }
}

/** A connection through a proxy with faults, and a database with a user with 100 credits. */
async function through(options) {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  return { database, ...(await connectThrough(database.url, options)) }
}

/** The faults between a request and its answer. */
const FAULTS = {
  'the connection breaks before the server has it': ({ socket }) => socket.destroy(),
  'the connection breaks after the server has run it': async ({ forward, socket }) => {
    await forward()
    socket.destroy()
  },
  'a proxy gives up before the server has it': ({ send }) => send({ status: 502, body: 'Bad Gateway' }),
  'a proxy gives up after the server has run it': async ({ forward, send }) => {
    await forward()
    send({ status: 504, body: '{"error":"timeout"}' })
  },
  'a page comes in place of the answer': async ({ forward, send }) => {
    await forward()
    send({ status: 200, body: '<html>' })
  },
  'half of the answer comes': async ({ forward, socket }) => {
    const { body } = await forward()
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`
    socket.end(head + body.slice(0, body.length / 2))
  },
  'the server has it late, after the one that was sent in its place': ({ later, socket }) => {
    later()
    socket.destroy()
  },
  'nothing comes': () => {},
}

const LOSSES = Object.keys(FAULTS).filter((fault) => fault !== 'nothing comes')

module.exports = {
  FAULTS: LOSSES,
  LibsqlProxy,
  SECRET,
  connectThrough,
  passOnTo,
  through,
}
