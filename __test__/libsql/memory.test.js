'use strict'

/** The number of requests of a call, and what a process remembers of users between calls. */

const { atOnce, counted, outcome, staysSound } = require('../helpers/calls')
const { TestDatabase, task } = require('../helpers/database')
const { connectThrough, through } = require('../helpers/libsql-proxy')
const { describeWithSqld } = require('../helpers/sqld')

staysSound()

const charge = (credits, more) => ({ userId: 'u', credits, ...more })

/** The draws of a charge as text: `g 5`. */
const drawnBy = ({ consumedDetail }) =>
  JSON.parse(consumedDetail).map((draw) => `${draw.creditId} ${draw.creditsConsumed}`)

/** A connection that remembers user `u`, who had 100 credits in grant `g`, and has 99. */
async function known() {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 100 })
  const { proxy, credits } = await connectThrough(database.url)
  // The tables are read first.
  await credits.getRemainingCredits('u')
  expect(await proxy.counted(() => credits.consumeCredits(charge(1)))).toEqual([1, 1])
  const call = (name, ...args) => {
    const called = {}
    const trips = proxy.counted(async () => {
      const [settled] = await Promise.allSettled([credits[name](...args)])
      Object.assign(called, { outcome: outcome(settled), row: settled.value, error: settled.reason })
    })
    return trips.then((trips) => ({ ...called, trips }))
  }
  return { database, proxy, credits, call }
}

/** The app's own client grants 20 credits with this expiry. */
const grantBeside = (database, id, expiresInMs, userId = 'u') =>
  database.sql(
    `INSERT INTO credit
      (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status, expires_at, updated_at)
     VALUES (?, ?, ?, 'grant', 20, 20, 'active', ?, ?)`,
    id,
    userId,
    `no ${id}`,
    new Date(Date.now() + expiresInMs),
    new Date(),
  )

const FAIL = { status: 'failed' }

describeWithSqld('counted in round trips,', () => {
  test('a read takes one round trip, a change one to read and one to write', async () => {
    const { proxy, credits } = await through()
    await credits.createMediaTask(task('t', 'u'), 10)
    const trips = (name, ...args) => proxy.counted(() => credits[name](...args))
    expect(await trips('getRemainingCredits', 'u')).toEqual([1, 0])
    expect(await trips('findMediaTaskById', 't')).toEqual([1, 0])
    expect(await trips('updateMediaTaskById', 't', { progress: 5 })).toEqual([1, 1])
    expect(await trips('settleMediaTask', 't', 5)).toEqual([1, 1])
    expect(await trips('updateMediaTaskById', 't', FAIL)).toEqual([1, 1])
    expect(await trips('createCredit', { userId: 'u', credits: 5 })).toEqual([1, 1])
    const { id } = await credits.consumeCredits(charge(5))
    expect(await trips('refundCredits', id)).toEqual([1, 1])
  })

  test('a statement takes two round trips, for its sums and its rows, and so do the charges of a task', async () => {
    const { proxy, credits } = await through()
    await credits.createMediaTask(task('t', 'u'), 10)
    expect(await proxy.counted(() => credits.getMediaTaskCharges('t'))).toEqual([2, 0])
    expect(await proxy.counted(() => credits.getStatement('u'))).toEqual([2, 0])
  })

  test('a refund that makes a new grant takes three round trips', async () => {
    const { database, proxy, credits } = await through({ refundPolicy: { regrantDays: 7 } })
    await credits.createMediaTask(task('t', 'u'), 10)
    await database.sql("UPDATE credit SET expires_at = ? WHERE transaction_type = 'grant'", new Date(1000))
    const refund = () => credits.updateMediaTaskById('t', FAIL)
    expect(await proxy.counted(refund)).toEqual([2, 1])
  })

  test('a charge of a remembered user takes one round trip', async () => {
    const { call } = await known()
    const aiTask = { mediaType: 'image', provider: 'p', model: 'm', prompt: 'cat', status: 'pending' }
    const calls = [
      ['consumeCredits', charge(5)],
      ['consumeCredits', charge(5, { transactionNo: 'n' })],
      ['createMediaTask', task('t', 'u'), 10],
      ['createMediaTask', task('free', 'u'), 0],
      ['createAITask', { id: 'a', userId: 'u', ...aiTask, costCredits: 4 }],
      [
        'createMediaTasks',
        [1, 2].map((at) => ({ task: task(`b${at}`, 'u'), costCredits: 3 })),
        { atomic: true },
      ],
    ]
    for (const args of calls) {
      expect([args[0], await call(...args)]).toMatchObject([args[0], { outcome: 'accepted', trips: [0, 1] }])
    }
    expect((await call('getRemainingCredits', 'u')).row).toBe(69)
  })

  test('a call that needs more than grants reads first', async () => {
    const { call } = await known()
    expect(await call('createMediaTask', task('t', 'u'), 10, { maxActive: 1 })).toMatchObject({
      outcome: 'accepted',
      trips: [1, 1],
    })
    expect(await call('createMediaTask', task('v', 'u'), 10, { maxActive: 1 })).toMatchObject({
      outcome: 'TOO_MANY_ACTIVE_TASKS',
      trips: [1, 0],
    })
  })
})

