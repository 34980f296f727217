'use strict'

const { connect } = require('../..')
const { appConsume } = require('../helpers/app')
const {
  AN_HOUR_AGO,
  addRows,
  charge,
  exactEntries,
  findings,
  forTask,
  grant,
  kinds,
  refunded,
  taskRow,
} = require('../helpers/books')
const { counted, inProcesses, values } = require('../helpers/calls')
const { until } = require('../helpers/callers')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { clientOf } = require('../helpers/postgres')
const { evaluate } = require('../helpers/processes')
const { creditRow } = require('../helpers/rows')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const APPLY = { apply: true }
const USERS = 300
const users = Array.from({ length: USERS }, (_, at) => `u${at}`)

/** Each user has 70 excess credits in a grant of 100, and a failed task with an active charge of 6. */
async function withDamage(ids = users) {
  const database = await TestDatabase.fresh()
  const of = (make) => ids.map((id) => ({ ...make(id), user_id: id }))
  await addRows(
    database,
    'user',
    ids.map((id) => ({ id })),
  )
  await addRows(
    database,
    'credit',
    of((id) => grant(`g-${id}`, 100, 150)),
  )
  await addRows(
    database,
    'credit',
    of((id) => grant(`h-${id}`, 100, 94)),
  )
  await addRows(
    database,
    'credit',
    of((id) => refunded(`r-${id}`, 10, [[`g-${id}`, 10]])),
  )
  await addRows(
    database,
    'credit',
    of((id) => charge(`d-${id}`, 20, [[`g-${id}`, 20]])),
  )
  await addRows(
    database,
    'credit',
    of((id) => charge(`c-${id}`, 6, [[`h-${id}`, 6]], forTask(`t-${id}`))),
  )
  await addRows(
    database,
    'media_tasks',
    of((id) => taskRow(`t-${id}`, 'failed', `c-${id}`)),
  )
  return database
}

/** What an audit finds. */
const ALL_KINDS = {
  'failed-task-charged': USERS,
  'grant-out-of-range': USERS,
  'refunded-more-than-once': USERS,
}
const BEFORE = 244
const AFTER = 180
/** A grant with excess credits, a charge that is refunded, the grant that it is returned to. */
const CHANGES = 3

async function balances(database, ids = users) {
  const all = await Promise.all(ids.map((id) => database.credits.getRemainingCredits(id)))
  return [...new Set(all)]
}

/** The number of recorded repairs in all rows. */
async function records(database) {
  const { credit } = await database.everything()
  const all = credit.map(({ metadata }) => JSON.parse(metadata ?? '{}').repaired ?? [])
  return all.flat().length
}

test('one call repairs several hundred users', async () => {
  const database = await withDamage()
  expect(await balances(database)).toEqual([BEFORE])
  const { changes } = await database.credits.repairLedger(APPLY)
  expect(changes.length).toBe(USERS * CHANGES)
  expect(await balances(database)).toEqual([AFTER])
  expect(await findings(database.credits)).toEqual([])
  expect(await violations(database)).toEqual([])
})

test('concurrent repairs on two connections and in other processes change each row once', async () => {
  const ids = users.slice(0, 40)
  const database = await withDamage(ids)
  const second = connect({ url: database.url })
  const calls = Array.from({ length: 4 }, () => ['repairLedger', APPLY])
  const [outcomes, settled] = await Promise.all([
    inProcesses(database, calls, calls),
    Promise.allSettled(
      [database.credits, second, database.credits, second].map(({ repairLedger }) => repairLedger(APPLY)),
    ),
  ])
  expect(outcomes.flat()).toEqual(Array(8).fill('accepted'))
  expect(counted(settled)).toEqual({ accepted: 4 })
  for (const { changes } of values(settled)) expect([0, ids.length * CHANGES]).toContain(changes.length)
  expect(await balances(database, ids)).toEqual([AFTER])
  expect(await records(database)).toBe(ids.length * CHANGES)
  expect(await violations(database)).toEqual([])
  await second.close()
})

test('a repair beside charges and refunds of the same users loses nothing, and repairs nothing twice', async () => {
  const ids = users.slice(0, 20)
  const database = await withDamage(ids)
  const second = connect({ url: database.url })
  const spent = Object.fromEntries(ids.map((id) => [id, 0]))
  let isOver = false
  const busy = async (credits, number) => {
    for (let at = 0; !isOver || at < 10; at++) {
      const userId = ids[(number + at * 7) % ids.length]
      const id = `${number}-${at}`
      await credits.createMediaTask(task(id, userId), 1)
      if (at % 2) await credits.updateMediaTaskById(id, { status: 'failed' })
      else spent[userId]++
      if (at > 30) return
    }
  }
  const callers = Array.from({ length: 6 }, (_, number) =>
    busy([database.credits, second][number % 2], number),
  )
  const repaired = []
  do repaired.push(...(await second.repairLedger(APPLY)).changes)
  while ((await findings(second)).length > 0)
  isOver = true
  await Promise.all(callers)
  expect(repaired.length).toBe(ids.length * CHANGES)
  for (const id of ids) expect(await database.credits.getRemainingCredits(id)).toBe(AFTER - spent[id])
  expect(Object.values(spent).reduce((sum, credits) => sum + credits)).toBeGreaterThan(20)
  for (const id of ids) await exactEntries(database.credits, id)
  expect(await findings(database.credits)).toEqual([])
  expect(await violations(database)).toEqual([])
  await second.close()
})

