'use strict'

const { cli, cliOn } = require('../helpers/cli')
const { TestDatabase, DAY_MS } = require('../helpers/database')
const { sqlite } = require('../helpers/storage')

TestDatabase.reuse()

const END = new Date('2037-01-01T00:00:00Z')

/** User `u` has an order of 100 credits, of which 80 are spent, and a gift of 50. User `v` has an order of 10. */
async function withOrder() {
  const database = await TestDatabase.fresh()
  await database.user(
    'u',
    { id: 'own', credits: 100, expiresAt: END, orderNo: 'o1', transactionScene: 'payment' },
    { id: 'gift', credits: 50, expiresAt: null },
  )
  await database.user('v', { id: 'hers', credits: 10, orderNo: 'o2' })
  await database.credits.consumeCredits({ userId: 'u', credits: 80 })
  return database
}

/** Runs a preview, which must write nothing. */
async function preview(database, ...args) {
  const before = await database.everything()
  const seen = await cliOn(database, 'grants', ...args)
  expect(await database.everything()).toEqual(before)
  return seen
}

const NOT_WRITTEN = /\nNothing is written: --apply writes it\.$/

describe('grants lists', () => {
  test('the grants of a user, with their total', async () => {
    const database = await withOrder()
    const over = new Date(Date.now() - DAY_MS)
    await database.credits.createCredit({ userId: 'u', id: 'over', credits: 1500, expiresAt: over })
    const { code, out, errors } = await preview(database, 'u')
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(out).toMatch(/^grant +scene +order +credits +left +expires \(UTC\) +status$/m)
    expect(out).toMatch(/^own +payment +o1 +100 +20 +2037-01-01 00:00:00 +active$/m)
    expect(out).toMatch(/^gift +gift +50 +50 +never +active$/m)
    expect(out).toMatch(/^over .* 1,500 +1,500 .* expired$/m)
    expect(out).toMatch(/^3 grants: 1,650 credits, 1,570 left, 70 of these can be spent now\.$/m)
    const some = await preview(database, 'u', '--limit', 1)
    expect(some.out).toMatch(/\n2 grants more: --limit or --all\.$/)
    expect((await preview(database, 'u', '--all')).out).toBe(out)
  })

  test('a document with --json', async () => {
    const database = await withOrder()
    const { json } = await preview(database, 'u', '--json', '--limit', 1)
    const newest = await database.credits.getCredits({ userId: 'u', transactionType: 'grant', limit: 1 })
    expect(json).toEqual({
      userId: 'u',
      grants: JSON.parse(JSON.stringify(newest)),
      totals: { grants: 2, credits: 150, remaining: 70, spendable: 70 },
    })
  })

  test('withdrawn and unconfirmed grants as such, and nothing for an unknown user', async () => {
    const database = await withOrder()
    await database.credits.revokeGrants({ orderNo: 'o2' }, { transactionNo: 'r' })
    const topUp = { userId: 'v', below: 50, credits: 7, transactionNo: 'top' }
    await database.credits.claimTopUp(topUp)
    const { out } = await preview(database, 'v')
    expect(out).toMatch(/^hers .* withdrawn$/m)
    expect(out).toMatch(/ 7 +7 +never +pending$/m)
    expect(out).toContain('1 grant: 10 credits, 10 left, 0 of these can be spent now.')
    const { json } = await preview(database, 'v', '--json')
    const { id } = json.grants.find(({ transactionNo }) => transactionNo === 'top')
    for (const action of [
      ['--extend', id, '--until', 'never'],
      ['--revoke', '--credit', id, '--transaction-no', 'x'],
    ]) {
      const { code, errors } = await preview(database, 'v', ...action, '--json')
      expect([code, JSON.parse(errors).error.code]).toEqual([3, 'GRANT_NOT_FOUND'])
    }
    await database.credits.abandonTopUp('top')
    expect((await preview(database, 'v')).out).toMatch(/ 7 +7 +never +abandoned$/m)
    const none = await preview(database, 'w')
    expect(none).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^There are no grants\.\nThis user has no grants/),
    })
  })
})

