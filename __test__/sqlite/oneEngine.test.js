'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { thisPlatform } = require('../../lib/native/platforms')
const { TestDatabase } = require('../helpers/database')
const { describeOnLinux } = require('../helpers/describe')
const { violations } = require('../helpers/invariants')
const { runJest } = require('../helpers/jest')
const { evaluate } = require('../helpers/processes')

const ROOT = path.join(__dirname, '../..')
const MODULE = JSON.stringify(ROOT)
const TASK = { userId: 'u', platform: 'youtube', videoUrl: 'x' }

/**
 * For a process of its own: `writers()` is how many writers it has, by the names of its threads, and `opens()` how
 * often it has the database open. Two writers of one copy of SQLite would not exclude each other: their locks go
 * through one descriptor.
 */
const COUNTS = `
  const fs = require('node:fs')
  const url = process.env.DATABASE_URL
  const task = (id) => ({ id, ...${JSON.stringify(TASK)} })
  const read = (file, how) => { try { return how(file) } catch { return '' } }
  const names = () => fs.readdirSync('/proc/self/task')
    .map((id) => read('/proc/self/task/' + id + '/comm', (file) => fs.readFileSync(file, 'utf8').trim()))
  const writers = () => names().filter((name) => name === 'credits-writer').length
  const opens = () => fs.readdirSync('/proc/self/fd')
    .filter((fd) => read('/proc/self/fd/' + fd, fs.readlinkSync) === url.replace('file:', '')).length
  /** The package after a hot reload, which discards each module. */
  const reload = () => {
    for (const file of Object.keys(require.cache)) delete require.cache[file]
    return require(${MODULE})
  }
  /** Counts them now, and checks that there are no more of them after an action. */
  const unchanged = async (what) => {
    const before = [writers(), opens()]
    await what()
    const after = [writers(), opens()]
    console.log(before[0], after[0], after[1] - before[1])
  }`

/** Runs `body` in a separate process; a user `u` has 100 credits. Returns its output, and the database. */
async function inProcess(body) {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  const source = `${COUNTS}\n;(async () => { ${body} })()`
  const result = await evaluate(source, { DATABASE_URL: database.url })
  expect(await violations(database)).toEqual([])
  return { database, ...result }
}

/** One writer before and after, and the file is not opened again. */
const ONE = '1 1 0'