test('a repair beside a worker that fails the same tasks refunds each once', async () => {
  const ids = users.slice(0, 60)
  const database = await withDamage(ids)
  await database.sql("UPDATE media_tasks SET status = 'processing'")
  const failing = Promise.all(
    ids.map((id) => database.credits.updateMediaTaskById(`t-${id}`, { status: 'failed' })),
  )
  const repairs = await Promise.all([1, 2, 3].map(() => database.credits.repairLedger(APPLY)))
  expect((await failing).map(({ refund }) => refund.credits)).toEqual(ids.map(() => 6))
  await database.credits.repairLedger(APPLY)
  expect(await balances(database, ids)).toEqual([AFTER])
  const all = repairs.flatMap(({ changes }) => changes)
  expect(all.filter(({ kind }) => kind === 'failed-task-charged')).toEqual([])
  expect(await violations(database)).toEqual([])
})

// It locks grants alone, and in another order.
postgres.test("a repair while the app's own code charges the same users loses nothing", async () => {
  const ids = users.slice(0, 12)
  const database = await withDamage(ids)
  const clients = ids.slice(0, 4).map(() => clientOf(database.url))
  const charging = clients.map(async (client) => {
    for (let at = 0; at < 60; at++) await appConsume(client, ids[at % ids.length], 1)
    await client.end()
  })
  const repaired = []
  do repaired.push(...(await database.credits.repairLedger({ apply: true })).changes)
  while (repaired.length < ids.length * CHANGES)
  await Promise.all(charging)
  expect(repaired.length).toBe(ids.length * CHANGES)
  expect(await balances(database, ids)).toEqual([AFTER - (60 * clients.length) / ids.length])
  expect(await findings(database.credits)).toEqual([])
  expect(await violations(database)).toEqual([])
})

describe('a process that charged a user before a repair', () => {
  const charge1 = ({ consumeCredits }, credits) => consumeCredits({ userId: 'u', credits })

  async function withUser() {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'g', credits: 100 })
    return database
  }

  test('charges no more than the repaired balance', async () => {
    const database = await withUser()
    const { repairLedger, getRemainingCredits, refundCredits } = database.credits
    const { id } = await charge1(database.credits, 10)
    await refundCredits(id)
    await charge1(database.credits, 20)
    await database.sql("UPDATE credit SET remaining_credits = remaining_credits + 30 WHERE id = 'g'")
    // It remembers the excess credits.
    await charge1(database.credits, 1)
    expect((await repairLedger(APPLY)).changes).toMatchObject([{ id: 'g', before: 109, after: 79 }])
    await expect(charge1(database.credits, 80)).rejects.toMatchObject({
      code: 'INSUFFICIENT_CREDITS',
      available: 79,
    })
    await charge1(database.credits, 79)
    expect(await getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('can charge all credits that the repair refunded', async () => {
    const database = await withUser()
    const { repairLedger, createMediaTask, getRemainingCredits } = database.credits
    await createMediaTask(task('t', 'u'), 60)
    await database.sql("UPDATE media_tasks SET status = 'failed', updated_at = ?", AN_HOUR_AGO)
    await charge1(database.credits, 40)
    await expect(charge1(database.credits, 1)).rejects.toMatchObject({ available: 0 })
    expect((await repairLedger(APPLY)).changes).toHaveLength(2)
    await charge1(database.credits, 60)
    expect(await getRemainingCredits('u')).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test('draws on a grant whose time was repaired', async () => {
    const database = await withUser()
    const soon = Math.floor(Date.now() / 1000) + 86_400
    await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", new Date(soon))
    await expect(charge1(database.credits, 1)).rejects.toMatchObject({ available: 0 })
    await database.credits.repairLedger(APPLY)
    await charge1(database.credits, 100)
    expect((await creditRow(database, 'g')).expires_at).toBe(soon * 1000)
    expect(await violations(database)).toEqual([])
  })
})

describe('kill -9 in the middle of a repair', () => {
  /** How long after it has begun. */
  const DELAYS_MS = [0, 5, 10, 20, 40, 80]

  test('leaves all changes or none', async () => {
    const database = await withDamage()
    await database.close()
    const seen = []
    for (const delayMs of DELAYS_MS) {
      // The first call has opened the database; then the repair and the end run side by side.
      const source = `credits.repairLedger().then(() => {
        credits.repairLedger({ apply: true }).then(() => console.log('told'))
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${delayMs})
      })`
      const { signal, out } = await evaluate(source, { DATABASE_URL: database.url })
      expect(signal).toBe('SIGKILL')
      // A server may continue it for a moment.
      await until(() => isQuiet(database))
      const count = await records(database)
      expect([0, USERS * CHANGES]).toContain(count)
      if (out.includes('told')) expect(count).toBe(USERS * CHANGES)
      seen.push(count)
      expect(seen).toEqual([...seen].sort((one, other) => one - other))
      const credits = connect({ url: database.url })
      const left = await kinds(credits)
      expect(left).toEqual(count ? {} : ALL_KINDS)
      await credits.close()
    }
    const credits = connect({ url: database.url })
    await credits.repairLedger(APPLY)
    expect(await findings(credits)).toEqual([])
    expect(await records(database)).toBe(USERS * CHANGES)
    expect(await violations(database)).toEqual([])
    await credits.close()
  })
})

/** Whether no client but the test uses a PostgreSQL database any more. */
async function isQuiet(database) {
  if (database.store.provider !== 'postgresql') return true
  const others = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`
  return (await database.sql(others)).length === 0
}
