'use strict'

const { connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')

/** With `CYCLES=10000` it takes minutes. */
const CYCLES = Number(process.env.CYCLES ?? 200)
/** A cycle takes about 40 ms on PostgreSQL. */
const TIMEOUT_MS = 180_000 + 100 * CYCLES

const CHARGE = { userId: 'u', credits: 1 }
const STUCK = { olderThanMs: 1000 }

/** Valid arguments of each function that does not take one id. */
const ARGUMENTS = {
  createTables: [],
  grantCreditsForUser: [{ user: { id: 'u' }, credits: 1 }],
  createMediaTask: [task('t', 'u'), 1],
  createMediaTasks: [[{ task: task('t', 'u'), costCredits: 1 }], { atomic: true }],
  updateMediaTaskById: ['t', {}],
  chargeMediaTask: ['t', { credits: 1 }],
  settleMediaTask: ['t', 1],
  findStuckMediaTasks: [STUCK],
  failStuckMediaTasks: [STUCK],
  createAITask: [{ id: 't', userId: 'u' }],
  createAITasks: [[{ id: 't', userId: 'u' }], { atomic: true }],
  updateAITaskById: ['t', {}],
  chargeAITask: ['t', { credits: 1 }],
  settleAITask: ['t', 1],
  getAITasks: [{}],
  getAITasksCount: [{}],
  findStuckAITasks: [STUCK],
  failStuckAITasks: [STUCK],
  consumeCredits: [CHARGE],
  consumeCreditsBatch: [[CHARGE], { atomic: true }],
  createCredit: [CHARGE],
  quoteCredits: ['u', 1],
  releaseHolds: [{}],
  claimTopUp: [{ userId: 'u', below: 1, credits: 1, transactionNo: 'n' }],
  listTopUps: [{}],
  renewGrants: [{ ...CHARGE, subscriptionNo: 's', periodEnd: new Date(9e12), transactionNo: 'n' }],
  extendGrant: ['g', null],
  revokeGrants: [{ orderNo: 'o' }, { transactionNo: 'n' }],
  settleCredits: ['c', 1],
  listExpiring: [{ within: 1 }],
  getCredits: [{}],
  getCreditsCount: [{}],
  auditLedger: [{}],
  repairLedger: [{ apply: true }],
}

describe('close', () => {
  test('makes later calls reject with CLOSED', async () => {
    const { credits } = await TestDatabase.fresh()
    await credits.close()
    // A listener can be added at any time; it gets no more events.
    // In a transaction of the app's, calls are the app's client's.
    const { close, on, once, off, within, ...functions } = credits
    const calls = Object.entries(functions)
    expect(calls.length).toBeGreaterThanOrEqual(37)
    for (const [name, call] of calls) {
      const made = call(...(ARGUMENTS[name] ?? ['u']))
      await expect(made.next?.() ?? made).rejects.toMatchObject({
        code: 'CLOSED',
        retryable: false,
      })
    }
  })

  test('may be called twice, and before the first use', async () => {
    const database = await TestDatabase.fresh()
    await Promise.all([database.credits.close(), database.credits.close()])
    await database.credits.close()
    await connect({ url: database.url }).close()
    await connect({ url: 'sqlserver://nowhere' }).close()
  })

  test('finishes the calls that were accepted', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const submits = Array.from({ length: 20 }, (_, at) =>
      database.credits.createMediaTask(task(`t${at}`, 'u'), 5),
    )
    const balance = database.credits.getRemainingCredits('u')
    await database.credits.close()
    expect((await Promise.all(submits)).map(({ id }) => id)).toHaveLength(20)
    expect(await balance).toBeLessThanOrEqual(100)
    expect(await violations(database)).toEqual([])
  })

  test('does not affect other connections to the same file', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const other = connect({ url: database.url })
    await other.createMediaTask(task('t', 'u'), 5)
    await other.close()
    expect(await database.credits.getRemainingCredits('u')).toBe(95)
  })

  test(
    `of ${CYCLES} used connections frees threads, descriptors and memory`,
    async () => {
      const database = await TestDatabase.fresh()
      await database.user('u', 100)
      await database.credits.close()
      const { out } = await evaluate(
        `const fs = require('node:fs')
      const count = (folder) => fs.existsSync(folder) ? fs.readdirSync(folder).length : 0
      const held = () => [count('/proc/self/task'), count('/proc/self/fd')]
      const cycle = async () => {
        const connection = credits.connect()
        if ((await connection.getRemainingCredits('u')) !== 100) throw new Error('another balance')
        await connection.close()
      }
      const cycles = async (count) => { for (let at = 0; at < count; at++) await cycle() }
      ;(async () => {
        await cycles(${CYCLES / 10})
        const [before, mb] = [held(), process.memoryUsage().rss / 1e6]
        await cycles(${CYCLES - CYCLES / 10})
        const grown = process.memoryUsage().rss / 1e6 - mb
        console.log(JSON.stringify({ before, after: held(), grown }))
      })()`,
        { DATABASE_URL: database.url },
      )
      const { before, after, grown } = JSON.parse(out)
      // The process itself opens or closes one or two of each kind.
      for (const [kind, held] of after.entries()) expect(held - before[kind]).toBeLessThan(5)
      expect(grown).toBeLessThan(Math.min(50, CYCLES / 10))
    },
    TIMEOUT_MS,
  )
})
