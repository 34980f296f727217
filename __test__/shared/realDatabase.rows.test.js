'use strict'

const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

// The package guards, refunds, fails and charges the rows of the app's own models.

const HOUR_MS = 3_600_000

/**
 * A copy of a real database whose tasks were updated an hour ago, and the tasks in these statuses with their charges, except
 * those of users whose ledger concurrent calls of the app have damaged.
 */
async function realTasks(...states) {
  const database = await TestDatabase.fixture()
  await database.sql('UPDATE media_tasks SET updated_at = ?', new Date(Date.now() - HOUR_MS))
  const rows = await database.sql(
    `SELECT media_tasks.id, media_tasks.user_id, media_tasks.status, credit.id AS charge_id, credit.credits
      FROM media_tasks JOIN credit ON credit.id = credit_id JOIN "user" ON "user".id = media_tasks.user_id
      WHERE "user".name LIKE 'user %' ORDER BY media_tasks.id`,
  )
  const tasks = rows.filter(({ status }) => states.includes(status))
  expect(tasks.length).toBeGreaterThan(5)
  return { database, tasks, damage: await violations(database) }
}

test('a guarded update claims a task of the app once', async () => {
  const { database, tasks, damage } = await realTasks('pending')
  const { updateMediaTaskById } = database.credits
  for (const { id } of tasks) {
    const claim = () => updateMediaTaskById(id, { status: 'processing' }, { ifStatus: 'pending' })
    const claims = await Promise.allSettled([claim(), claim()])
    expect(claims.map(({ reason }) => reason?.code).sort()).toEqual(['TASK_STATE_CONFLICT', undefined])
    const late = updateMediaTaskById(
      id,
      { progress: 5 },
      { ifUpdatedBefore: new Date(Date.now() - HOUR_MS / 2) },
    )
    await expect(late).rejects.toMatchObject({ code: 'TASK_STATE_CONFLICT' })
  }
  expect(await violations(database)).toEqual(damage)
})

test('a task that the app refunded is delivered only with allowRefunded', async () => {
  const { database, tasks, damage } = await realTasks('failed')
  const { updateMediaTaskById, getMediaTaskCharges } = database.credits
  for (const { id, charge_id } of tasks) {
    const late = updateMediaTaskById(id, { status: 'completed' })
    await expect(late).rejects.toMatchObject({ code: 'TASK_REFUNDED' })
    await updateMediaTaskById(id, { status: 'completed' }, { allowRefunded: true })
    const charges = await getMediaTaskCharges(id)
    expect(charges.find(({ id }) => id === charge_id)).toMatchObject({ status: 'deleted' })
  }
  expect(await violations(database)).toEqual(damage)
})

test('the stuck tasks of the app are found and failed, and each credit is refunded once', async () => {
  const { database, tasks, damage } = await realTasks('pending')
  const { findStuckMediaTasks, failStuckMediaTasks } = database.credits
  const query = { olderThanMs: HOUR_MS / 2, limit: 100 }
  const stuck = (await findStuckMediaTasks(query)).map(({ id }) => id).sort()
  expect(stuck).toEqual(expect.arrayContaining(tasks.map(({ id }) => id)))
  const both = await Promise.all([failStuckMediaTasks(query), failStuckMediaTasks(query)])
  expect(both.flatMap(({ errors }) => errors)).toEqual([])
  const failed = both.flatMap(({ tasks }) => tasks)
  expect(failed.map(({ id }) => id).sort()).toEqual(stuck)
  for (const { id, credits } of tasks) {
    expect(failed.find((task) => task.id === id)).toMatchObject({ refund: { credits: -credits } })
  }
  // The refunds have removed some of the damage.
  expect(damage).toEqual(expect.arrayContaining(await violations(database)))
})

test('credits of an expired grant are regranted with regrantDays', async () => {
  const { database, tasks, damage } = await realTasks('pending')
  const { updateMediaTaskById, getRemainingCredits } = database.credits
  await database.sql(
    `UPDATE credit SET expires_at = ? WHERE transaction_type = 'grant'`,
    new Date(Date.now() - HOUR_MS),
  )
  for (const { id, user_id, credits } of tasks) {
    const before = await getRemainingCredits(user_id)
    const policy = { refundPolicy: { regrantDays: 30 } }
    const { refund } = await updateMediaTaskById(id, { status: 'failed' }, policy)
    expect(refund).toMatchObject({ credits: -credits, spendable: -credits, regranted: { credits: -credits } })
    expect(await getRemainingCredits(user_id)).toBe(before - credits)
  }
  expect(await violations(database)).toEqual(damage)
})

test('a batch for users of the app is written whole, or not at all', async () => {
  const { database, tasks, damage } = await realTasks('pending')
  const { createMediaTasks, getRemainingCredits } = database.credits
  const users = [...new Set(tasks.map(({ user_id }) => user_id))]
  const balances = await Promise.all(users.map((user) => getRemainingCredits(user)))
  const rich = users.filter((_, at) => balances[at] >= 2)
  expect(rich.length).toBeGreaterThan(2)
  const items = rich.map((user, at) => ({ task: task(`b${at}`, user), costCredits: 2 }))
  const poor = { task: task('poor', rich[0]), costCredits: 1_000_000 }
  const before = await database.everything()
  const refused = createMediaTasks([...items, poor], { atomic: true })
  await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', index: items.length })
  expect(await database.everything()).toEqual(before)
  expect(await createMediaTasks(items, { atomic: true })).toHaveLength(items.length)
  const settled = await createMediaTasks([poor, { task: task('last', rich[1]), costCredits: 0 }])
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  expect(await violations(database)).toEqual(damage)
})
