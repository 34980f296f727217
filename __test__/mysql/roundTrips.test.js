'use strict'

const { DAY_MS, TestDatabase, task } = require('../helpers/database')
const { Callers, addUsers } = require('../helpers/callers')
const { staysSound } = require('../helpers/calls')
const { throughProxy } = require('../helpers/network')
const { measured, warm } = require('../helpers/round-trips')

// A hosted database is milliseconds away: the cost of a call there is its round trips.

staysSound()

test.each([
  ['one large grant', [1000]],
  ['fifty small grants', Array(50).fill(1)],
])('a write takes two round trips and a read one for a user with %s', async (_, grants) => {
  const { taken, expected, connections } = await measured(...grants)
  expect(taken).toEqual(expected)
  expect(connections).toBe(1)
})

test('a refusal takes one round trip, and leaves the connection usable', async () => {
  const { proxy, credits } = await warm(20)
  for (let at = 0; at < 3; at++) {
    const refused = credits.consumeCredits({ userId: 'u', credits: 11 })
    await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 10 })
  }
  expect(await credits.getRemainingCredits('u')).toBe(10)
  expect(proxy.roundTrips().perConnection).toHaveLength(1)
})

test('a charge that needs more grants than the first read takes one more round trip', async () => {
  const { proxy, credits } = await warm(...Array(80).fill(1))
  proxy.resetRoundTrips()
  const charge = await credits.consumeCredits({ userId: 'u', credits: 65 })
  expect(proxy.roundTrips().total).toBe(3)
  expect(JSON.parse(charge.consumedDetail)).toHaveLength(65)
})

test('a user who seems to have nothing is looked at twice, as MariaDB may interrupt the first read silently', async () => {
  const { proxy, credits } = await warm(20)
  await credits.consumeCredits({ userId: 'u', credits: 10 })
  proxy.resetRoundTrips()
  const refused = credits.consumeCredits({ userId: 'u', credits: 1 })
  await expect(refused).rejects.toMatchObject({ code: 'INSUFFICIENT_CREDITS', available: 0 })
  expect(proxy.roundTrips().total).toBe(2)
})

test('a batch charges a user whose grants come after as many of another user as it reads', async () => {
  const database = await TestDatabase.fresh()
  await database.user('many', ...Array(400).fill(1))
  const expiresAt = new Date(Date.now() + 90 * DAY_MS)
  for (const id of ['one', 'a', 'b', 'c', 'd']) await database.user(id, { credits: 1000, expiresAt })
  const { proxy, credits } = await throughProxy(database, { maxConnections: 1 })
  await credits.getRemainingCredits('one')
  const limits = []
  proxy.onClientData = (bytes) => {
    const both = /user_id IN \([^)]*'many'[^)]*'one'[^)]*\).* LIMIT (\d+)/.exec(bytes)
    if (both) limits.push(Number(both[1]))
  }
  // The first four occupy the workers, so that the others wait and are taken together.
  const users = ['a', 'b', 'c', 'd', ...Array(10).fill(['many', 'one']).flat()]
  let rounds = 0
  while (limits.length === 0 && rounds++ < 20) {
    await Promise.all(users.map((userId) => credits.consumeCredits({ userId, credits: 1 })))
  }
  expect(limits.length).toBeGreaterThan(0)
  expect(Math.max(...limits)).toBeLessThan(400)
  expect(await credits.getRemainingCredits('many')).toBe(400 - 10 * rounds)
  expect(await credits.getRemainingCredits('one')).toBe(1000 - 10 * rounds)
})

test('concurrent calls share round trips', async () => {
  const database = await TestDatabase.fresh()
  const users = await addUsers(database, 20)
  const { proxy, credits } = await throughProxy(database)
  await credits.createMediaTask(task('first', users[0]), 1)
  proxy.delayMs = 10
  proxy.resetRoundTrips()
  const callers = await new Callers(credits, users).run(20, 4)
  expect(callers.codes).toEqual({})
  expect(await callers.untrue(database)).toEqual([])
})
