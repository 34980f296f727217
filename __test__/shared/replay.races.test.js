'use strict'

const { TestDatabase } = require('../helpers/database')
const { atOnce, counted, inProcesses, outcome, staysSound, values } = require('../helpers/calls')
const { KEYED } = require('../helpers/keyed')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const REPLAY = { replay: true }
const TIMES = 20

/** Users `u` and `v`, who have 1000 credits each. */
async function twoUsers() {
  const database = await TestDatabase.fresh()
  await database.user('u', 500, 500)
  await database.user('v', 1000)
  return database
}

/** The credits of `u` and `v` together. */
async function sumOf({ credits: { getRemainingCredits } }) {
  return (await getRemainingCredits('u')) + (await getRemainingCredits('v'))
}

describe.each(Object.entries(KEYED))(
  '%s with replay, at the same moment:',
  (name, { args, charges, taken }) => {
    staysSound()

    /** The credits of the users after this many were charged or granted. */
    const after = (credits) => 2000 + (charges ? -credits : credits)

    test('of 20 equal calls one writes, and all return its row', async () => {
      const database = await twoUsers()
      const settled = await atOnce(TIMES, () => database.credits[name](...args({}), REPLAY))
      expect(counted(settled)).toEqual({ accepted: 1, replayed: TIMES - 1 })
      const rows = values(settled).map(({ replayed, ...row }) => row)
      expect(rows).toEqual(Array(TIMES).fill(rows[0]))
      expect(await sumOf(database)).toBe(after(10))
    })

    test('50 keys in 6 calls each are written once each', async () => {
      const database = await twoUsers()
      const call = (number) => database.credits[name](...args({ key: `k${number % 50}`, credits: 2 }), REPLAY)
      const settled = await atOnce(300, call)
      expect(counted(settled)).toEqual({ accepted: 50, replayed: 250 })
      const returned = settled.map(({ value }) => value.id)
      expect(returned).toEqual(Array.from({ length: 300 }, (_, at) => returned[at % 50]))
      expect(new Set(returned).size).toBe(50)
      expect(await sumOf(database)).toBe(after(100))
    })

    test.each([
      ['two users', [{ userId: 'u' }, { userId: 'v' }]],
      ['two numbers of credits', [{ credits: 10 }, { credits: 11 }]],
    ])('one key with %s belongs to one of them', async (_, requests) => {
      const database = await twoUsers()
      let spent = 0
      for (let round = 0; round < 10; round++) {
        const requestOf = (number) => requests[(number + round) % 2]
        const call = (number) => args({ ...requestOf(number), key: `k${round}` })
        const settled = await atOnce(TIMES, (number) => database.credits[name](...call(number), REPLAY))
        const won = requestOf(settled.findIndex((call) => outcome(call) === 'accepted'))
        const of = (wins) => counted(settled.filter((_, number) => (requestOf(number) === won) === wins))
        expect(of(true)).toEqual({ accepted: 1, replayed: TIMES / 2 - 1 })
        expect(of(false)).toEqual({ IDEMPOTENCY_CONFLICT: TIMES / 2 })
        spent += won.credits ?? 10
        expect(await sumOf(database)).toBe(after(spent))
      }
    })

    test('beside calls without replay one call writes, and only those without replay are refused', async () => {
      const database = await twoUsers()
      const call = (number) => database.credits[name](...args({}), number % 2 ? REPLAY : {})
      const outcomes = (await atOnce(TIMES, call)).map(outcome)
      const kinds = (which) => new Set(outcomes.filter((_, number) => number % 2 === which))
      expect(outcomes.filter((what) => what === 'accepted').length).toBe(1)
      expect(kinds(1)).not.toContain(taken.code)
      expect(kinds(0)).toContain(taken.code)
      expect(kinds(0)).not.toContain('replayed')
      expect(await sumOf(database)).toBe(after(10))
    })

    test('in three processes each key is written by one of them', async () => {
      const KEYS = 40
      const database = await twoUsers()
      const keys = Array.from({ length: KEYS }, (_, at) => `k${at}`)
      const calls = keys.map((key) => [name, ...args({ key, credits: 3 }), REPLAY])
      const outcomes = await inProcesses(database, calls, calls, [...calls].reverse())
      outcomes[2].reverse()
      for (const at of keys.keys()) {
        const ofKey = outcomes.map((lines) => lines[at])
        expect(ofKey.sort()).toEqual(['accepted', 'replayed', 'replayed'])
      }
      expect(await sumOf(database)).toBe(after(3 * KEYS))
    })

    test('in two processes of two users each key belongs to one of them', async () => {
      const KEYS = 40
      const database = await twoUsers()
      const calls = (userId) =>
        Array.from({ length: KEYS }, (_, at) => [
          name,
          ...args({ key: `k${at}`, userId, credits: 3 }),
          REPLAY,
        ])
      const [first, second] = await inProcesses(database, calls('u'), calls('v').reverse())
      second.reverse()
      for (let at = 0; at < KEYS; at++) {
        expect([first[at], second[at]].sort()).toEqual(['IDEMPOTENCY_CONFLICT', 'accepted'])
      }
      expect(await sumOf(database)).toBe(after(3 * KEYS))
    })
  },
)

describe('with too few credits for two calls,', () => {
  staysSound()

  const CHARGING = Object.entries(KEYED).filter(([, { charges }]) => charges)

  test.each(CHARGING)('two equal concurrent calls of %s are made and replayed', async (name, { args }) => {
    const database = await TestDatabase.fresh()
    for (let round = 0; round < 20; round++) {
      const userId = await database.user(`u${round}`, 10)
      const call = args({ key: `k${round}`, userId })
      const settled = await atOnce(2, () => database.credits[name](...call, REPLAY))
      expect(counted(settled)).toEqual({ accepted: 1, replayed: 1 })
      expect(await database.credits.getRemainingCredits(userId)).toBe(0)
    }
  })
})

postgres.describe('two connections of serializable transactions', () => {
  staysSound()

  test.each(Object.entries(KEYED))('make the same %s once', async (name, { args }) => {
    const database = await twoUsers()
    await database.sql(
      `ALTER DATABASE ${database.store.name} SET default_transaction_isolation = 'serializable'`,
    )
    const calls = Array.from({ length: 30 }, (_, at) => [
      name,
      ...args({ key: `k${at}`, credits: 2 }),
      REPLAY,
    ])
    const outcomes = await inProcesses(database, calls, calls)
    for (let at = 0; at < 30; at++) {
      expect(outcomes.map((lines) => lines[at]).sort()).toEqual(['accepted', 'replayed'])
    }
  })
})
