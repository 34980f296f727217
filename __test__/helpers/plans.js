'use strict'

/** Helpers of tests of a plan's limits: the calls that take limits, and a check of the counted free trials. */

const { TestDatabase, aiTask, task } = require('./database')
const { violations } = require('./invariants')

/** The outcome of the only item of a batch. */
const theOne = async (batch) => {
  const [{ reason, value }] = await batch
  if (reason) throw reason
  return value
}

/** The task of a call: of user `u` for one credit, unless `more` has other fields. */
const media = (id, { cost = 1, userId = 'u', ...more } = {}) => ({
  task: task(id, userId, more),
  costCredits: cost,
})
const ai = (id, { cost = 1, userId = 'u', ...more } = {}) =>
  aiTask(id, userId, { costCredits: cost, ...more })

/** The calls that make a task. Each makes the task `id`, and its events have `operation`. */
const CREATES = {
  createMediaTask: {
    kind: 'MediaTask',
    operation: 'createMediaTask',
    make: ({ createMediaTask }, id, options, more = {}) => {
      const item = media(id, more)
      return createMediaTask(item.task, item.costCredits, options)
    },
  },
  createMediaTasks: {
    kind: 'MediaTask',
    operation: 'createMediaTask',
    make: ({ createMediaTasks }, id, options, more = {}) =>
      theOne(createMediaTasks([media(id, more)], options)),
  },
  'atomic createMediaTasks': {
    kind: 'MediaTask',
    operation: 'createMediaTasks',
    make: async ({ createMediaTasks }, id, options, more = {}) =>
      (await createMediaTasks([media(id, more)], { ...options, atomic: true }))[0],
  },
  createAITask: {
    kind: 'AITask',
    operation: 'createAITask',
    make: ({ createAITask }, id, options, more = {}) => createAITask(ai(id, more), options),
  },
  createAITasks: {
    kind: 'AITask',
    operation: 'createAITask',
    make: ({ createAITasks }, id, options, more = {}) => theOne(createAITasks([ai(id, more)], options)),
  },
  'atomic createAITasks': {
    kind: 'AITask',
    operation: 'createAITasks',
    make: async ({ createAITasks }, id, options, more = {}) =>
      (await createAITasks([ai(id, more)], { ...options, atomic: true }))[0],
  },
}

/** Those of media tasks, since only they have free trials. */
const MEDIA_CREATES = Object.fromEntries(
  Object.entries(CREATES).filter(([, { kind }]) => kind === 'MediaTask'),
)

/** Invalid limits. */
const NO_LIMITS = [
  ...[-1, 1.5, NaN, Infinity, '3', '', true, false, { most: 3 }, [3], new Date(3), () => 3],
  ...[Symbol('three'), 3n ** 50n],
]

/** A task that uses a free trial. */
const trial = (id, userId = 'u', more = {}) => task(id, userId, { isFreeTrial: true, ...more })

/** The number of used free trials in a user's row. */
async function used(database, userId = 'u') {
  const [row] = await database.sql('SELECT free_trial_used FROM "user" WHERE id = ?', userId)
  return row.free_trial_used
}

/** A sentence for each user whose count differs from the number of free trial tasks that have not failed. */
async function miscounted(database) {
  const rows = await database.sql(
    `SELECT id, COALESCE(free_trial_used, 0) AS used,
        (SELECT COUNT(*) FROM media_tasks
          WHERE user_id = "user".id AND is_free_trial IS TRUE AND status <> 'failed') AS tasks
      FROM "user"`,
  )
  const wrong = rows.filter(({ used, tasks }) => used !== tasks)
  return wrong.map(({ id, used, tasks }) => `user ${id} has used ${used} free trials, for ${tasks} tasks`)
}

/** For a `describe`: checks after each of its tests the invariants, and that each counted free trial has a task. */
function trialsStayCounted() {
  afterEach(async () => {
    for (const database of TestDatabase.open) {
      expect(await violations(database)).toEqual([])
      expect(await miscounted(database)).toEqual([])
    }
  })
}

module.exports = { CREATES, MEDIA_CREATES, NO_LIMITS, media, ai, miscounted, trial, trialsStayCounted, used }
