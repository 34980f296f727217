'use strict'

// Properties that a library has added to the prototypes of all objects are no arguments of a call.

const { connect } = require('../..')
const { addRows, charge, forTask, grant, taskRow } = require('../helpers/books')
const { TestDatabase, aiTask, task } = require('../helpers/database')
const { EVERY, made } = require('../helpers/every')

/** Runs with properties on prototypes: `[prototype, key, value]`. */
async function polluted(properties, run) {
  const define = ([prototype, key, value]) =>
    Object.defineProperty(prototype, key, {
      __proto__: null,
      value,
      configurable: true,
      writable: true,
      enumerable: true,
    })
  properties.forEach(define)
  try {
    return await run()
  } finally {
    for (const [prototype, key] of properties) delete prototype[key]
  }
}

/** User `u` has credits, a task `t`, an AI task `a`, and a charge `charge` that `t` does not name. */
async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u')
  await addRows(database, 'credit', [grant('g', 100, 91), charge('charge', 9, [['g', 9]])])
  await database.credits.createMediaTask(task('t', 'u'), 2)
  await database.credits.createAITask(aiTask('a', 'u', { costCredits: 2 }))
  return database
}

async function nextMillisecond() {
  const now = Date.now()
  while (Date.now() === now) await new Promise(setImmediate)
}

/** The results of valid calls of all functions, without the values that differ in each run. */
async function outcomes(database) {
  const all = {}
  for (const [name, args] of Object.entries(EVERY)) {
    // Entries of a statement with one time are in the order of their ids, some of which are random.
    await nextMillisecond()
    all[name] = await made(database.credits, name, args().slice(0, NEEDED[name])).catch(
      ({ code, message }) => ({ code, message }),
    )
  }
  const seen = new Map()
  const known = (text) => {
    if (!seen.has(text)) seen.set(text, `<${seen.size}>`)
    return seen.get(text)
  }
  return JSON.parse(
    JSON.stringify(all)
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, known)
      .replace(/(?<=topUpEnded\\*":)\d+/g, 'a time')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]*Z/g, '<time>')
      .replace(/\b\d{13}(?= charge)/g, '<time>')
      .replace(/\b\d{15,19}\b/g, known),
  )
}

/** The number of required arguments: the others are options, which could be found on the prototypes. */
const NEEDED = {
  ...{
    createMediaTask: 2,
    createMediaTasks: 1,
    updateMediaTaskById: 2,
    chargeMediaTask: 2,
    settleMediaTask: 2,
  },
  ...{ createAITask: 1, createAITasks: 1, updateAITaskById: 2, chargeAITask: 2, settleAITask: 2 },
  ...{ consumeCredits: 1, consumeCreditsBatch: 1, settleCredits: 2, refundCredits: 2, releaseHolds: 0 },
  ...{ claimTopUp: 1, listTopUps: 0 },
  ...{ createCredit: 1, grantCreditsForUser: 1 },
  ...{ renewGrants: 1, extendGrant: 2, revokeGrants: 2, restoreGrants: 2 },
  ...{ getMediaTaskHistory: 1, getAITasks: 0, getAITasksCount: 0, getCredits: 0, getCreditsCount: 0 },
  ...{ getStatement: 1, listExpiring: 1, auditLedger: 0, repairLedger: 0, createTables: 0 },
}

describe('a property of Object.prototype', () => {
  test.each([
    ['named apply does not make repairLedger write', 'apply', true],
    ['named userId does not restrict repairLedger to a user', 'userId', 'v'],
  ])('%s', async (_, key, value) => {
    const database = await TestDatabase.fresh()
    await database.user('u')
    await addRows(database, 'credit', [grant('g', 10, 4), charge('c', 6, [['g', 6]], forTask('t'))])
    await addRows(database, 'media_tasks', [taskRow('t', 'failed', 'c')])
    const before = await database.everything()
    const found = await polluted([[Object.prototype, key, value]], () => database.credits.repairLedger())
    expect(found).toMatchObject({ applied: false, changes: [{ id: 'c' }, { id: 'g' }] })
    expect(await database.everything()).toEqual(before)
  })

  test('affects no call, and is in no reply', async () => {
    const options = {
      ...{ atomic: true, replay: true, maxActive: 0, freeTrialLimit: 0, tx: {}, allowRefunded: true },
      ...{ scenes: ['none'], limits: [{ credits: 0, per: 'day' }], within: 5, atLeast: 5 },
      ...{ ifStatus: 'none', ifUpdatedBefore: new Date(0), refundPolicy: { regrantDays: 1 }, onProgress: 5 },
      ...{
        task: {},
        costCredits: 50,
        credits: 50,
        creditId: 'charge',
        status: 'failed',
        limit: 5000,
        page: 7,
      },
      ...{
        olderThanMs: 1,
        statuses: [],
        errorMessage: 5,
        below: 5,
        cursor: 'x',
        user: { id: 'v' },
        validDays: 1,
      },
      ...{
        email: 'x',
        index: 3,
        error: { code: 'X' },
        replayed: true,
        refund: { credits: 9 },
        users: [],
        regranted: {},
      },
      ...{
        $date: 5,
        $json: '{}',
        $bytes: 'ff',
        $fields: {},
        $list: [],
        spendable: 5,
        gives: true,
        required: 5,
      },
    }
    const before = await outcomes(await withUser())
    const database = await withUser()
    const properties = Object.entries(options).map(([key, value]) => [Object.prototype, key, value])
    const after = await polluted(properties, () => outcomes(database))
    for (const name of Object.keys(EVERY)) expect([name, after[name]]).toEqual([name, before[name]])
  })

  test('does not change property descriptors: a connection is made, and refuses calls', async () => {
    const { url } = await withUser()
    const properties = ['get', 'set', 'value', 'writable', 'enumerable'].map((key) => [
      Object.prototype,
      key,
      key === 'value' ? 5 : () => 5,
    ])
    const { code, name, stack } = await polluted(properties, async () => {
      const other = connect({ url })
      const error = await other.getBalance(5).catch((error) => error)
      await other.close()
      return error
    })
    expect([code, name]).toEqual(['INVALID_ID', 'MediaCreditsError'])
    expect(stack).toContain(__filename)
  })

  test('does not affect events', async () => {
    const { credits } = await withUser()
    const told = []
    credits.on('charged', (event) => told.push(event))
    credits.on('refused', (event) => told.push(event))
    const listening = polluted([[Object.prototype, 'below', 5]], () =>
      credits.on('balance-low', {}, () => {}),
    )
    await expect(listening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'below' })
    const properties = { replayed: true, index: 1, credits: 5, gives: true, task: {}, required: 1 }
    await polluted(
      Object.entries(properties).map(([key, value]) => [Object.prototype, key, value]),
      async () => {
        await credits.consumeCredits({ userId: 'u', credits: 1 })
        await credits.consumeCredits({ userId: 'u', credits: 1000 }).catch(() => {})
      },
    )
    expect(told).toMatchObject([
      { userId: 'u', credits: 1 },
      { userId: 'u', code: 'INSUFFICIENT_CREDITS' },
    ])
  })
})

