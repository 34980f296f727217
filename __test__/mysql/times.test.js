'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { describeWithOwnServer, ownServer } = require('../helpers/mariadb')
const { Store, clientOf, describeWithMysql, given, withTimes: withTimesOf } = require('../helpers/mysql')
const { within } = require('../..')

// The app's tables store whole seconds, and a `timestamp` ends in 2038.

const DAY_MS = 86_400_000
const SECOND_MS = 1000

const floored = (date) => new Date(Math.floor(date / SECOND_MS) * SECOND_MS)

async function withUser(...grants) {
  const database = new TestDatabase(await Store.on(given, 'app'))
  await database.user('u', ...grants)
  return database
}

/** The same tables with other types of times. */
const withTimes = async (type) =>
  new TestDatabase(await Store.on(given, 'app', { adapted: withTimesOf(type) }))

const drawn = ({ consumedDetail }) =>
  JSON.parse(consumedDetail).map(({ creditId, creditsConsumed }) => [creditId, creditsConsumed])

describeWithMysql('grants with times in one second', () => {
  test('are drawn on in the order of their ids if all else is equal', async () => {
    const expiresAt = new Date(Date.now() + DAY_MS)
    const database = await withUser()
    for (const id of ['c', 'a', 'b'])
      await database.credits.createCredit({ id, userId: 'u', credits: 10, expiresAt })
    await database.sql('UPDATE credit SET created_at = ?', floored(new Date()))
    expect(drawn(await database.credits.consumeCredits({ userId: 'u', credits: 25 }))).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 5],
    ])
  })

  test('whose expiries differ by less than a second expire together', async () => {
    const at = floored(Date.now() + DAY_MS).getTime()
    const database = await withUser()
    await database.credits.createCredit({
      id: 'late',
      userId: 'u',
      credits: 10,
      expiresAt: new Date(at + 900),
    })
    await database.credits.createCredit({
      id: 'early',
      userId: 'u',
      credits: 10,
      expiresAt: new Date(at + 100),
    })
    const { grants } = await database.credits.getBalance('u')
    expect(grants.map(({ expiresAt }) => expiresAt)).toEqual([new Date(at), new Date(at)])
  })

  test('that the package made are drawn on in the order of their creation', async () => {
    const database = await withUser()
    const ids = []
    for (let at = 0; at < 5; at++)
      ids.push((await database.credits.createCredit({ userId: 'u', credits: 2 })).id)
    const charge = await database.credits.consumeCredits({ userId: 'u', credits: 9 })
    expect(drawn(charge).map(([id]) => id)).toEqual(ids)
  })
})

describeWithMysql('a charge on more grants than consumed_detail can list', () => {
  test('is refused by name, and writes nothing', async () => {
    const database = await withUser(...Array(400).fill(1))
    const before = await database.everything()
    const charge = (credits) => database.credits.consumeCredits({ userId: 'u', credits })
    await expect(charge(400)).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      field: 'consumedDetail',
      message: expect.stringContaining('at most 65535 bytes'),
    })
    expect(await database.everything()).toEqual(before)
    await database.sql('ALTER TABLE credit MODIFY consumed_detail longtext')
    await charge(400)
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
  })
})

