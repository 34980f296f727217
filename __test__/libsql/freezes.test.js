'use strict'

/** A process that is stopped during a charge, like a frozen function, blocks no other process. */

const { staysSound } = require('../helpers/calls')
const { through } = require('../helpers/libsql-proxy')
const { start } = require('../helpers/processes')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const OTHERS = 5
const other = { userId: 'u0', credits: 10 }

/** A process that charges `u0` a credit, and is stopped when `held` resolves. */
async function frozen({ proxy }, held) {
  const { child, ended } = start('remote-submitter.js', [proxy.url, 'frozen', 1, 1, 1])
  const goOn = await held
  child.kill('SIGSTOP')
  return { goOn, wake: () => child.kill('SIGCONT'), ended }
}

/** The message that is held back, and how. */
const MOMENTS = {
  'has sent its read, and has no answer': (proxy) =>
    new Promise((resolve) => {
      proxy.onRead = async ({ body, forward, send }) => {
        const answer = await forward()
        if (!body.includes('u0')) return send(answer)
        proxy.onRead = undefined
        resolve(() => send(answer))
      }
    }),
  'has sent its batch, which has not arrived': (proxy) =>
    new Promise((resolve) => {
      proxy.faults = [({ forward, send }) => resolve(async () => send(await forward()))]
    }),
}

describeWithSqld('a process that is stopped when it', () => {
  test.each(Object.entries(MOMENTS))(
    '%s does not block other charges of the user, and retries later',
    async (_, moment) => {
      const world = await through()
      const { database, proxy } = world
      await database.user('u0', 100)
      const { goOn, wake, ended } = await frozen(world, moment(proxy))
      for (let at = 0; at < OTHERS; at++) await database.credits.consumeCredits(other)
      expect(await database.credits.getRemainingCredits('u0')).toBe(100 - 10 * OTHERS)
      await goOn()
      wake()
      expect(await ended).toMatchObject({ code: 0, lines: ['created frozen-0-0'] })
      expect(proxy.writes).toBe(2)
      expect(await database.credits.getRemainingCredits('u0')).toBe(99 - 10 * OTHERS)
    },
  )
})