describe('grants --revoke', () => {
  const PARTLY = ['u', '--revoke', '--order', 'o1', '--total', 15, '--transaction-no', 'r1']

  test('shows what it would withdraw, and withdraws it once with --apply', async () => {
    const database = await withOrder()
    const seen = await preview(database, ...PARTLY)
    expect(seen.code).toBe(1)
    expect(seen.out).toMatch(/^now +100 +80 +0 +0 +20$/m)
    expect(seen.out).toMatch(/^then +100 +80 +15 +0 +5$/m)
    expect(seen.out).toMatch(/^Withdraws 15 of 100 credits: 80 were spent already\.$/m)
    expect(seen.out).toMatch(NOT_WRITTEN)
    const done = await cliOn(database, 'grants', ...PARTLY, '--reason', 'refunded', '--apply')
    expect(done).toMatchObject({ code: 0, errors: '' })
    expect(done.out).toMatch(/^before +100 +80 +0 +0 +20\nnow +100 +80 +15 +0 +5\nIt is withdrawn\.$/m)
    expect(await database.credits.getRemainingCredits('u')).toBe(55)
    const [row] = await database.sql("SELECT metadata FROM credit WHERE transaction_no = 'r1'")
    expect(JSON.parse(row.metadata)).toMatchObject({ reason: 'refunded', revocation: { total: 15 } })
    // The same again, as a preview and with --apply.
    const MADE = 'This call was made already: nothing is written.'
    for (const more of [[], ['--apply']]) {
      const again = await preview(database, ...PARTLY, ...more)
      expect(again).toMatchObject({ code: 0, out: expect.stringContaining(MADE) })
    }
    const { json } = await preview(database, ...PARTLY, '--apply', '--json')
    expect(json).toMatchObject({ action: 'revoke', applied: true, writes: false, result: { revoked: 15 } })
    const other = await preview(database, ...PARTLY.slice(0, 5), 16, ...PARTLY.slice(6))
    expect(other).toMatchObject({ code: 3, errors: expect.stringContaining('is taken by another call') })
  })

  test('prints a document with the result of the function', async () => {
    const database = await withOrder()
    const args = ['u', '--revoke', '--credit', 'own', '--transaction-no', 'd1', '--json']
    const { code, json } = await preview(database, ...args)
    const standing = { revoked: 20, spent: 80, outstanding: 80, remaining: 0 }
    const said = { action: 'revoke', userId: 'u', writes: true }
    expect({ code, json }).toEqual({ code: 1, json: { ...said, applied: false, result: standing } })
    const recovering = await preview(database, ...args, '--recover')
    expect(recovering.json.result).toEqual({ ...standing, revoked: 70, outstanding: 30 })
    const done = await cliOn(database, 'grants', ...args, '--recover', '--apply')
    expect(done).toMatchObject({
      code: 0,
      json: { ...said, applied: true, result: { ...standing, revoked: 70, outstanding: 30 } },
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(0)
  })

  test('reports unknown amounts if other revocations concern some of the grants', async () => {
    const database = await withOrder()
    const paid = { userId: 'u', credits: 30, orderNo: 'o1', subscriptionNo: 's', expiresAt: END }
    await database.credits.createCredit({ ...paid, id: 'second' })
    await database.credits.revokeGrants({ creditId: 'own' }, { total: 5, transactionNo: 'one' })
    const { code, out } = await preview(database, ...PARTLY)
    expect(code).toBe(1)
    expect(out).toMatch(/^now +130 +\? +\? +\? +45$/m)
    expect(out).toContain('the ledger decides the result')
    const { json } = await preview(database, ...PARTLY, '--json')
    expect(json).toMatchObject({ writes: true, result: null })
    const done = await cliOn(database, 'grants', ...PARTLY, '--apply', '--json')
    expect(done.json).toMatchObject({ applied: true, result: { revoked: 15 } })
  })

  test.each([[[]], [['--apply']]])(
    "refuses another user's order, and one that does not exist, %j",
    async (more) => {
      const database = await withOrder()
      for (const target of [
        ['--order', 'o2'],
        ['--credit', 'hers'],
        ['--subscription', 'none'],
      ]) {
        const { code, out, errors } = await preview(
          database,
          ...['u', '--revoke', ...target, '--transaction-no', 'r1', '--json', ...more],
        )
        expect({ code, out }).toEqual({ code: 3, out: '' })
        expect(JSON.parse(errors).error).toMatchObject({ code: 'GRANT_NOT_FOUND', retryable: false })
      }
    },
  )
})

test('grants --restore ends a revocation once', async () => {
  const database = await withOrder()
  const order = { orderNo: 'o1' }
  await database.credits.revokeGrants(order, { total: 15, transactionNo: 'r1' })
  await database.credits.revokeGrants(order, { transactionNo: 'd1', recover: 'available' })
  const seen = await preview(database, 'u', '--restore', 'd1')
  expect(seen.code).toBe(1)
  expect(seen.out).toMatch(/^now +100 +80 +70 +30 +0\nthen +100 +80 +15 +0 +5$/m)
  expect(seen.out).toMatch(/^Restores 55 of 70 credits that were withdrawn\.$/m)
  expect(seen.out).toMatch(NOT_WRITTEN)
  const done = await cliOn(database, 'grants', 'u', '--restore', 'd1', '--apply')
  expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/The revocation has ended\.$/) })
  expect(await database.credits.getRemainingCredits('u')).toBe(55)
  for (const more of [[], ['--apply']]) {
    const again = await preview(database, 'u', '--restore', 'd1', ...more)
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('has ended already') })
  }
  for (const [user, number] of [
    ['u', 'none'],
    ['v', 'r1'],
  ]) {
    const other = await preview(database, user, '--restore', number, '--apply', '--json')
    expect(other.code).toBe(3)
    expect(JSON.parse(other.errors).error.code).toBe('REVOCATION_NOT_FOUND')
  }
})