describeWithSqld('the rows that the server reads and writes are at most those in docs/scaling.md', () => {
  const SPENT = 15

  test.each([
    [1, { firstTask: [22, 13], knownTask: [15, 13], balance: [4, 0], first: [21, 8], known: [15, 8] }, 40],
    [5, { firstTask: [38, 13], knownTask: [24, 13], balance: [8, 0], first: [35, 8], known: [23, 8] }, 48],
  ])(
    'for a user of %d grants, with any number of earlier charges',
    async (grants, expected, mostReadByRefund) => {
      const database = await TestDatabase.fresh()
      for (const user of ['u', 'v']) {
        await database.user(user)
        for (let at = 0; at < grants; at++) {
          await grantBeside(database, `${user}${at}`, 86_400_000 * (at + 1), user)
        }
      }
      const { proxy, credits } = await connectThrough(database.url)
      const rows = async (call) => {
        proxy.rows = { read: 0, written: 0 }
        await call()
        return [proxy.rows.read, proxy.rows.written]
      }
      const charged = () => rows(() => credits.consumeCredits({ userId: 'v', credits: 1 }))
      const submitted = (id) => rows(() => credits.createMediaTask(task(id, 'u'), 1))
      // The tables are read first.
      await credits.getRemainingCredits('u')
      const counts = { firstTask: await submitted('t'), knownTask: await submitted('v') }
      counts.balance = await rows(() => credits.getRemainingCredits('u'))
      Object.assign(counts, { first: await charged(), known: await charged() })
      for (let at = 0; at < SPENT; at++) await charged()
      counts.later = await charged()
      for (const [call, [read, written]] of Object.entries({ ...expected, later: expected.known })) {
        const [mostRead] = counts[call]
        expect([call, counts[call]]).toEqual([call, [Math.min(mostRead, read), written]])
      }
      for (let at = 0; at < SPENT; at++) await submitted(`t${at}`)
      const [read] = await rows(() => credits.updateMediaTaskById('t', FAIL))
      expect(read).toBeLessThanOrEqual(mostReadByRefund)
    },
  )
})

describeWithSqld('a charge of a remembered user is correct after another process', () => {
  const SOON_MS = 60_000
  /** The change, the call, its outcome, its requests and its draws. */
  const CHANGES = {
    'charged the same user': [
      ({ database }) => database.credits.consumeCredits(charge(10)),
      ['consumeCredits', charge(5)],
      { outcome: 'accepted', trips: [0, 2] },
      ['g 5'],
    ],
    'granted credits that expire sooner': [
      ({ database }) => grantBeside(database, 'sooner', SOON_MS),
      ['consumeCredits', charge(25)],
      { outcome: 'accepted', trips: [0, 2] },
      ['sooner 20', 'g 5'],
    ],
    'granted the missing credits': [
      ({ database }) => grantBeside(database, 'later', 365 * 86_400_000),
      ['consumeCredits', charge(110)],
      { outcome: 'accepted', trips: [1, 1] },
      ['g 99', 'later 11'],
    ],
    'withdrew the grant': [
      ({ database }) => database.sql("UPDATE credit SET status = 'deleted' WHERE id = 'g'"),
      ['consumeCredits', charge(5)],
      { outcome: 'INSUFFICIENT_CREDITS', trips: [1, 1] },
    ],
    'spent nearly all credits': [
      ({ database }) => database.credits.consumeCredits(charge(97)),
      ['consumeCredits', charge(5)],
      { outcome: 'INSUFFICIENT_CREDITS', trips: [1, 1] },
    ],
    'used the transactionNo': [
      ({ database }) => database.credits.consumeCredits(charge(1, { transactionNo: 'n' })),
      ['consumeCredits', charge(5, { transactionNo: 'n' })],
      { outcome: 'CREDIT_EXISTS', trips: [1, 2] },
    ],
    "used the task's id": [
      ({ database }) => database.credits.createMediaTask(task('t', 'u'), 0),
      ['createMediaTask', task('t', 'u'), 5],
      { outcome: 'TASK_EXISTS', trips: [1, 1] },
    ],
    'used an id that a batch has twice, of which the first is named': [
      ({ database }) => database.credits.createMediaTask(task('t', 'u'), 0),
      [
        'createMediaTasks',
        ['t', 'v', 't'].map((id) => ({ task: task(id, 'u'), costCredits: 1 })),
        { atomic: true },
      ],
      { error: { code: 'TASK_EXISTS', index: 0 }, trips: [1, 0] },
    ],
    'changed nothing, and the balance is too small': [
      () => {},
      ['consumeCredits', charge(100)],
      { outcome: 'INSUFFICIENT_CREDITS', trips: [1, 0] },
    ],
    'deleted the user': [
      async ({ database }) => {
        await database.sql("DELETE FROM credit WHERE user_id = 'u'")
        await database.sql(`DELETE FROM "user" WHERE id = 'u'`)
      },
      ['consumeCredits', charge(5)],
      { outcome: 'USER_NOT_FOUND', trips: [1, 1] },
    ],
  }
  test.each(Object.entries(CHANGES))('%s', async (_, [happens, args, expected, drawn]) => {
    const world = await known()
    await happens(world)
    const called = await world.call(...args)
    expect(called).toMatchObject(expected)
    if (drawn) expect(drawnBy(called.row)).toEqual(drawn)
  })
})

