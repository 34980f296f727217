'use strict'

const { connect } = require('../..')
const { TestDatabase, refusal, task, useDisk, DAY_MS } = require('../helpers/database')
const { atOnce, counted, staysSound, writingNothing } = require('../helpers/calls')
const { evaluate } = require('../helpers/processes')
const { creditRow, remaining } = require('../helpers/rows')
const { byStorage } = require('../helpers/storage')

staysSound()
TestDatabase.reuse()
useDisk()

// Whole seconds, which each database stores.
const NOW = Math.floor(Date.now() / 1000) * 1000
const inDays = (days) => new Date(NOW + days * DAY_MS)
const renewal = (number, days, more) => ({
  ...{ userId: 'u', subscriptionNo: 's', id: `p${number}`, credits: 100 },
  ...{ periodEnd: inDays(days), transactionNo: `invoice-${number}`, rollover: { atMost: 60 }, ...more },
})

/** User `u` has a first period of a subscription, which ends in `days`, a task of 30, and a top-up. */
async function withPeriod(days = 1) {
  const database = await TestDatabase.fresh()
  await database.user(
    'u',
    { id: 'p0', credits: 100, subscriptionNo: 's', expiresAt: inDays(1) },
    { id: 'top-up', credits: 50, expiresAt: inDays(2) },
  )
  await database.credits.createMediaTask(task('t', 'u'), 30)
  if (days !== 1) await database.sql("UPDATE credit SET expires_at = ? WHERE id = 'p0'", inDays(days))
  return database
}

const ends = async (database, id) => new Date((await creditRow(database, id)).expires_at).getTime()

async function statement({ credits }) {
  for await (const finding of credits.auditLedger()) throw new Error(finding.message)
  const { entries } = await credits.getStatement('u')
  expect(entries.at(-1).balance).toBe(await credits.getRemainingCredits('u'))
  return entries.map(({ type, credits }) => [type, credits])
}

test('renewGrants carries over what is left up to a limit, and writes off the rest', async () => {
  const database = await withPeriod()
  const row = await database.credits.renewGrants(renewal(1, 31))
  expect(row).toMatchObject({
    ...{ id: 'p1', credits: 100, remainingCredits: 100, expiresAt: inDays(31), status: 'active' },
    ...{ subscriptionNo: 's', transactionScene: 'renewal', rollover: { carried: 60, writtenOff: 10 } },
  })
  expect(await remaining(database)).toEqual({ p0: 60, p1: 100, 'top-up': 50 })
  expect(await ends(database, 'p0')).toBe(inDays(31).getTime())
  expect(await ends(database, 'top-up')).toBe(inDays(2).getTime())
  expect(await statement(database)).toContainEqual(['expiry', -10])
  // A later refund goes to a grant that has not expired.
  const { refund } = await database.credits.updateMediaTaskById('t', { status: 'failed' })
  expect(refund).toMatchObject({ credits: 30, spendable: 30 })
  const [off] = await database.sql("SELECT * FROM credit WHERE transaction_scene = 'expiry'")
  await expect(database.credits.refundCredits(off.id)).rejects.toMatchObject({ code: 'CHARGE_NOT_FOUND' })
})

test('renewGrants returns the row for the same call, and refuses another period as a conflict', async () => {
  const database = await withPeriod()
  const { renewGrants } = database.credits
  await renewGrants(renewal(1, 31))
  await renewGrants(renewal(2, 61))
  const again = await renewGrants(renewal(1, 31))
  expect(again).toMatchObject({ id: 'p1', replayed: true, expiresAt: inDays(61) })
  expect(again.rollover).toBeUndefined()
  const conflict = { code: 'IDEMPOTENCY_CONFLICT' }
  for (const differs of [
    renewal(1, 32),
    renewal(1, 31, { credits: 99 }),
    renewal(1, 31, { rollover: null }),
  ]) {
    expect(await refusal(database, () => renewGrants(differs))).toMatchObject(conflict)
  }
  expect(await remaining(database)).toEqual({ p0: 0, p1: 60, p2: 100, 'top-up': 50 })
})

