'use strict'

/** The longest duration of a call to a server that does not reply. */

const { staysSound } = require('../helpers/calls')
const { through } = require('../helpers/libsql-proxy')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const OPTIONS = { statementTimeoutMs: 1500, busyTimeoutMs: 500, connectTimeoutMs: 1000 }
const BOUND_MS = OPTIONS.statementTimeoutMs + OPTIONS.connectTimeoutMs
const [CALLERS, CALLS_EACH] = [24, 3]
const CODES = ['DATABASE_BUSY', 'DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']

/** The requests that the server no longer replies to. */
const SILENCES = {
  writes: (proxy) => {
    proxy.isWedged = true
  },
  anything: (proxy) => {
    proxy.isWedged = true
    proxy.onRead = () => {}
  },
}

describeWithSqld('a server that does not reply', () => {
  test.each(Object.entries(SILENCES))(
    'to %s: all waits of a call end by one deadline',
    async (_, fallSilent) => {
      const { database, proxy, credits } = await through(OPTIONS)
      for (let at = 0; at < CALLERS; at++) await database.user(`u${at}`, 100)
      for (let at = 0; at < CALLERS / 2; at++) await credits.consumeCredits({ userId: `u${at}`, credits: 1 })
      fallSilent(proxy)
      const met = []
      const caller = async (at) => {
        const changes = [
          () => credits.consumeCredits({ userId: `u${at}`, credits: 1 }),
          () => credits.createCredit({ userId: `u${at}`, credits: 1, transactionScene: 'gift' }),
          () => credits.getRemainingCredits('u'),
        ]
        for (let call = 0; call < CALLS_EACH; call++) {
          const began = performance.now()
          const code = await changes[(at + call) % changes.length]().then(
            () => 'done',
            (error) => error.code,
          )
          met.push({ code, ms: performance.now() - began })
        }
      }
      await Promise.all(Array.from({ length: CALLERS }, (_each, at) => caller(at)))
      expect(met.filter(({ ms }) => ms > 2 * BOUND_MS)).toEqual([])
      expect(met.filter(({ code }) => ![...CODES, 'done'].includes(code))).toEqual([])
      expect(met.some(({ code }) => code === 'DATABASE_BUSY')).toBe(true)
      proxy.isWedged = false
      proxy.onRead = undefined
      await credits.consumeCredits({ userId: 'u', credits: 1 })
      expect(await database.credits.getRemainingCredits('u')).toBe(99)
    },
  )
})
