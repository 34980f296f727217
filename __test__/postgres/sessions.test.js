'use strict'

const { once } = require('node:events')
const { TestDatabase, task } = require('../helpers/database')
const { addUsers, until } = require('../helpers/callers')
const { UNAVAILABLE, atCommit } = require('../helpers/commits')
const { violations } = require('../helpers/invariants')
const { connection, throughProxy } = require('../helpers/network')

// The server ends a session by a timeout or an operator. It reports this once, with the next statement of the client.

const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'ended'`

/** A user with two grants of 100 and a task that cost 10, and a connection that is open, behind a proxy. */
async function open(setting) {
  const database = await TestDatabase.fresh()
  await addUsers(database, 1)
  const { name } = database.store
  if (setting) await database.sql(`ALTER DATABASE ${name} SET ${setting}`)
  const { proxy } = await throughProxy(database)
  const credits = connection(`${proxy.url}?application_name=ended`)
  await credits.createMediaTask(task('t', 'u0'), 10)
  return { database, proxy, credits }
}

const charge = ({ consumeCredits }) => consumeCredits({ userId: 'u0', credits: 5, transactionNo: 'n' })

/** The proxy's one connection to the server. */
const onlyConnection = ({ connections: [first] }) => first

describe.each([
  ['idle_session_timeout (57P05)', `idle_session_timeout = '400ms'`, async () => {}],
  ['admin_shutdown (57P01)', null, (database) => database.sql(TERMINATE)],
])('%s', (_, setting, end) => {
  test('a charge that is sent while the session ends is repeated, and written once', async () => {
    const { database, proxy, credits } = await open(setting)
    // The server's message is under way when the client sends.
    proxy.stall()
    const ended = once(onlyConnection(proxy).server, 'end')
    await end(database)
    await ended
    const charged = charge(credits)
    await until(async () => (await credits.stats()).queue.running === 1)
    proxy.resume()
    expect(await charged).toMatchObject({ credits: -5 })
    expect((await credits.stats()).retries.lostConnections).toBe(1)
    expect(await credits.getRemainingCredits('u0')).toBe(185)
    expect(await violations(database)).toEqual([])
  })
})

describe.each([
  ['admin_shutdown (57P01)', null, (database) => database.sql(TERMINATE)],
  [
    'idle_in_transaction_session_timeout (25P03)',
    `idle_in_transaction_session_timeout = '400ms'`,
    async () => {},
  ],
  ['transaction_timeout (25P04)', `transaction_timeout = '400ms'`, async () => {}],
])('%s', (_, setting, end) => {
  test('a charge whose session ends before its COMMIT has written nothing and is retryable', async () => {
    const { database, proxy, credits } = await open(setting)
    const committing = new Promise((resolve) => {
      atCommit(proxy, (_, { server }) => {
        // The message about the end of the session comes before this.
        resolve({ ended: once(server, 'end') })
        return false
      })
    })
    const refused = charge(credits).catch((error) => error)
    const { ended } = await committing
    await end(database)
    await ended
    expect(await refused).toMatchObject(UNAVAILABLE)
    expect(await database.sql(`SELECT id FROM credit WHERE transaction_no = 'n'`)).toEqual([])
    expect(await charge(credits)).toMatchObject({ credits: -5 })
    expect(await credits.getRemainingCredits('u0')).toBe(185)
    expect(await violations(database)).toEqual([])
  })
})
