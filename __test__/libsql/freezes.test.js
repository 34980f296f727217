'use strict'

/** A process that is stopped during a charge, like a frozen function, blocks no other process. */

const { setTimeout: sleep } = require('node:timers/promises')
const { staysSound } = require('../helpers/calls')
const { through } = require('../helpers/libsql-proxy')
const { start } = require('../helpers/processes')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const OTHERS = 5
const other = { userId: 'u0', credits: 10 }

/** A process that charges `u0` a credit, and is stopped when `held` resolves. */
async function frozen({ proxy }, held, options = {}) {
  const args = [proxy.url, 'frozen', 1, 1, 1, JSON.stringify(options)]
  const { child, ended } = start('remote-submitter.js', args)
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

/** The whole time of a call, which is over when the process goes on. */
const OPTIONS = { statementTimeoutMs: 3000, busyTimeoutMs: 0, connectTimeoutMs: 1000 }
const STOPPED_MS = OPTIONS.statementTimeoutMs + OPTIONS.connectTimeoutMs + 1500

/** What happens to the batch, and to its answer while the process is stopped; the outcome for the caller. */
const LATER = [
  [
    'is written, and is answered',
    ({ forward, send }) => forward().then((answer) => () => send(answer)),
    'created frozen-0-0',
  ],
  [
    'is written, and the connection breaks',
    ({ forward, socket }) => forward().then(() => () => socket.destroy()),
    'created frozen-0-0',
  ],
  [
    'does not arrive before the charges of others',
    async ({ socket }) =>
      () =>
        socket.destroy(),
    'refused DATABASE_BUSY',
  ],
]

describeWithSqld('a process that is stopped for longer than a call may take', () => {
  test.each(LATER)('learns the outcome of its batch, which %s', async (_, happens, line) => {
    const world = await through()
    const { database, proxy } = world
    await database.user('u0', 100)
    const held = new Promise((resolve) => {
      proxy.faults = [(fault) => happens(fault).then(resolve)]
    })
    const { goOn, wake, ended } = await frozen(world, held, OPTIONS)
    for (let at = 0; at < OTHERS; at++) await database.credits.consumeCredits(other)
    await goOn()
    await sleep(STOPPED_MS)
    wake()
    expect(await ended).toMatchObject({ code: 0, lines: [line] })
    const charges = line.startsWith('created') ? 1 : 0
    expect(await database.credits.getRemainingCredits('u0')).toBe(100 - charges - 10 * OTHERS)
  })
})
