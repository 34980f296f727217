'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { atOnce, staysSound } = require('../helpers/calls')
const { trial, trialsStayCounted, used } = require('../helpers/plans')

TestDatabase.reuse()

// The free trial of a task that fails is returned once, however often the task fails.

const LONG_AGO = new Date(Date.now() - 3_600_000)
const OPTIONS = { freeTrialLimit: 10 }

/** User `u` has a task `t` that uses a free trial and costs 10 of 100 credits; `before` trials were used already. */
async function withTrial(before = 0, more = {}, cost = 10) {
  const database = await TestDatabase.fresh()
  await database.user('u', 60, 40)
  await database.sql('UPDATE "user" SET free_trial_used = ?', before)
  await database.credits.createMediaTask(trial('t', 'u', more), cost, OPTIONS)
  expect(await used(database)).toBe(before + 1)
  return { database, ...database.credits }
}

const status =
  (status) =>
  ({ updateMediaTaskById }) =>
    updateMediaTaskById('t', { status })
const fail = status('failed')
const charge =
  (credits, patch) =>
  ({ chargeMediaTask }) =>
    chargeMediaTask('t', { credits }, patch)
const update =
  (patch) =>
  ({ updateMediaTaskById }) =>
    updateMediaTaskById('t', patch)

// What happens to the task, and how many trials are used after each step.
const STORIES = [
  ['it fails', [fail, 0]],
  ['it fails again', [fail, 0], [fail, 0], [fail, 0]],
  ['it fails after a while', [status('downloading'), 1], [status('processing'), 1], [fail, 0]],
  ['it fails and is processed again', [fail, 0], [status('processing'), 1]],
  ['it fails, is processed again and fails', [fail, 0], [status('processing'), 1], [fail, 0], [fail, 0]],
  ['it is done', [status('extracted'), 1], [status('completed'), 1]],
  ['it is done and fails', [status('completed'), 1], [fail, 0]],
  // The user has the extraction, for which the trial was used.
  ['a further step fails', [charge(5, { status: 'translating' }), 1], [fail, 1], [fail, 1]],
  ['a free further step fails', [update({ status: 'translating' }), 1], [fail, 1]],
  [
    'it fails, and then a further step fails',
    [fail, 0],
    [charge(5, { status: 'translating' }), 1],
    [fail, 1],
  ],
  [
    'a further step fails, and it is processed again',
    ...[
      [update({ status: 'translating' }), 1],
      [fail, 1],
      [status('processing'), 1],
      [fail, 1],
    ],
  ],
  ['a paid step revives it', [fail, 0], [charge(5, { status: 'processing' }), 1], [fail, 0]],
  ['a free step revives it', [fail, 0], [charge(0, { status: 'processing' }), 1], [fail, 0]],
  ['a free step does not revive it', [fail, 0], [charge(0, { progress: 1 }), 0], [fail, 0]],
  ['another column of the failed task changes', [fail, 0], [update({ title: 'A' }), 0], [update({}), 0]],
  [
    'another column of the task changes',
    [update({ title: 'A', status: undefined }), 1],
    [update({ progress: 5 }), 1],
  ],
  ['it is deleted', [update({ deletedAt: new Date() }), 1], [fail, 0]],
  ['it fails with creditId: null', [update({ status: 'failed', creditId: null }), 0], [fail, 0]],
  ['its status differs from failed in capitals', [status('Failed'), 1], [status('FAILED'), 1], [fail, 0]],
]

