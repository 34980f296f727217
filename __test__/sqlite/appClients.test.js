'use strict'

const { TestDatabase } = require('../helpers/database')
const { LIBSQL } = require('../helpers/libsql')
const { evaluate, start } = require('../helpers/processes')

// The claims of docs/locking.md about the app's own client: how it waits for a lock, and what resets that.

/** Runs `body` in a separate process, with a client on the database. Resolves to its output. */
async function withClient(database, version, { timeout, pragma }, body) {
  const { out } = await evaluate(`(async () => {
    const { createClient } = require(${JSON.stringify(LIBSQL[version])})
    const client = createClient(${JSON.stringify({ url: database.url, timeout })})
    ${pragma ? `await client.execute('PRAGMA busy_timeout = ${pragma}')` : ''}
    const code = (error) => error.code
    const say = (what) => console.log(JSON.stringify(what))
    ${body}
  })()`)
  return JSON.parse(out)
}

async function withUser() {
  const database = await TestDatabase.fresh()
  await database.user('u')
  return database
}

/** How long a statement waits for a lock, in milliseconds. */
const WAITS = `
  const waits = async () => Object.values((await client.execute('PRAGMA busy_timeout')).rows[0])[0]
  const first = await waits()
  await client.batch(["UPDATE user SET name = 'v'"], 'write')
  const afterBatch = await waits()
  const transaction = await client.transaction('write')
  const besideTransaction = await waits()
  await transaction.commit()
  say([first, afterBatch, besideTransaction, await waits()])`

test.each([
  // At first, after a batch, beside an open transaction, and after that.
  ['0.18', {}, [0, 0, 0, 0]],
  ['0.18', { timeout: 5000 }, [5000, 5000, 5000, 5000]],
  // For one of its connections.
  ['0.18', { pragma: 5000 }, [5000, 5000, 0, 5000]],
  ['0.15', {}, [0, 0, 0, 0]],
  ['0.15', { timeout: 5000 }, [0, 0, 0, 0]],
  ['0.15', { pragma: 5000 }, [5000, 5000, 0, 0]],
])('@libsql/client %s, told %j, waits for %j', async (version, told, expected) => {
  expect(await withClient(await withUser(), version, told, WAITS)).toEqual(expected)
})

/** Another process holds the write lock until it is asked to release it. */
function locked(database) {
  return new Promise((resolve) => {
    const { child, ended } = start('locker.js', [database.file], () =>
      resolve(() => child.kill('SIGKILL') && ended),
    )
  })
}

const WRITE = `
  const start = performance.now()
  const end = await client.execute("UPDATE user SET name = 'x'").catch(code)
  say({ end, waitedMs: performance.now() - start })`

test.each([
  ['0.18', { timeout: 500 }, 500],
  ['0.15', { pragma: 500 }, 500],
  // An hour, which no test waits for.
  ['0.15', { timeout: 3_600_000 }, 0],
])('@libsql/client %s, told %j, is refused while another process writes', async (version, told, leastMs) => {
  const database = await withUser()
  const release = await locked(database)
  const { end, waitedMs } = await withClient(database, version, told, WRITE)
  await release()
  expect(end).toBe('SQLITE_BUSY')
  expect(waitedMs).toBeGreaterThanOrEqual(leastMs)
})

/** Two concurrent writes, and how long the event loop was blocked. */
const atOnce = (write) => `
  const start = performance.now()
  let stillMs
  setImmediate(() => (stillMs = performance.now() - start))
  const write = async () => {
    ${write}
    return 'written'
  }
  const ends = await Promise.all([write(), write()].map((writing) => writing.catch(code)))
  say({ ends, stillMs })`

/** Commits after a turn of the event loop, like code that awaits another call in between. */
const TRANSACTION = atOnce(`
  const transaction = await client.transaction('write')
  await new Promise(setImmediate)
  await transaction.commit()`)

test.each([
  ['0.18', {}, 0],
  ['0.18', { timeout: 500 }, 500],
  ['0.15', {}, 0],
  ['0.15', { pragma: 500 }, 0],
])(
  'of two transactions of one @libsql/client %s with %j the second is refused',
  async (version, told, leastMs) => {
    const { ends, stillMs } = await withClient(await withUser(), version, told, TRANSACTION)
    expect(ends).toEqual(['written', 'SQLITE_BUSY'])
    expect(stillMs).toBeGreaterThanOrEqual(leastMs)
  },
)

test.each(['0.18', '0.15'])('two batches of one @libsql/client %s are both written', async (version) => {
  const batch = atOnce(`await client.batch(["UPDATE user SET name = 'y'"], 'write')`)
  const { ends } = await withClient(await withUser(), version, {}, batch)
  expect(ends).toEqual(['written', 'written'])
})