test.each([
  ['that is late, within graceMs,', -2, {}, { carried: 60, writtenOff: 10 }],
  ['that is later than graceMs', -4, {}, { carried: 0, writtenOff: 0 }],
  [
    'that is late, with a longer graceMs,',
    -4,
    { rollover: { atMost: 60, graceMs: 5 * DAY_MS } },
    { carried: 60, writtenOff: 10 },
  ],
  ['without rollover', 1, { rollover: undefined }, { carried: 0, writtenOff: 0 }],
  ['with a limit of 0', 1, { rollover: { atMost: 0 } }, { carried: 0, writtenOff: 70 }],
  ['of another subscription', 1, { subscriptionNo: 'other' }, { carried: 0, writtenOff: 0 }],
  [
    'of another subscription that replaces it',
    1,
    { subscriptionNo: 'other', replaces: 's' },
    { carried: 60, writtenOff: 10 },
  ],
])('a renewal %s carries over as much as its options say', async (_, days, more, rollover) => {
  const database = await withPeriod(days)
  const row = await database.credits.renewGrants(renewal(1, 31, more))
  expect(row.rollover).toEqual(rollover)
  const isCarried = rollover.carried + rollover.writtenOff > 0
  expect(await ends(database, 'p0')).toBe(inDays(isCarried ? 31 : days).getTime())
})

test('renewGrants does not carry over a withdrawn grant', async () => {
  const database = await withPeriod()
  await database.credits.revokeGrants({ creditId: 'p0' }, { transactionNo: 'd' })
  expect((await database.credits.renewGrants(renewal(1, 31))).rollover).toEqual({ carried: 0, writtenOff: 0 })
  const error = await refusal(database, () => database.credits.extendGrant('p0', inDays(9)))
  expect(error).toMatchObject({ code: 'GRANT_WITHDRAWN', creditId: 'p0', retryable: false })
})

test('extendGrant changes the end once', async () => {
  const database = await withPeriod(-1)
  const { extendGrant, getRemainingCredits } = database.credits
  expect(await getRemainingCredits('u')).toBe(50)
  await database.sql("UPDATE credit SET status = 'expired' WHERE id = 'p0'")
  const row = await extendGrant('p0', inDays(9))
  expect(row).toMatchObject({ id: 'p0', expiresAt: inDays(9), status: 'active' })
  expect(await extendGrant('p0', inDays(9))).toEqual(row)
  expect(await getRemainingCredits('u')).toBe(120)
  expect(await extendGrant('p0', null)).toMatchObject({ expiresAt: null })
  expect(await extendGrant('p0', inDays(-1))).toMatchObject({ expiresAt: inDays(-1) })
  await statement(database)
})

/** A database whose grants end at whole seconds. */
async function withSeconds() {
  const database = await TestDatabase.fresh(byStorage({ sqlite: { timestampUnit: 's' }, postgres: {} }))
  const type = byStorage({
    sqlite: undefined,
    postgres: 'ALTER expires_at TYPE timestamp(0)',
    mysql: 'MODIFY expires_at timestamp NULL',
  })
  if (type) await database.sql(`ALTER TABLE credit ${type}`)
  return database
}

test('extendGrant to the same Date writes nothing, also where columns keep whole seconds', async () => {
  const database = await withSeconds()
  await database.user('u', { id: 'g', credits: 5 })
  const expiresAt = new Date(NOW + DAY_MS + 600)
  const row = await database.credits.extendGrant('g', expiresAt)
  expect(row.expiresAt).toEqual(new Date(NOW + DAY_MS))
  // Another write would set it to now.
  await database.sql("UPDATE credit SET updated_at = expires_at WHERE id = 'g'")
  const again = await writingNothing(database, () => database.credits.extendGrant('g', expiresAt))
  expect(again).toEqual({ ...row, updatedAt: row.expiresAt })
})