describe.each([
  ['Array', [Array.prototype]],
  ['Object', [Object.prototype]],
  ['String', [String.prototype]],
  ['every', [Array.prototype, Object.prototype, String.prototype, Number.prototype, Date.prototype]],
])('a toJSON of %s prototypes', (_, prototypes) => {
  test('does not change the encoded arguments', async () => {
    const { credits } = await withUser()
    const properties = prototypes.map((prototype) => [prototype, 'toJSON', () => 'mine'])
    const metadata = { list: [1, [2, { three: ['x'] }]], text: 'a' }
    await polluted(properties, async () => {
      await credits.consumeCredits({ userId: 'u', credits: 1, metadata, transactionNo: '5' })
      await credits.createMediaTasks([{ task: task('n', 'u'), costCredits: 1 }], { atomic: true })
      await credits.updateMediaTaskById('n', { publishedAt: new Date(5000) }, { ifStatus: ['pending'] })
    })
    const charges = await credits.getCredits({ userId: 'u', transactionType: 'consume' })
    const { metadata: written } = charges.find(({ transactionNo }) => transactionNo === '5')
    expect(JSON.parse(written)).toEqual(metadata)
    expect(await credits.findMediaTaskById('n')).toMatchObject({ publishedAt: new Date(5000) })
  })
})

test('options are own properties, not those of a class or a prototype', async () => {
  const { credits } = await withUser()
  const inherited = Object.create({ refundPolicy: 'junk', ifStatus: 'none' })
  class Options {
    get replay() {
      return 'junk'
    }
  }
  expect(await credits.updateMediaTaskById('t', { status: 'failed' }, inherited)).toMatchObject({
    status: 'failed',
  })
  expect(await credits.consumeCredits({ userId: 'u', credits: 1 }, new Options())).toMatchObject({
    credits: -1,
  })
})