describe('grants --extend', () => {
  test('shows the new end, sets it with --apply, and then has nothing to do', async () => {
    const database = await withOrder()
    const args = ['u', '--extend', 'own', '--until', '2038-06-30']
    const seen = await preview(database, ...args)
    expect(seen.code).toBe(1)
    expect(seen.out).toMatch(
      /^Of 100 credits 20 are left\. Expiry now: 2037-01-01 00:00:00 UTC, then: 2038-06-30 23:59:59 UTC\.$/m,
    )
    expect(seen.out).toMatch(NOT_WRITTEN)
    const done = await cliOn(database, 'grants', ...args, '--apply')
    expect(done).toMatchObject({ code: 0, out: 'Its new expiry: 2038-06-30 23:59:59 UTC.' })
    for (const more of [[], ['--apply']]) {
      const again = await preview(database, ...args, ...more)
      expect(again).toMatchObject({ code: 0, out: 'The grant already expires then: nothing is written.' })
    }
    const { json } = await cliOn(
      database,
      'grants',
      'u',
      '--extend',
      'own',
      '--until',
      'never',
      '--apply',
      '--json',
    )
    expect(json).toMatchObject({
      action: 'extend',
      applied: true,
      writes: true,
      result: { id: 'own', expiresAt: null },
    })
  })

  test('reports that expired credits can be spent again', async () => {
    const database = await withOrder()
    const expiresAt = new Date(Date.now() - DAY_MS)
    await database.credits.createCredit({ userId: 'u', id: 'over', credits: 9, expiresAt })
    const args = ['u', '--extend', 'over', '--until', 'never']
    expect((await preview(database, ...args)).out).toContain('has expired, and can be spent again then.')
    await cliOn(database, 'grants', ...args, '--apply')
    expect(await database.credits.getRemainingCredits('u')).toBe(79)
  })

  test.each([[[]], [['--apply']]])(
    "refuses a withdrawn grant, and another user's grant, %j",
    async (more) => {
      const database = await withOrder()
      await database.credits.revokeGrants({ orderNo: 'o1' }, { transactionNo: 'r' })
      for (const [id, code] of [
        ['own', 'GRANT_WITHDRAWN'],
        ['hers', 'GRANT_NOT_FOUND'],
      ]) {
        const said = await preview(database, 'u', '--extend', id, '--until', 'never', '--json', ...more)
        expect(said.code).toBe(3)
        expect(JSON.parse(said.errors).error.code).toBe(code)
      }
    },
  )
})