describe('a free trial is returned once:', () => {
  describe.each([[0], [5]])('%i were used before,', (before) => {
    staysSound()

    test.each(STORIES)('%s', async (_, ...steps) => {
      const { database, ...credits } = await withTrial(before)
      for (const [step, expected] of steps) {
        await step(credits)
        expect(await used(database)).toBe(before + expected)
      }
    })
  })

  describe('for each call that fails a task,', () => {
    trialsStayCounted()

    test('a trial is returned once, with the refund', async () => {
      const { database, updateMediaTaskById, getRemainingCredits } = await withTrial()
      const { refund } = await updateMediaTaskById('t', { status: 'failed' })
      expect(refund.credits).toBe(10)
      expect(await getRemainingCredits('u')).toBe(100)
      expect(await used(database)).toBe(0)
    })

    test('a trial is returned once if the task costs nothing', async () => {
      const { database, updateMediaTaskById } = await withTrial(0, {}, 0)
      await updateMediaTaskById('t', { status: 'failed' })
      expect(await used(database)).toBe(0)
    })

    test('the trial of a task with an earlier charge is returned', async () => {
      const database = await TestDatabase.fresh()
      await database.user('u', 100)
      const { consumeCredits, createMediaTask, updateMediaTaskById } = database.credits
      const { id: creditId } = await consumeCredits({ userId: 'u', credits: 5 })
      await createMediaTask(trial('t', 'u', { creditId }), 0, OPTIONS)
      expect(await used(database)).toBe(1)
      expect((await updateMediaTaskById('t', { status: 'failed' })).refund.credits).toBe(5)
      expect(await used(database)).toBe(0)
    })

    test('a returned trial sets updated_at of the user', async () => {
      const { database, updateMediaTaskById } = await withTrial()
      const touched = async () => (await database.sql('SELECT updated_at FROM "user"'))[0].updated_at
      await database.sql('UPDATE "user" SET updated_at = ?', LONG_AGO)
      const failed = await updateMediaTaskById('t', { status: 'failed' })
      expect(await touched()).toBe(failed.updatedAt.getTime())
      await database.sql('UPDATE "user" SET updated_at = ?', LONG_AGO)
      await updateMediaTaskById('t', { status: 'failed' })
      expect(await touched()).toBe(LONG_AGO.getTime())
    })

    test('after a trial was returned the next one can be used', async () => {
      const { database, createMediaTask, updateMediaTaskById } = await withTrial()
      const next = () => createMediaTask(trial('next'), 0, { freeTrialLimit: 1 })
      expect(await refusal(database, next)).toMatchObject({ code: 'FREE_TRIAL_USED_UP' })
      await updateMediaTaskById('t', { status: 'failed' })
      expect(await next()).toMatchObject({ id: 'next' })
    })

    test.each([
      ['two', 2],
      ['four', 4],
      ['twenty', 20],
    ])('of %s failures at once one gives the trial back', async (_, count) => {
      const { database, updateMediaTaskById, createMediaTask } = await withTrial()
      for (const id of ['other', 'third']) await createMediaTask(trial(id), 0, OPTIONS)
      const settled = await atOnce(count, () => updateMediaTaskById('t', { status: 'failed' }))
      const refunds = settled.map(({ value }) => value.refund.credits)
      expect(refunds.filter((credits) => credits === 10)).toHaveLength(1)
      expect(await used(database)).toBe(2)
    })

    test('concurrent failures and revivals leave a trial as the status of its task demands', async () => {
      const { database, updateMediaTaskById } = await withTrial()
      const settled = await atOnce(30, (at) =>
        updateMediaTaskById('t', { status: at % 2 ? 'failed' : 'processing' }),
      )
      expect(settled.filter(({ reason }) => reason)).toEqual([])
      const [{ status }] = await database.sql('SELECT status FROM media_tasks')
      expect(await used(database)).toBe(status === 'failed' ? 0 : 1)
    })

    test('failStuckMediaTasks returns a trial once', async () => {
      const { database, createMediaTask, failStuckMediaTasks } = await withTrial()
      for (const id of ['a', 'b']) await createMediaTask(trial(id), 1, OPTIONS)
      await createMediaTask(task('paid', 'u'), 1)
      await createMediaTask(trial('done', 'u', { status: 'completed' }), 1, OPTIONS)
      await database.sql('UPDATE media_tasks SET updated_at = ?', LONG_AGO)
      const calls = await atOnce(2, () => failStuckMediaTasks({ olderThanMs: 60_000 }))
      const failed = calls.flatMap(({ value }) => value.tasks.map(({ id }) => id))
      expect(failed.sort()).toEqual(['a', 'b', 'paid', 't'])
      expect(await used(database)).toBe(1)
    })

    test('a failure that is refused returns no trial', async () => {
      const { database, updateMediaTaskById } = await withTrial()
      const fail = (more, options) => () => updateMediaTaskById('t', { status: 'failed', ...more }, options)
      const calls = [
        [fail({}, { ifStatus: 'processing' }), 'TASK_STATE_CONFLICT'],
        [fail({}, { ifUpdatedBefore: new Date(0) }), 'TASK_STATE_CONFLICT'],
        [fail({ views: '12abc' }), 'INVALID_VALUE'],
        [fail({ color: 'red' }), 'UNKNOWN_FIELD'],
        [fail({ creditId: 'nothing' }), 'CHARGE_NOT_FOUND'],
      ]
      for (const [call, code] of calls) {
        expect(await refusal(database, call)).toMatchObject({ code })
        expect(await used(database)).toBe(1)
      }
    })

    test('a revival is never refused for the limit of new tasks', async () => {
      const { database, createMediaTask, updateMediaTaskById } = await withTrial()
      await updateMediaTaskById('t', { status: 'failed' })
      await createMediaTask(trial('next'), 0, { freeTrialLimit: 1 })
      await updateMediaTaskById('t', { status: 'processing' })
      expect(await used(database)).toBe(2)
    })
  })

  describe('the counter of trials is never below zero:', () => {
    staysSound()

    test.each([
      ['the app has set the counter to 0', 0],
      ['the app has set the counter to null', null],
    ])('%s', async (_, counter) => {
      const { database, updateMediaTaskById } = await withTrial()
      await database.sql('UPDATE "user" SET free_trial_used = ?', counter)
      await updateMediaTaskById('t', { status: 'failed' })
      expect(await used(database)).toBe(0)
      await updateMediaTaskById('t', { status: 'processing' })
      expect(await used(database)).toBe(1)
    })

    test('the app has not counted its tasks yet', async () => {
      const database = await TestDatabase.fresh()
      await database.user('u', 10)
      const { createMediaTask, updateMediaTaskById } = database.credits
      for (const id of ['a', 'b', 'c']) await createMediaTask(trial(id), 1)
      expect(await used(database)).toBe(0)
      await atOnce(3, (at) => updateMediaTaskById('abc'[at], { status: 'failed' }))
      expect(await used(database)).toBe(0)
    })
  })

  test('a task that is not a free trial returns none', async () => {
    const { database, createMediaTask, updateMediaTaskById } = await withTrial()
    for (const [id, isFreeTrial] of [
      ['a', false],
      ['b', null],
      ['c', undefined],
    ]) {
      await createMediaTask(task(id, 'u', { isFreeTrial }), 1, OPTIONS)
      await updateMediaTaskById(id, { status: 'failed' })
    }
    expect(await used(database)).toBe(1)
  })
})