describeWithSqld('the draw order of remembered grants', () => {
  test('follows the times of the grants, which the app may set', async () => {
    const { database, call } = await known()
    const [{ expires_at: expiresAt }] = await database.sql("SELECT expires_at FROM credit WHERE id = 'g'")
    await grantBeside(database, 'twin', 0)
    await database.sql(
      "UPDATE credit SET expires_at = ?, created_at = 9000000000000 WHERE id = 'twin'",
      expiresAt,
    )
    expect(drawnBy((await call('consumeCredits', charge(1))).row)).toEqual(['g 1'])
    expect(drawnBy((await call('consumeCredits', charge(1))).row)).toEqual(['g 1'])
    await database.sql("UPDATE credit SET created_at = 1000000000000 WHERE id = 'twin'")
    const { row, trips } = await call('consumeCredits', charge(1))
    expect([drawnBy(row), trips]).toEqual([['twin 1'], [0, 2]])
  })
})

describeWithSqld('grants are read again', () => {
  const FORGOTTEN = {
    'after a refund': async ({ credits }) => {
      await credits.createMediaTask(task('t', 'u'), 10)
      await credits.updateMediaTaskById('t', FAIL)
    },
    'after a grant': ({ credits }) => credits.createCredit({ userId: 'u', credits: 5 }),
    'after a lost answer': async ({ proxy, credits }) => {
      proxy.faults = ['half of the answer comes']
      await credits.consumeCredits(charge(1, { transactionNo: 'lost' }))
    },
    'for a user with more grants than are remembered': async ({ database, credits }) => {
      for (let at = 0; at < 40; at++) await grantBeside(database, `g${at}`, 86_400_000 + at)
      await credits.consumeCredits(charge(1))
    },
    'after a call that did not fit the tables': async ({ database, credits }) => {
      await database.sql('ALTER TABLE media_tasks RENAME COLUMN video_url TO link')
      await credits.createMediaTask(task('t', 'u'), 1).catch(() => {})
    },
    'if a trigger may change grants': async ({ database, credits }) => {
      await database.sql('CREATE TRIGGER touched AFTER INSERT ON credit BEGIN SELECT 1; END')
      await credits.createMediaTask({ ...task('t', 'u'), unheardOf: 1 }, 1).catch(() => {})
    },
  }
  test.each(Object.entries(FORGOTTEN))('%s', async (_, happens) => {
    const world = await known()
    await happens(world)
    const { outcome: made, trips } = await world.call('consumeCredits', charge(1))
    expect([made, trips[1]]).toEqual(['accepted', 1])
    expect(trips[0]).toBeGreaterThanOrEqual(1)
  })
})

describeWithSqld("three processes and the app's own client", () => {
  test('charge 20 users with 120 credits each exactly as often as they have credits', async () => {
    const database = await TestDatabase.fresh()
    const USERS = 20
    for (let at = 0; at < USERS; at++) await database.user(`u${at}`, 100)
    const processes = []
    for (let at = 0; at < 3; at++) processes.push((await connectThrough(database.url)).credits)
    const granted = async () => {
      for (let at = 0; at < USERS; at++) await grantBeside(database, `more-${at}`, 60_000, `u${at}`)
    }
    const [settled] = await Promise.all([
      atOnce(900, (at) => processes[at % 3].consumeCredits({ userId: `u${at % USERS}`, credits: 10 })),
      granted(),
    ])
    const last = await atOnce(300, (at) =>
      processes[at % 3].consumeCredits({ userId: `u${at % USERS}`, credits: 10 }),
    )
    expect(counted([...settled, ...last])).toEqual({
      accepted: USERS * 12,
      INSUFFICIENT_CREDITS: 1200 - USERS * 12,
    })
  })
})
