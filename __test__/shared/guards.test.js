'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { atOnce, counted, inProcesses, staysSound, values, writingNothing } = require('../helpers/calls')
const { aiTask } = require('../helpers/keyed')
const { postgres } = require('../helpers/storage')

TestDatabase.reuse()

const HOUR_MS = 3_600_000
const HOUR_AGO = new Date(Date.now() - HOUR_MS)
const CONFLICT = 'TASK_STATE_CONFLICT'

/** User `u` has a task `t` of each kind that cost 10 of 100 credits, and was not updated for an hour. */
async function withTasks(status = 'pending') {
  const database = await TestDatabase.fresh()
  await database.user('u', 60, 40)
  await database.credits.createMediaTask(task('t', 'u', { status }), 10)
  await database.credits.createAITask(aiTask('t', 'u', { status, costCredits: 10 }))
  await database.run(
    ['UPDATE media_tasks SET updated_at = ?', HOUR_AGO],
    ['UPDATE ai_task SET updated_at = ?', HOUR_AGO],
  )
  return database
}

/** A time this many milliseconds after the task's last change. */
const after = (ms) => new Date(HOUR_AGO.getTime() + ms)

// Each call that takes guards: with a task's id and options.
const CALLS = [
  ['updateMediaTaskById', ({ credits }, id, options) => credits.updateMediaTaskById(id, PATCH, options)],
  ['updateAITaskById', ({ credits }, id, options) => credits.updateAITaskById(id, PATCH, options)],
  ['chargeMediaTask', ({ credits }, id, options) => credits.chargeMediaTask(id, STEP, PATCH, options)],
  ['chargeAITask', ({ credits }, id, options) => credits.chargeAITask(id, STEP, PATCH, options)],
]
const PATCH = { status: 'processing' }
const STEP = { credits: 5 }

describe.each(CALLS)('%s', (name, call) => {
  staysSound()

  describe('changes the task', () => {
    test.each([
      ['in the status of ifStatus', { ifStatus: 'pending' }],
      ['in one of the statuses of a list', { ifStatus: ['extracted', 'pending', 'failed'] }],
      ['in the only status of a list', { ifStatus: ['pending'] }],
      ['in a status that the list names twice', { ifStatus: ['pending', 'pending'] }],
      ['in one of many statuses', { ifStatus: [...Array(500).keys()].map(String).concat('pending') }],
      ['in a status of a frozen list', { ifStatus: Object.freeze(['pending']) }],
      ['that was not changed for an hour', { ifUpdatedBefore: new Date() }],
      ['that was changed a millisecond before', { ifUpdatedBefore: after(1) }],
      ['that matches both guards', { ifStatus: ['pending'], ifUpdatedBefore: after(1) }],
      ['with guards that are null', { ifStatus: null, ifUpdatedBefore: null }],
      ['with guards that are undefined', { ifStatus: undefined, ifUpdatedBefore: undefined }],
      ['without guards', {}],
      ['without options', undefined],
    ])('%s', async (_, options) => {
      const database = await withTasks()
      const row = await call(database, 't', options)
      expect(row.status).toBe('processing')
      expect(row.updatedAt.getTime()).toBeGreaterThan(HOUR_AGO.getTime() + HOUR_MS / 2)
    })
  })

  describe('rejects with TASK_STATE_CONFLICT, and writes nothing, if the task is', () => {
    test.each([
      ['in another status', { ifStatus: 'extracted' }],
      ['in none of the statuses of a list', { ifStatus: ['extracted', 'completed'] }],
      ['in a status that only begins like ifStatus', { ifStatus: 'pend' }],
      [
        'in a status with other capitals or spaces',
        { ifStatus: ['PENDING', ' pending', 'pending ', 'pending%'] },
      ],
      ['in another status than a text like SQL', { ifStatus: "'; DROP TABLE media_tasks; --" }],
      ['changed at that very moment', { ifUpdatedBefore: after(0) }],
      ['changed since', { ifUpdatedBefore: after(-1) }],
      ['changed since the beginning of time', { ifUpdatedBefore: new Date(0) }],
      ['changed since a time before that', { ifUpdatedBefore: new Date(-HOUR_MS) }],
      ['in another status, although it was not changed', { ifStatus: 'x', ifUpdatedBefore: new Date() }],
      ['in that status, but changed since', { ifStatus: 'pending', ifUpdatedBefore: after(0) }],
    ])('%s', async (_, options) => {
      const database = await withTasks()
      const error = await refusal(database, () => call(database, 't', options))
      expect(error).toMatchObject({ code: CONFLICT, taskId: 't', status: 'pending', retryable: false })
    })
  })

  test('returns undefined for a task that does not exist, with each guard', async () => {
    const database = await withTasks()
    for (const options of [{}, { ifStatus: 'pending' }, { ifStatus: 'x', ifUpdatedBefore: after(-1) }]) {
      expect(await writingNothing(database, () => call(database, 'no task', options))).toBeUndefined()
    }
  })

  test('makes the second of two equal calls a conflict', async () => {
    const database = await withTasks()
    await call(database, 't', { ifStatus: 'pending' })
    const error = await refusal(database, () => call(database, 't', { ifStatus: 'pending' }))
    expect(error).toMatchObject({ code: CONFLICT, status: 'processing' })
  })

  test.each([
    ['a state', { ifStatus: 'pending' }],
    ['the last change', { ifUpdatedBefore: after(1) }],
  ])('lets exactly one of 20 workers claim a task by %s', async (_, options) => {
    const database = await withTasks()
    const settled = await atOnce(20, () => call(database, 't', options))
    expect(counted(settled)).toEqual({ accepted: 1, [CONFLICT]: 19 })
    expect(values(settled)[0].status).toBe('processing')
  })
})

