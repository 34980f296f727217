'use strict'

const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { evaluate } = require('../helpers/processes')

const TASK = `{ id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' }`

describe('the process', () => {
  test('ends although no connection is closed', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const env = { DATABASE_URL: database.url, DATABASE_PROVIDER: database.store.provider }
    const { code, out } = await evaluate(
      `credits.createMediaTask(${TASK}, 10).then((row) => console.log(row.id))`,
      env,
    )
    expect({ code, out }).toEqual({ code: 0, out: 't' })
  })

  test('stays alive until the last reply', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const env = { DATABASE_URL: database.url }
    const { out } = await evaluate(
      `Promise.all([1, 2, 3].map((at) => credits.consumeCredits({ userId: 'u', credits: at })))
         .then(() => console.log('all'))`,
      env,
    )
    expect(out).toBe('all')
  })

  test.each([
    ['process.exit', 'process.exit(7)', 7],
    ['an uncaught error', `setImmediate(() => { throw new Error('boom') })`, 1],
    // Windows knows no signals: a process that is killed ends with 1.
    ['kill -9', `process.kill(process.pid, 'SIGKILL')`, process.platform === 'win32' ? 1 : null],
  ])('a process that ends by %s has lost nothing that it was told', async (_, end, expected) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const source = `credits.createMediaTask(${TASK}, 10).then(() => { ${end} })
      for (let at = 0; at < 50; at++) credits.consumeCredits({ userId: 'u', credits: 1 }).catch(() => {})`
    const { code } = await evaluate(source, { DATABASE_URL: database.url })
    expect(code).toBe(expected)
    expect(await database.sql('SELECT id FROM media_tasks')).toEqual([{ id: 't' }])
    expect(await violations(database)).toEqual([])
  })

  test('opens nothing at import, and rejects the first call with what is missing', async () => {
    const { code, out } = await evaluate(
      `credits.getRemainingCredits('u').catch((e) => console.log(e.code))`,
      {
        DATABASE_URL: '',
      },
    )
    expect({ code, out }).toEqual({ code: 0, out: 'INVALID_URL' })
  })

  test('refuses a DATABASE_PROVIDER that contradicts DATABASE_URL', async () => {
    const env = { DATABASE_URL: 'file:local.db', DATABASE_PROVIDER: 'postgresql' }
    const { out } = await evaluate(
      `credits.getRemainingCredits('u').catch((e) => console.log(e.message))`,
      env,
    )
    expect(out).toContain('DATABASE_PROVIDER is "postgresql"')
  })
})

describe('the event loop', () => {
  test('runs other callbacks between many concurrent replies', async () => {
    const CALLS = 500
    const database = await TestDatabase.fresh()
    await database.user('u', CALLS)
    let turn = 0
    const settledIn = []
    const calls = Array.from({ length: CALLS }, async () => {
      await database.credits.consumeCredits({ userId: 'u', credits: 1 })
      settledIn[turn] = (settledIn[turn] ?? 0) + 1
    })
    // Another process sees when all are done; until then this process settles none.
    const wait = `const { connect } = require(${JSON.stringify(path.join(__dirname, '../..'))})
      const credits = connect({ url: process.env.DATABASE_URL })
      const poll = async () => (await credits.getRemainingCredits('u')) && setTimeout(poll, 20)
      poll()`
    execFileSync(process.execPath, ['-e', wait], { env: { ...process.env, DATABASE_URL: database.url } })
    const turns = setInterval(() => turn++, 0)
    await Promise.all(calls)
    clearInterval(turns)
    expect(settledIn.reduce((sum, count) => sum + (count ?? 0), 0)).toBe(CALLS)
    expect(settledIn.filter(Boolean).length).toBeGreaterThanOrEqual(3)
  })
})

describe('worker threads', () => {
  const SOURCE = `
    const { workerData, parentPort } = require('node:worker_threads')
    const { url, module, worker } = workerData
    const credits = require(module).connect({ url })
    const submits = Array.from({ length: 25 }, (_, at) =>
      credits.createMediaTask({ id: worker + '-' + at, userId: 'u', platform: 'youtube', videoUrl: 'x' }, 1))
    Promise.all(submits).then(() => parentPort.postMessage('done'))`
  const start = (database, worker) =>
    new Worker(SOURCE, {
      eval: true,
      workerData: { url: database.url, module: require.resolve('../..'), worker },
    })

  test('share one engine with the main thread', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const workers = [1, 2, 3].map((worker) => start(database, worker))
    const ends = workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve)))
    const own = Array.from({ length: 25 }, (_, at) =>
      database.credits.createMediaTask(task(`main-${at}`, 'u'), 1),
    )
    await Promise.all(own)
    expect(await Promise.all(ends)).toEqual([0, 0, 0])
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('that are terminated during calls do not affect the others or the ledger', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    for (let round = 0; round < 10; round++) {
      const worker = start(database, round)
      await new Promise((resolve) => worker.once('online', resolve))
      await database.credits.createMediaTask(task(`main-${round}`, 'u'), 1)
      await worker.terminate()
    }
    expect(await violations(database)).toEqual([])
    const [{ tasks }] = await database.sql('SELECT COUNT(*) AS tasks FROM media_tasks')
    expect(await database.credits.getRemainingCredits('u')).toBe(1000 - tasks)
  })
})

describe('module copies', () => {
  test('of a hot reload or Jest share one engine', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const copies = [1, 2, 3].map(() => {
      jest.resetModules()
      return require('../..').connect({ url: database.url })
    })
    await Promise.all(copies.map((credits, at) => credits.createMediaTask(task(`t${at}`, 'u'), 10)))
    expect(await database.credits.getRemainingCredits('u')).toBe(70)
    for (const credits of copies) await credits.close()
  })
})