describeWithMysql('a time in the result of a call', () => {
  test('is the time that the database stores', async () => {
    const database = await withUser(100)
    const publishedAt = new Date('2026-05-01T10:20:30.987Z')
    const made = await database.credits.createMediaTask(task('t', 'u', { publishedAt }), 10)
    expect(made.publishedAt).toEqual(floored(publishedAt))
    expect(await database.credits.findMediaTaskById('t')).toEqual(made)
    const grant = await database.credits.createCredit({
      userId: 'u',
      credits: 1,
      expiresAt: new Date('2037-01-01T00:00:00.999Z'),
    })
    expect(grant.expiresAt).toEqual(new Date('2037-01-01T00:00:00Z'))
    const [kept] = await database.credits.getCredits({ userId: 'u', limit: 1 })
    expect(kept).toEqual(grant)
  })

  test('has milliseconds if the table has them', async () => {
    const database = await withTimes('datetime(3)')
    await database.user('u', 100)
    const publishedAt = new Date('2026-05-01T10:20:30.987Z')
    const made = await database.credits.createMediaTask(task('t', 'u', { publishedAt }), 10)
    expect(made.publishedAt).toEqual(publishedAt)
    expect(await database.credits.findMediaTaskById('t')).toEqual(made)
  })

  test.each(['timestamp(6)', 'datetime(6)'])('has no microseconds: %s', async (type) => {
    const database = await withTimes(type)
    await database.user('u')
    await database.credits.createMediaTask(task('t', 'u'), 0)
    await database.sql("UPDATE media_tasks SET published_at = '2026-01-01 00:00:00.123999'")
    const { publishedAt } = await database.credits.findMediaTaskById('t')
    expect(publishedAt).toEqual(new Date('2026-01-01T00:00:00.123Z'))
  })
})

describeWithMysql('ifUpdatedBefore', () => {
  test('refuses the time of the task itself, and accepts the next second', async () => {
    const database = await withUser()
    const { updatedAt } = await database.credits.createMediaTask(task('t', 'u'), 0)
    const update = (ifUpdatedBefore) => database.credits.updateMediaTaskById('t', {}, { ifUpdatedBefore })
    expect(await refusal(database, () => update(updatedAt))).toMatchObject({ code: 'TASK_STATE_CONFLICT' })
    expect(await update(new Date(updatedAt.getTime() + SECOND_MS))).toMatchObject({ id: 't' })
  })

  test.each([1, 500, 999])('accepts a time %d ms after that of the task', async (ms) => {
    const database = await withUser()
    const { updatedAt } = await database.credits.createMediaTask(task('t', 'u'), 0)
    const ifUpdatedBefore = new Date(updatedAt.getTime() + ms)
    expect(await database.credits.updateMediaTaskById('t', {}, { ifUpdatedBefore })).toMatchObject({
      id: 't',
    })
  })
})

describeWithMysql('a grant', () => {
  test('that expires within this second can not be spent after it', async () => {
    const database = await withUser()
    const expiresAt = floored(Date.now() - SECOND_MS)
    await database.credits.createCredit({ userId: 'u', credits: 5, expiresAt }).catch(() => {})
    await database.credits.createCredit({
      id: 'g',
      userId: 'u',
      credits: 7,
      expiresAt: new Date(Date.now() + DAY_MS),
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(7)
    expect(drawn(await database.credits.consumeCredits({ userId: 'u', credits: 7 }))).toEqual([['g', 7]])
  })

  test("can expire in the last second of a timestamp, in the server's time zone", async () => {
    const database = await withUser()
    const expiresAt = new Date('2038-01-19T11:14:07Z')
    await database.credits.createCredit({
      userId: 'u',
      credits: 5,
      expiresAt: new Date(expiresAt.getTime() + 999),
    })
    expect((await database.credits.getBalance('u')).nextExpiry).toEqual({ credits: 5, expiresAt })
  })

  test.each([new Date('2038-01-19T11:14:08Z'), new Date('2100-01-01'), new Date('9999-12-31')])(
    'that expires after the end of timestamp is refused before it is sent: %s',
    async (expiresAt) => {
      const database = await withUser()
      const error = await refusal(database, () =>
        database.credits.createCredit({ userId: 'u', credits: 5, expiresAt }),
      )
      expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'credit', field: 'expiresAt' })
      expect(error.message).toMatch(/2038/)
    },
  )

  test('can expire in 2100 if the column is a datetime', async () => {
    const database = await withTimes('datetime')
    await database.user('u')
    const expiresAt = new Date('2100-01-01T00:00:00Z')
    expect(await database.credits.createCredit({ userId: 'u', credits: 5, expiresAt })).toMatchObject({
      expiresAt,
    })
    expect((await database.credits.getBalance('u')).nextExpiry).toEqual({ credits: 5, expiresAt })
  })
})

