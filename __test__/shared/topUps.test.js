'use strict'

const { connect } = require('../..')
const { findings } = require('../helpers/books')
const { atOnce, staysSound } = require('../helpers/calls')
const { TestDatabase, refusal } = require('../helpers/database')
const { evaluate } = require('../helpers/processes')
const { creditRow } = require('../helpers/rows')

TestDatabase.reuse()
staysSound()

const CLAIM = { userId: 'u', below: 20, credits: 100, transactionNo: 'k' }

/** User `u` has this many credits. */
async function withUser(credits = 10) {
  const database = await TestDatabase.fresh()
  await database.user('u', credits)
  return { database, ...database.credits }
}

test('a claim is a grant that can not be spent until it is confirmed, which happens once', async () => {
  const { database, claimTopUp, confirmTopUp, getRemainingCredits, getStatement } = await withUser()
  const { claimed, credit } = await claimTopUp({ ...CLAIM, transactionScene: 'payment', orderNo: 'o' })
  expect([claimed, credit]).toMatchObject([
    true,
    { userId: 'u', credits: 100, remainingCredits: 100, status: 'pending', transactionNo: 'k', orderNo: 'o' },
  ])
  expect(await getRemainingCredits('u')).toBe(10)
  expect((await getStatement('u')).entries).toHaveLength(1)
  expect(await findings(database.credits)).toEqual([])
  expect(await confirmTopUp('k')).toMatchObject({ id: credit.id, status: 'active' })
  const row = await creditRow(database, credit.id)
  expect(await confirmTopUp('k')).toMatchObject({ id: credit.id, replayed: true })
  expect(await creditRow(database, credit.id)).toEqual(row)
  expect(await getRemainingCredits('u')).toBe(110)
  expect((await getStatement('u')).entries.at(-1)).toMatchObject({ type: 'grant', balance: 110 })
  expect(await findings(database.credits)).toEqual([])
})

test('a statement has a top-up at the time of its confirmation', async () => {
  const { database, claimTopUp, confirmTopUp, consumeCredits, getStatement } = await withUser()
  const { credit } = await claimTopUp(CLAIM)
  const HOUR_MS = 3_600_000
  const claimedAt = new Date(Math.floor(Date.now() / 1000) * 1000 - HOUR_MS)
  await database.sql('UPDATE credit SET created_at = ? WHERE id = ?', claimedAt, credit.id)
  await consumeCredits({ userId: 'u', credits: 3 })
  const from = Date.now()
  await confirmTopUp('k')
  await consumeCredits({ userId: 'u', credits: 50 })
  const { entries } = await getStatement('u')
  const grants = entries.filter(({ type, credits }) => type === 'grant' && credits === 100)
  expect(grants).toHaveLength(1)
  expect(grants[0].at.getTime()).toBeGreaterThanOrEqual(from - 1000)
  expect(entries.every(({ balance }) => balance >= 0)).toBe(true)
  expect(await findings(database.credits)).toEqual([])
})

test('the same claimTopUp again returns the same claim, and another call with its key is refused', async () => {
  const { database, claimTopUp, abandonTopUp, createCredit } = await withUser()
  await database.user('v')
  const { credit } = await claimTopUp(CLAIM)
  expect(await claimTopUp(CLAIM)).toEqual({ claimed: true, credit, replayed: true })
  await createCredit({ userId: 'u', credits: 500, transactionNo: 'other' })
  expect(await claimTopUp(CLAIM)).toMatchObject({ claimed: true, credit: { id: credit.id }, replayed: true })
  for (const differs of [{ userId: 'v' }, { credits: 99 }, { transactionNo: 'other', credits: 500 }]) {
    const error = await refusal(database, () => claimTopUp({ ...CLAIM, ...differs }))
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', field: 'transactionNo' })
  }
  await abandonTopUp('k')
  // The caller must not charge the card for this claim.
  expect(await refusal(database, () => claimTopUp(CLAIM))).toMatchObject({ code: 'TOP_UP_ENDED', value: 'k' })
})

test('claimTopUp declines if the balance is not below, while a claim is open, and within the cooldown', async () => {
  const { claimTopUp, confirmTopUp, abandonTopUp, consumeCredits } = await withUser(20)
  const next = (transactionNo, more) => claimTopUp({ ...CLAIM, transactionNo, ...more })
  expect(await next('a')).toEqual({ claimed: false, reason: 'balance', balance: 20, retryAt: null })
  await consumeCredits({ userId: 'u', credits: 1 })
  expect(await next('a')).toMatchObject({ claimed: true })
  expect(await next('b')).toEqual({ claimed: false, reason: 'open', balance: 19, retryAt: null })
  await abandonTopUp('a')
  const cooled = await next('b', { cooldownMs: 3_600_000 })
  expect(cooled).toMatchObject({ claimed: false, reason: 'cooldown', retryAt: expect.any(Date) })
  expect(cooled.retryAt - Date.now()).toBeGreaterThan(3_000_000)
  expect(await next('b')).toMatchObject({ claimed: true })
  await confirmTopUp('b')
  const atMost = { credits: 150, per: 'day' }
  expect(await next('c', { below: 1000, atMost })).toMatchObject({
    claimed: false,
    reason: 'limit',
    balance: 119,
  })
  expect(await next('c', { below: 1000, atMost: { credits: 200, per: 'day' } })).toMatchObject({
    claimed: true,
  })
})

