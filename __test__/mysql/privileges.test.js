'use strict'

const { cliOn } = require('../helpers/cli')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { connection } = require('../helpers/network')

const TABLES = ['user', 'credit', 'media_tasks', 'ai_task']
const EACH = Object.fromEntries(TABLES.map((table) => [table, 'SELECT, INSERT, UPDATE']))

/** A database with user `u` and 10 credits, and a connection of an account with these privileges by table. */
async function withAccount(granted, use) {
  const database = await TestDatabase.fresh()
  await database.user('u', 10)
  const { store } = database
  // MySQL's names of users have at most 32 characters.
  const name = store.name.slice(-32)
  const account = `\`${name}\`@\`%\``
  await store.admin(`CREATE USER ${account} IDENTIFIED BY 'account'`)
  try {
    for (const [table, privileges] of Object.entries(granted)) {
      await store.admin(`GRANT ${privileges} ON ${store.name}.\`${table}\` TO ${account}`)
    }
    const url = new URL(database.url)
    Object.assign(url, { username: name, password: 'account' })
    await use({ database, url: url.href, credits: connection(url.href), admin: (sql) => store.admin(sql) })
  } finally {
    await store.admin(`DROP USER ${account}`)
  }
}

const lacksOf = async (credits) =>
  (await credits.getDiagnostics()).lacks.map(({ table, command }) => `${command} ${table}`)

/** The checks of privileges in doctor's report: a status and a message each. */
async function doctor(url) {
  const { code, json } = await cliOn({ url }, 'doctor', '--json')
  return { code, privileges: json.checks.filter(({ name }) => name === 'privileges') }
}

const live = async ({ database, credits }) => {
  await credits.createMediaTask(task('t', 'u'), 5)
  await credits.updateMediaTaskById('t', { status: 'failed' })
  await credits.createCredit({ userId: 'u', credits: 1 })
  expect(await credits.getRemainingCredits('u')).toBe(11)
  expect(await violations(database)).toEqual([])
}

test('an account with all privileges of the ledger lacks nothing', async () => {
  await withAccount(EACH, async (made) => {
    await live(made)
    expect(await lacksOf(made.credits)).toEqual([])
    expect((await doctor(made.url)).privileges).toEqual([])
  })
})

test('an account that may only read lacks the others, and doctor has the statements that grant them', async () => {
  await withAccount(Object.fromEntries(TABLES.map((table) => [table, 'SELECT'])), async (made) => {
    const { credits, database, url, admin } = made
    const before = await database.everything()
    const lacks = ['UPDATE user', 'INSERT credit', 'UPDATE credit']
    lacks.push(...['media_tasks', 'ai_task'].flatMap((table) => [`INSERT ${table}`, `UPDATE ${table}`]))
    expect((await lacksOf(credits)).sort()).toEqual(lacks.sort())
    const error = await credits.createMediaTask(task('t', 'u'), 5).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', databaseCode: '1142', retryable: false })
    expect(await credits.getRemainingCredits('u')).toBe(10)
    expect(await database.everything()).toEqual(before)
    const { code, privileges } = await doctor(url)
    expect(code).toBe(1)
    const statuses = privileges.map(({ status }) => status).sort()
    expect(statuses).toEqual(['ok', 'problem', 'problem', 'warning', 'warning', 'warning', 'warning'])
    for (const { message } of privileges) await admin(message.match(/run: (GRANT .*);$/)[1])
    await live(made)
    expect((await doctor(url)).privileges).toEqual([])
  })
})

test('an account that may not change a column of grants gets an error that names it', async () => {
  const some = 'SELECT, INSERT, UPDATE (credits, status, updated_at, consumed_detail, metadata)'
  await withAccount({ ...EACH, credit: some }, async ({ credits, url, admin }) => {
    expect(await lacksOf(credits)).toEqual(['UPDATE credit'])
    const { code, privileges } = await doctor(url)
    expect([code, privileges.length]).toEqual([1, 1])
    const { message } = privileges[0]
    expect(message).toContain('no privilege to UPDATE (`remaining_credits`) on table credit')
    await admin(message.match(/run: (GRANT .*);$/)[1])
    expect(await lacksOf(credits)).toEqual([])
  })
})