describeOnLinux('one process has one engine on a file', () => {
  test('two connections share one engine, also with the default connection', async () => {
    const { out, database } = await inProcess(`
      await credits.createMediaTask(task('a'), 10)
      await credits.getRemainingCredits('u')
      await unchanged(async () => {
        const others = [url, url.slice(5), url.replace('file:', 'file://')].map((url) => credits.connect({ url }))
        await Promise.all(others.map((other, at) => other.createMediaTask(task('b' + at), 10)))
        await Promise.all(others.map((other) => other.getRemainingCredits('u')))
      })`)
    expect(out).toBe(ONE)
    expect(await database.credits.getRemainingCredits('u')).toBe(60)
  })

  test('hot reloads, whose old modules are not closed, share one engine', async () => {
    const { out, database } = await inProcess(`
      await credits.createMediaTask(task('a'), 10)
      await credits.getRemainingCredits('u')
      await unchanged(async () => {
        for (let at = 0; at < 5; at++) {
          const again = reload()
          if (again.connect === credits.connect) throw new Error('this is the same module')
          await Promise.all([again.createMediaTask(task('b' + at), 5), credits.createMediaTask(task('c' + at), 5)])
          await again.getRemainingCredits('u')
        }
      })`)
    expect(out).toBe(ONE)
    expect(await database.credits.getRemainingCredits('u')).toBe(40)
  })

  test('worker threads share one engine, those that were terminated too', async () => {
    const { out, database } = await inProcess(`
      const { Worker } = require('node:worker_threads')
      const source = \`
        const { workerData: id, parentPort } = require('node:worker_threads')
        const credits = require(${MODULE})
        credits.createMediaTask({ id, ...${JSON.stringify(TASK)} }, 5)
          .then(() => credits.getRemainingCredits('u')).then(() => parentPort.postMessage('done'))
        setInterval(() => {}, 1000)\`
      await credits.createMediaTask(task('a'), 10)
      await credits.getRemainingCredits('u')
      await unchanged(async () => {
        const workers = ['b', 'c', 'd'].map((workerData) => new Worker(source, { eval: true, workerData }))
        await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
        if (writers() !== 1) console.log(writers(), 'writers with', workers.length, 'workers')
        await Promise.all(workers.map((worker) => worker.terminate()))
        await credits.createMediaTask(task('e'), 5)
      })`)
    expect(out).toBe(ONE)
    expect(await database.credits.getRemainingCredits('u')).toBe(70)
  })

  test('a process has no engine after all connections are closed, also if they close and open at once', async () => {
    const { out } = await inProcess(`
      const ROUNDS = 20
      for (let at = 0; at < ROUNDS; at++) {
        const [one, other] = [credits.connect({ url }), credits.connect({ url })]
        await one.createMediaTask(task('a' + at), 1)
        await Promise.all([one.close(), other.createMediaTask(task('b' + at), 1).then(() => other.close())])
      }
      for (let polls = 0; writers() && polls < 500; polls++) await new Promise((resolve) => setTimeout(resolve, 10))
      // Some descriptors are kept and reused, because closing one would release locks of other libraries.
      console.log(writers(), opens() < ROUNDS)`)
    expect(out).toBe('0 true')
  })

  test('a process has one engine after rejections without a handler, which an app server survives', async () => {
    const { code, out, database } = await inProcess(`
      let unhandled = 0
      process.on('unhandledRejection', () => unhandled++)
      await credits.createMediaTask(task('a'), 10)
      await unchanged(async () => {
        for (let at = 0; at < 10; at++) credits.createMediaTask(task('b' + at), 1000)
        await credits.createMediaTask(task('c'), 10)
        await new Promise(setImmediate)
      })
      console.log(unhandled)`)
    expect({ code, out }).toEqual({ code: 0, out: `${ONE}\n10` })
    expect(await database.credits.getRemainingCredits('u')).toBe(80)
  })

  test('a rejection without a handler ends a process with one engine', async () => {
    const { code, out, database } = await inProcess(`
      await credits.createMediaTask(task('a'), 10)
      credits.createMediaTask(task('b'), 1000)
      for (let at = 0; at < 10; at++) credits.createMediaTask(task('c' + at), 1).catch(() => {})`)
    expect(code).toBe(1)
    expect(out).toContain('MediaCreditsError')
    // The next process continues where this one has ended.
    await database.credits.createMediaTask({ ...TASK, id: 'd' }, 1)
    expect(await violations(database)).toEqual([])
  })
})

describeOnLinux('two copies of the package in one process, as two apps of a monorepo may have them', () => {
  test('have one engine each, and the invariants hold', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-copy-'))
    const addon = `media-credits.${thisPlatform()}.node`
    for (const name of [addon, 'lib', 'package.json']) {
      fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true })
    }
    const { out, database } = await inProcess(`
      const other = require(${JSON.stringify(folder)})
      const both = [credits, other].flatMap((one, copy) =>
        Array.from({ length: 50 }, (_, at) => one.createMediaTask(task(copy + '-' + at), 2)))
      const settled = await Promise.allSettled(both)
      const refused = settled.filter(({ reason }) => reason?.code === 'INSUFFICIENT_CREDITS')
      console.log(writers(), settled.length - refused.length)`)
    fs.rmSync(folder, { recursive: true })
    expect(out).toBe('2 50')
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
    expect(await database.sql('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
  })
})

describeOnLinux('Jest', () => {
  test('gives each test file its own module, and all share one engine', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const source = (name, body) =>
      `const credits = require(${MODULE})\n${COUNTS}\ntest('${name}', async () => { ${body} })`
    const what = (id) => `
      await credits.createMediaTask(task('${id}'), 10)
      await credits.getRemainingCredits('u')
      const counts = [process.pid, writers(), opens()]`
    const files = {
      a: source('a', `${what('a')}; fs.writeFileSync('counts.json', JSON.stringify(counts))`),
      // The same process, in which the first file's module was discarded without being closed.
      b: source(
        'b',
        `${what('b')}; expect(counts).toEqual(require('./counts.json')); expect(counts[1]).toBe(1)`,
      ),
    }
    const { status, stderr } = runJest(files, { args: ['--runInBand'], env: { DATABASE_URL: database.url } })
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/^Tests: +2 passed, 2 total$/m),
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(80)
    expect(await violations(database)).toEqual([])
  })
})