describeWithMysql('a time before the first second of a timestamp', () => {
  test("in the server's time zone is refused before it is sent", async () => {
    const database = await withUser()
    const create = (id, publishedAt) => database.credits.createMediaTask(task(id, 'u', { publishedAt }), 0)
    const error = await refusal(database, () => create('a', new Date('1970-01-01T08:00:00Z')))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', table: 'media_tasks', field: 'publishedAt' })
    const first = new Date('1970-01-01T08:00:01Z')
    expect(await create('b', first)).toMatchObject({ publishedAt: first })
  })
})

describeWithOwnServer('a server whose time zone is west of UTC', () => {
  const west = ownServer({ 'default-time-zone': '-11:00' })
  const LAST = new Date('2038-01-18T16:14:07Z')
  const after = (date, seconds) => new Date(date.getTime() + seconds * SECOND_MS)
  const granting = (credits, expiresAt) => credits.createCredit({ userId: 'u', credits: 5, expiresAt })
  const REFUSED = { code: 'INVALID_VALUE', table: 'credit', field: 'expiresAt' }

  test('has timestamps that end before, and a later one is refused before it is sent', async () => {
    const database = await west.database()
    await database.user('u')
    const error = await refusal(database, () => granting(database.credits, after(LAST, 1)))
    expect(error).toMatchObject(REFUSED)
    expect(error.message).toContain('2038-01-18T16:14:07')
    expect(await granting(database.credits, LAST)).toMatchObject({ expiresAt: LAST })
  })

  test("has others in a transaction whose session is in another time zone, and that one's count", async () => {
    const database = await west.database()
    await database.user('u')
    const client = await clientOf(database.url)
    try {
      for (const [zone, last] of [
        ['-11:00', LAST],
        ['+00:00', after(LAST, 11 * 3600)],
      ]) {
        await client.query(`SET time_zone = '${zone}'`)
        await client.beginTransaction()
        await expect(granting(within(client), after(last, 1))).rejects.toMatchObject(REFUSED)
        expect(await granting(within(client), last)).toMatchObject({ expiresAt: last })
        await client.commit()
      }
    } finally {
      await client.end()
    }
  })
})

describeWithMysql('a statement', () => {
  test('of entries within one second adds up', async () => {
    const database = await withUser()
    for (let at = 0; at < 6; at++) {
      await database.credits.createCredit({ userId: 'u', credits: 5 })
      await database.credits.consumeCredits({ userId: 'u', credits: 3 })
    }
    await database.sql(
      'UPDATE credit SET created_at = ?, updated_at = ?',
      floored(new Date()),
      floored(new Date()),
    )
    const { entries, openingBalance } = await database.credits.getStatement('u')
    expect(entries).toHaveLength(12)
    expect(entries.reduce((sum, { credits }) => sum + credits, openingBalance)).toBe(12)
    expect(entries.at(-1).balance).toBe(12)
    expect(await violations(database)).toEqual([])
  })
})

describeWithMysql('rows of the app', () => {
  test("with times that the server filled in are read in the server's time zone", async () => {
    const database = await withUser()
    // The server is eight hours before UTC, and so is its now().
    const [{ created_at: created }] = await database.sql('SELECT created_at FROM "user"')
    expect(Math.round((created - Date.now()) / 3_600_000)).toBe(8)
    await database.sql(`INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits,
      remaining_credits, status) VALUES ('g', 'u', 'n', 'grant', 5, 5, 'active')`)
    const [row] = await database.sql('SELECT created_at FROM credit')
    const { createdAt } = (await database.credits.getCredits({ userId: 'u' }))[0]
    expect(createdAt.getTime()).toBe(row.created_at)
  })
})
