'use strict'

const { connect } = require('../..')
const { TestDatabase, task } = require('../helpers/database')
const { byStorage, sqlite } = require('../helpers/storage')
const { TRANSACTIONS } = require('../helpers/transactions')

// `connection.within(tx)`: each option of the connection that has an effect there. `schema` is only for PostgreSQL.

const Transactions = byStorage(TRANSACTIONS)
const [KIND] = Transactions.KINDS

let database, transactions

beforeEach(async () => {
  database = await TestDatabase.fresh()
  transactions = new Transactions(database)
})

afterEach(() => transactions.end())

/** The result of `work` with the functions of a connection with these options. */
async function within(options, work) {
  const connection = connect({ url: database.url, ...options })
  try {
    return await transactions.run(KIND, (tx) => work(connection.within(tx)))
  } finally {
    await connection.close()
  }
}

test('within uses the refundPolicy of the connection, unless a call passes another', async () => {
  await database.user('u', 50, { credits: 50, expiresAt: null })
  const refunded = async (id, options, more) => {
    await database.credits.createMediaTask(task(id, 'u'), 5)
    const hourAgo = new Date(Date.now() - 3_600_000)
    await database.sql('UPDATE credit SET expires_at = ? WHERE expires_at IS NOT NULL', hourAgo)
    const { refund } = await within(options, (credits) =>
      credits.updateMediaTaskById(id, { status: 'failed' }, more),
    )
    await database.sql(
      'UPDATE credit SET expires_at = ? WHERE expires_at IS NOT NULL',
      new Date(Date.now() + 1e9),
    )
    return refund.spendable
  }
  const regrant = { refundPolicy: { regrantDays: 30 } }
  expect(await refunded('by default', {})).toBe(0)
  expect(await refunded('by the connection', regrant)).toBe(5)
  expect(await refunded('by the call', regrant, { refundPolicy: 'source' })).toBe(0)
})

test('within uses the drawOrder of the connection, and the scenes of the call', async () => {
  const grant = (id, transactionScene, days) => ({
    id,
    credits: 5,
    transactionScene,
    expiresAt: new Date(Date.now() + days * 86_400_000),
  })
  await database.user('u', grant('gift', 'gift', 1), grant('paid', 'payment', 2), grant('late', 'gift', 3))
  const drawn = (options, more) =>
    within(options, async (credits) => {
      const { consumedDetail } = await credits.consumeCredits({ userId: 'u', credits: 1 }, more)
      return JSON.parse(consumedDetail)[0].creditId
    })
  const order = { drawOrder: [{ scenes: ['payment'] }] }
  expect(await drawn({})).toBe('gift')
  expect(await drawn(order)).toBe('paid')
  expect(await drawn({}, { exceptScenes: ['gift'] })).toBe('paid')
  expect(await drawn(order, { scenes: ['gift'] })).toBe('gift')
  const poor = await within({}, (credits) =>
    credits.consumeCredits({ userId: 'u', credits: 9 }, { scenes: ['gift'] }).catch((error) => error),
  )
  expect(poor).toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 8, balance: 11 })
})

test('within uses the activeStatuses of the connection', async () => {
  await database.user('u')
  for (const status of ['pending', 'processing']) {
    await database.credits.createMediaTask(task(status, 'u', { status }), 0)
  }
  const active = (options) =>
    within(options, async (credits) => (await credits.getActiveMediaTasks('u')).map(({ id }) => id))
  expect(await active({})).toEqual(['processing'])
  expect(await active({ activeStatuses: ['pending'] })).toEqual(['pending'])
})

sqlite.test(
  'within uses the timestampUnit of its connection, also if another one has another unit for the same file',
  async () => {
    await database.user('u')
    const write = async (id, timestampUnit) => {
      const [before, unit] = [Date.now(), timestampUnit === 's' ? 1000 : 1]
      await within({ timestampUnit }, (credits) => credits.createMediaTask(task(id, 'u'), 0))
      const [{ at }] = await database.sql('SELECT created_at AS at FROM media_tasks WHERE id = ?', id)
      return at * unit >= before - 1000 && at * unit <= Date.now() + 1000
    }
    const units = ['ms', 's', 'ms', 's']
    const right = []
    for (const [number, unit] of units.entries()) right.push(await write(`t${number}`, unit))
    expect(right).toEqual([true, true, true, true])
  },
)
