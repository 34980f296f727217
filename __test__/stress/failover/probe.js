'use strict'

/**
 * Writes to each server again and again, with a separate client: the writes that a cluster accepts, without a proxy in front
 * of it.
 */

const { setTimeout: sleep } = require('node:timers/promises')
const postgres = require('postgres')

const TIMEOUT_MS = 1000
const PAUSE_MS = 20

class Probe {
  /** When a write was acknowledged. */
  times = []
  #goesOn = true

  /** `urls`: one for each server. */
  constructor(urls) {
    this.ended = Promise.all(urls.map((url) => this.#ask(url)))
  }

  async #ask(url) {
    let client
    while (this.#goesOn) {
      client ??= postgres(url, {
        max: 1,
        connect_timeout: 1,
        fetch_types: false,
        prepare: false,
        onnotice: () => {},
      })
      const late = sleep(TIMEOUT_MS).then(() => Promise.reject(new Error('no answer')))
      try {
        await Promise.race([client`UPDATE probe SET at = now()`, late])
        this.times.push(Date.now())
      } catch {
        await client.end({ timeout: 0 }).catch(() => {})
        client = undefined
      }
      await sleep(PAUSE_MS)
    }
    await client?.end({ timeout: 0 })
  }

  async stop() {
    this.#goesOn = false
    await this.ended
  }
}

module.exports = { Probe }