test.each([
  ['no period', { periodEnd: undefined }, 'INVALID_DATE'],
  ['a period that never ends', { periodEnd: null }, 'INVALID_DATE'],
  ['no subscription', { subscriptionNo: undefined }, 'INVALID_ID'],
  ['no key', { transactionNo: undefined }, 'INVALID_ID'],
  ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND'],
  ['no credits', { credits: 0 }, 'INVALID_AMOUNT'],
  ['an id that is taken', { id: 'p0' }, 'CREDIT_EXISTS'],
  ['another end', { expiresAt: inDays(1) }, 'UNKNOWN_FIELD'],
  ['a status', { status: 'expired' }, 'UNKNOWN_FIELD'],
  ['an unknown column', { color: 'red' }, 'UNKNOWN_FIELD'],
  ['a rollover that is a number', { rollover: 5 }, 'INVALID_ARGUMENT'],
  ['a rollover without a limit', { rollover: {} }, 'INVALID_ARGUMENT'],
  ['a limit below zero', { rollover: { atMost: -1 } }, 'INVALID_ARGUMENT'],
  ['an unknown field of rollover', { rollover: { atMost: 1, days: 3 } }, 'UNKNOWN_FIELD'],
  ['a graceMs of years', { rollover: { atMost: 1, graceMs: 1e12 } }, 'INVALID_ARGUMENT'],
])('renewGrants refuses %s', async (_, wrong, code) => {
  const database = await withPeriod()
  const error = await refusal(database, () => database.credits.renewGrants(renewal(1, 31, wrong)))
  expect(error).toMatchObject({ code })
})

test.each([
  ['nothing', [], 'INVALID_ID'],
  ['no end', ['p0'], 'INVALID_DATE'],
  ['an end in text', ['p0', '2030-01-01'], 'INVALID_DATE'],
  ['a grant that does not exist', ['none', null], 'GRANT_NOT_FOUND'],
])('extendGrant refuses %s', async (_, args, code) => {
  const database = await withPeriod()
  const error = await refusal(database, () => database.credits.extendGrant(...args))
  expect(error).toMatchObject({ code })
})

describe('concurrent renewals', () => {
  test('on two connections give the same result in each order', async () => {
    const database = await withPeriod()
    const second = connect({ url: database.url })
    const made = await atOnce(12, (at) =>
      (at % 2 ? second : database.credits).renewGrants(renewal(1 + (at % 3), 31 + 30 * (at % 3))),
    )
    await second.close()
    expect(counted(made)).toEqual({ accepted: 3, replayed: 9 })
    expect(await remaining(database)).toEqual({ p0: 0, p1: 0, p2: 60, p3: 100, 'top-up': 50 })
  })

  const inProcess = (database, calls, more = '') =>
    evaluate(
      `const calls = ${JSON.stringify(calls)}
      const renew = (call) => credits.renewGrants({ ...call, periodEnd: new Date(call.periodEnd) })
      let left = 7
      Promise.all(calls.map((call) => renew(call).then(() => { ${more} })))`,
      { DATABASE_URL: database.url },
    )

  test('by two processes are written once', async () => {
    const database = await withPeriod()
    const calls = [3, 1, 2].map((number) => renewal(number, 1 + 30 * number))
    const ends = await Promise.all([inProcess(database, calls), inProcess(database, calls)])
    expect(ends).toMatchObject([{ code: 0 }, { code: 0 }])
    expect(await remaining(database)).toEqual({ p0: 0, p1: 0, p2: 60, p3: 100, 'top-up': 50 })
  })

  test('that kill -9 interrupts are whole, and can be repeated', async () => {
    const database = await withPeriod()
    const calls = Array.from({ length: 40 }, (_, at) => renewal(at + 1, 31 + at))
    const kill = "if (--left === 0) process.kill(process.pid, 'SIGKILL')"
    expect(await inProcess(database, calls, kill)).toMatchObject({ signal: 'SIGKILL' })
    await Promise.all(calls.map((call) => database.credits.renewGrants(call)))
    expect(await database.credits.getRemainingCredits('u')).toBe(50 + 60 + 100)
    expect(await ends(database, 'p0')).toBe(inDays(70).getTime())
  })
})