describe('a failing update', () => {
  staysSound()

  const KINDS = [
    ['updateMediaTaskById', 'findMediaTaskById'],
    ['updateAITaskById', 'findAITaskById'],
  ]

  describe.each(KINDS)('%s', (update, find) => {
    const fail = ({ credits }, options) =>
      credits[update]('t', { status: 'failed', ...options.patch }, options.guards)

    test.each([
      ['ifStatus', { ifStatus: ['pending', 'downloading'] }],
      ['ifUpdatedBefore', { ifUpdatedBefore: new Date() }],
    ])('refunds if %s holds', async (_, guards) => {
      const database = await withTasks()
      const failed = await fail(database, { guards })
      expect(failed).toMatchObject({ status: 'failed', refund: { credits: 10, spendable: 10, skipped: [] } })
      expect(await database.credits.getRemainingCredits('u')).toBe(90)
    })

    test.each([
      ['ifStatus', { ifStatus: 'completed' }],
      ['ifUpdatedBefore', { ifUpdatedBefore: HOUR_AGO }],
      ['either', { ifStatus: 'pending', ifUpdatedBefore: HOUR_AGO }],
    ])('refunds nothing if %s does not hold, not even the charge that the patch names', async (_, guards) => {
      const database = await withTasks()
      const { creditId } = await database.credits[find]('t')
      for (const patch of [{}, { creditId }, { creditId: null }]) {
        const error = await refusal(database, () => fail(database, { patch, guards }))
        expect(error).toMatchObject({ code: CONFLICT, status: 'pending' })
      }
    })

    test('refunds once for 20 concurrent calls with a guard, and the others are conflicts', async () => {
      const database = await withTasks()
      const settled = await atOnce(20, () => fail(database, { guards: { ifStatus: 'pending' } }))
      expect(counted(settled)).toEqual({ accepted: 1, [CONFLICT]: 19 })
      expect(values(settled)[0].refund.credits).toBe(10)
      expect(await database.credits.getRemainingCredits('u')).toBe(90)
    })

    test('with the guard of the status that it sets refunds nothing again', async () => {
      const database = await withTasks()
      await fail(database, {})
      const again = await fail(database, { guards: { ifStatus: 'failed' } })
      expect(again.refund).toEqual({ credits: 0, spendable: 0, skipped: [] })
    })
  })
})

describe('guards in several processes', () => {
  staysSound()

  const TASKS = 40

  /** User `u` has this many tasks of 1 credit. */
  async function withMany() {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    await atOnce(TASKS, (at) => database.credits.createMediaTask(task(`t${at}`, 'u'), 1))
    return database
  }

  const claim = (at, status) => ['updateMediaTaskById', `t${at}`, { status }, { ifStatus: 'pending' }]
  const claims = (status) => Array.from({ length: TASKS }, (_, at) => claim(at, status))

  test('let each task be claimed once by three of them', async () => {
    const database = await withMany()
    const outcomes = await inProcesses(
      database,
      claims('processing'),
      claims('downloading').reverse(),
      claims('translating'),
    )
    outcomes[1].reverse()
    const statuses = ['processing', 'downloading', 'translating']
    for (let at = 0; at < TASKS; at++) {
      const ofTask = outcomes.map((lines) => lines[at])
      expect([...ofTask].sort()).toEqual([CONFLICT, CONFLICT, 'accepted'])
      const { status } = await database.credits.findMediaTaskById(`t${at}`)
      expect(status).toBe(statuses[ofTask.indexOf('accepted')])
    }
  })

  test('leave each task claimed by one or refunded by another', async () => {
    const database = await withMany()
    const [claimed, failed] = await inProcesses(database, claims('processing'), claims('failed'))
    for (let at = 0; at < TASKS; at++) {
      expect([claimed[at], failed[at]].sort()).toEqual([CONFLICT, 'accepted'])
    }
    const refunds = failed.filter((line) => line === 'accepted').length
    expect(await database.credits.getRemainingCredits('u')).toBe(100 - TASKS + refunds)
  })
})

postgres.describe('a time of the app in microseconds', () => {
  staysSound()

  test('is compared to the millisecond by ifUpdatedBefore', async () => {
    const database = await withTasks()
    await database.sql("UPDATE media_tasks SET updated_at = '2026-01-01 00:00:00.123456'")
    const { updatedAt } = await database.credits.findMediaTaskById('t')
    expect(updatedAt).toEqual(new Date('2026-01-01T00:00:00.123Z'))
    const update = (ifUpdatedBefore) => database.credits.updateMediaTaskById('t', {}, { ifUpdatedBefore })
    const error = await refusal(database, () => update(updatedAt))
    expect(error).toMatchObject({ code: CONFLICT })
    expect(await update(new Date(updatedAt.getTime() + 1))).toMatchObject({ id: 't' })
  })
})