test('an abandoned claim can not be confirmed, and a confirmed one can not be abandoned', async () => {
  const { database, claimTopUp, confirmTopUp, abandonTopUp, getStatement } = await withUser()
  await claimTopUp(CLAIM)
  const abandoned = await abandonTopUp('k')
  expect(abandoned).toMatchObject({ status: 'deleted', deletedAt: expect.any(Date) })
  expect(await abandonTopUp('k')).toEqual({ ...abandoned, replayed: true })
  expect(await refusal(database, () => confirmTopUp('k'))).toMatchObject({ code: 'TOP_UP_ENDED', value: 'k' })
  await claimTopUp({ ...CLAIM, transactionNo: 'l' })
  await confirmTopUp('l')
  expect(await refusal(database, () => abandonTopUp('l'))).toMatchObject({ code: 'TOP_UP_CONFIRMED' })
  for (const call of [confirmTopUp, abandonTopUp]) {
    expect(await refusal(database, () => call('nothing'))).toMatchObject({ code: 'TOP_UP_NOT_FOUND' })
  }
  expect((await getStatement('u')).entries.map(({ credits }) => credits)).toEqual([10, 100])
  expect(await findings(database.credits)).toEqual([])
})

test('a grant of another kind is no top-up, with any metadata', async () => {
  const { database, createCredit, confirmTopUp, listTopUps } = await withUser()
  await createCredit({
    userId: 'u',
    credits: 5,
    transactionNo: 'g',
    metadata: { topUp: 'open' },
    status: 'deleted',
  })
  expect(await refusal(database, () => confirmTopUp('g'))).toMatchObject({ code: 'TOP_UP_NOT_FOUND' })
  expect(await listTopUps()).toEqual([])
})

test('an open claim can be neither revoked nor extended', async () => {
  const { database, claimTopUp, confirmTopUp, extendGrant, getRemainingCredits, revokeGrants } =
    await withUser()
  const { credit } = await claimTopUp({ ...CLAIM, orderNo: 'o' })
  const revoke = () => revokeGrants({ orderNo: 'o' }, { transactionNo: 'r' })
  const extend = () => extendGrant(credit.id, new Date('2100-01-01'))
  for (const call of [revoke, extend]) {
    expect(await refusal(database, call)).toMatchObject({ code: 'GRANT_NOT_FOUND' })
  }
  await confirmTopUp('k')
  expect(await revoke()).toEqual({ revoked: 100, spent: 0, outstanding: 0, remaining: 0 })
  expect(await getRemainingCredits('u')).toBe(10)
  expect(await findings(database.credits)).toEqual([])
})

test('listTopUps lists open claims, oldest first', async () => {
  const { database, claimTopUp, confirmTopUp, listTopUps } = await withUser()
  for (const user of ['v', 'w']) {
    await database.user(user)
    await claimTopUp({ ...CLAIM, userId: user, transactionNo: user })
  }
  await claimTopUp(CLAIM)
  await database.sql(
    "UPDATE credit SET created_at = ? WHERE transaction_no = 'w'",
    new Date(Date.now() - 60_000),
  )
  const listed = async (query) => (await listTopUps(query)).map(({ transactionNo }) => transactionNo)
  expect((await listed()).sort()).toEqual(['k', 'v', 'w'])
  expect(await listed({ limit: 1 })).toEqual(['w'])
  expect(await listed({ olderThanMs: 30_000 })).toEqual(['w'])
  await confirmTopUp('w')
  expect((await listed()).sort()).toEqual(['k', 'v'])
})

test('many concurrent calls on two connections make one claim, confirmed once', async () => {
  const { database, getRemainingCredits } = await withUser()
  const second = connect({ url: database.url })
  const both = [database.credits, second]
  const claims = await atOnce(20, (at) => both[at % 2].claimTopUp({ ...CLAIM, transactionNo: `k${at}` }))
  const made = claims.flatMap(({ value }) => (value.claimed ? [value.credit.transactionNo] : []))
  expect(made).toHaveLength(1)
  expect(claims.filter(({ value }) => value.reason === 'open')).toHaveLength(19)
  const ends = await atOnce(10, (at) => both[at % 2].confirmTopUp(made[0]))
  expect(ends.filter(({ value }) => !value.replayed)).toHaveLength(1)
  expect(await getRemainingCredits('u')).toBe(110)
  await second.close()
})

test('two processes that cross the threshold make one claim', async () => {
  const { database } = await withUser(25)
  const source = (name) => `
    const next = async (at) => {
      await credits.consumeCredits({ userId: 'u', credits: 1 }).catch(() => {})
      const claim = { ...${JSON.stringify(CLAIM)}, transactionNo: '${name}' + at }
      return (await credits.claimTopUp(claim)).claimed
    }
    Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(next)).then((all) => console.log(all.filter(Boolean).length))`
  const run = (name) => evaluate(source(name), { DATABASE_URL: database.url })
  const ends = await Promise.all([run('a'), run('b')])
  expect(ends.map(({ out }) => Number(out)).sort()).toEqual([0, 1])
})

test('a claim stays open after kill -9, is listed, and can be confirmed or abandoned', async () => {
  const { database, listTopUps, claimTopUp, confirmTopUp } = await withUser()
  const source = `credits.claimTopUp(${JSON.stringify(CLAIM)}).then(() => process.kill(process.pid, 'SIGKILL'))`
  expect((await evaluate(source, { DATABASE_URL: database.url })).signal).toBe('SIGKILL')
  expect(await listTopUps()).toMatchObject([{ transactionNo: 'k', status: 'pending' }])
  expect(await claimTopUp({ ...CLAIM, transactionNo: 'l' })).toMatchObject({ reason: 'open' })
  expect(await confirmTopUp('k')).toMatchObject({ status: 'active' })
})
