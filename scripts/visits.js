'use strict'

/** What users of the example app do, over HTTP. */

const assert = require('node:assert/strict')
const { connect } = require('..')
const { assertEngines, until } = require('./serving')

const ANSWER_MS = 60_000

const generation = (prompt) => ['/api/ai/generate', { mediaType: 'video', prompt }]

async function answersSubmits(url, server, { env }) {
  const user = await User.signUp(url)
  const done = await user.submit('https://youtu.be/two-clocks')
  assert.equal((await user.finished(done)).status, 'extracted')
  const failed = await user.submit('https://youtu.be/fail')
  assert.equal((await user.finished(failed)).status, 'failed')
  await hasBalance(user, 90, server, env)
}

async function hasBalance(user, credits, server, env) {
  assert.equal(await user.balance(), credits)
  assertEngines(server.pid, env.DATABASE_URL.startsWith('file:') ? 1 : 0)
  // It is in this database, and not in another one that the app may use.
  const own = connect({ url: env.DATABASE_URL })
  assert.equal(await own.getRemainingCredits(user.id).finally(() => own.close()), credits)
}

/** One with a demo account. */
class User {
  constructor(url, id, cookie) {
    Object.assign(this, { url, id, cookie })
  }

  static async signUp(url) {
    const response = await request(`${url}/api/user/sign-up`, { method: 'POST' })
    const { message, data } = await response.json()
    assert.equal(message, 'ok')
    return new User(url, data.id, response.headers.getSetCookie()[0].split(';')[0])
  }

  async post(route, body = {}) {
    const headers = { 'Content-Type': 'application/json', Cookie: this.cookie }
    const response = await request(this.url + route, { method: 'POST', headers, body: JSON.stringify(body) })
    return response.json()
  }

  async submit(url) {
    const { message, data } = await this.post('/api/media/submit', { url, outputType: 'subtitle' })
    assert.equal(message, 'ok')
    return data
  }

  async generate(prompt) {
    const { message, data } = await this.post(...generation(prompt))
    assert.equal(message, 'ok')
    return data
  }

  async generated({ id }) {
    return until(`AI task ${id} is done`, async () => {
      const { data } = await this.post('/api/ai/query', { taskId: id })
      return ['success', 'failed'].includes(data.status) && data
    })
  }

  /** A page's HTML. */
  async page(path) {
    const response = await request(this.url + path, { headers: { Cookie: this.cookie } })
    assert.equal(response.status, 200)
    return response.text()
  }

  async finished({ id }) {
    return until(`task ${id} is done`, async () => {
      const headers = { Cookie: this.cookie }
      const response = await request(`${this.url}/api/media/status?id=${id}`, { headers })
      const { data } = await response.json()
      return ['extracted', 'failed'].includes(data.status) && data
    })
  }

  async balance() {
    return (await this.post('/api/user/get-user-credits')).data.remainingCredits
  }
}

function request(url, init) {
  return fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) })
}

module.exports = { User, answersSubmits, generation, hasBalance }