describe('grants --renew', () => {
  const PERIOD = ['u', '--renew', '--subscription', 's', '--credits', 100, '--transaction-no']

  test('shows the carried credits, and grants the period once with --apply', async () => {
    const database = await withOrder()
    const paid = { userId: 'u', subscriptionNo: 's', expiresAt: END }
    await database.credits.createCredit({ ...paid, credits: 70 })
    const args = [...PERIOD, 'i2', '--until', '2037-02-01', '--rollover', 40]
    const seen = await preview(database, ...args)
    expect(seen.code).toBe(1)
    expect(seen.out).toMatch(
      /^Grants: 100 credits until 2037-02-01 23:59:59 UTC\. .* 40 are carried over, and 30 are written off\.$/m,
    )
    expect(seen.out).toMatch(NOT_WRITTEN)
    const done = await cliOn(database, 'grants', ...args, '--apply')
    expect(done).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Granted: 100 .* 40 are carried over, and 30 are/),
    })
    expect(await database.credits.getRemainingCredits('u')).toBe(70 + 40 + 100)
    for (const more of [[], ['--apply']]) {
      const again = await preview(database, ...args, ...more)
      expect(again).toMatchObject({ code: 0, out: 'This renewal was made already: nothing is written.' })
    }
    const other = await preview(database, ...PERIOD, 'i2', '--until', '2037-03-01', '--json')
    expect(other.code).toBe(3)
    expect(JSON.parse(other.errors).error.code).toBe('IDEMPOTENCY_CONFLICT')
  })

  test('prints a document, and reports unknown amounts after a later period', async () => {
    const database = await withOrder()
    const early = [...PERIOD, 'i1', '--until', '2037-01-01', '--rollover', 0, '--grace', '7d', '--json']
    const first = await preview(database, ...early)
    const result = {
      credits: 100,
      expiresAt: '2037-01-01T23:59:59.999Z',
      rollover: { carried: 0, writtenOff: 0 },
    }
    expect(first.json).toEqual({ action: 'renew', userId: 'u', applied: false, writes: true, result })
    await cliOn(database, 'grants', ...PERIOD, 'i2', '--until', '2037-02-01', '--rollover', 40, '--apply')
    const late = await preview(database, ...early)
    expect(late.json).toMatchObject({ writes: true, result: { credits: 100, rollover: null } })
    const { json } = await cliOn(database, 'grants', ...early, '--apply')
    expect(json).toMatchObject({ applied: true, writes: true, result: { rollover: { writtenOff: 60 } } })
  })

  test('grants nothing to an unknown user', async () => {
    const database = await withOrder()
    const args = ['w', ...PERIOD.slice(1), 'i1', '--until', '2037-01-01']
    const seen = await preview(database, ...args)
    expect(seen).toMatchObject({ code: 1, out: expect.stringContaining('is the id right?') })
    const { code, errors } = await preview(database, ...args, '--apply')
    expect({ code, errors }).toEqual({ code: 3, errors: expect.stringContaining('w') })
  })
})

// Without a database, once.
sqlite.describe('an invalid command line of grants', () => {
  const revoke = ['--revoke', '--transaction-no', 'r']
  const renew = ['--renew', '--subscription', 's', '--credits', '5', '--transaction-no', 'i', '--until']
  test.each([
    [['--apply'], '--apply is not for a list of grants'],
    [['--total', '5'], '--total is not for a list of grants'],
    [['--revoke', '--order', 'o'], '--revoke needs --transaction-no'],
    [revoke, '--revoke needs one of --credit, --order, --subscription'],
    [[...revoke, '--order', 'o', '--credit', 'c'], '--revoke needs one of'],
    [[...revoke, '--order', 'o', '--until', 'never'], '--until is not for --revoke'],
    [[...revoke, '--order', 'o', '--total', '0'], 'a whole number from 1'],
    [[...revoke, '--extend', 'x'], '--revoke and --extend are two actions'],
    [['--restore', 'r', '--order', 'o'], '--order is not for --restore'],
    [['--extend', 'x'], '--extend needs --until'],
    [['--extend', 'x', '--until', '2020-01-01'], 'in the past'],
    [['--extend', 'x', '--until', 'soon'], 'a day (2026-12-31)'],
    [['--renew', '--subscription', 's'], '--renew needs --credits'],
    [[...renew, 'never'], 'a period ends'],
    [[...renew, '30d', '--grace', '1d'], '--grace needs --rollover'],
    [[...renew, '30d', '--rollover', '-1'], 'a whole number from 0'],
    [[...renew, '30d', '--all'], '--all is not for --renew'],
  ])('is refused in a sentence: %j', async (args, sentence) => {
    const { code, out, errors } = await cli(['grants', 'u', ...args])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(errors).toMatch(/^media-credits: /)
    expect(errors).toContain(sentence)
  })
})
