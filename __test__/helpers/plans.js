'use strict'

/** What tests of a plan's limits need: the calls that take limits, and whether free trials were counted right. */

const { TestDatabase, aiTask, task } = require('./database')
const { violations } = require('./invariants')

/** What came of the only item of a batch. */
const theOne = async (batch) => {
  const [{ reason, value }] = await batch
  if (reason) throw reason
  return value
}

/** The task of a call: of user `u`, and it costs a credit, unless `more` says so. */
const media = (id, { cost = 1, userId = 'u', ...more } = {}) => ({
  task: task(id, userId, more),
  costCredits: cost,
})
const ai = (id, { cost = 1, userId = 'u', ...more } = {}) =>
  aiTask(id, userId, { costCredits: cost, ...more })

/** The calls that make a task. Each makes the task `id`, and tells of the call that `operation` names. */
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

/** Those of media tasks, which alone have free trials. */
const MEDIA_CREATES = Object.fromEntries(
  Object.entries(CREATES).filter(([, { kind }]) => kind === 'MediaTask'),
)

/** Limits that are none. */
const NO_LIMITS = [
  ['a negative number', -1],
  ['a fraction', 1.5],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['a number as text', '3'],
  ['empty text', ''],
  ['true', true],
  ['false', false],
  ['an object', { most: 3 }],
  ['an array', [3]],
  ['a Date', new Date()],
  ['a function', () => 3],
  ['a symbol', Symbol('three')],
]

/** A task that takes a free trial. */
const trial = (id, userId = 'u', more = {}) => task(id, userId, { isFreeTrial: true, ...more })

/** How many free trials a user has used, as it stands in the row. */
async function used(database, userId = 'u') {
  const [row] = await database.sql('SELECT free_trial_used FROM "user" WHERE id = ?', userId)
  return row.free_trial_used
}

/** A sentence for each user whose free trials are not as many as his free trial tasks that have not failed. */
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

/** For a `describe`: after each of its tests the ledger is sound, and every free trial is a task's. */
function trialsStayCounted() {
  afterEach(async () => {
    for (const database of TestDatabase.open) {
      expect(await violations(database)).toEqual([])
      expect(await miscounted(database)).toEqual([])
    }
  })
}

module.exports = { CREATES, MEDIA_CREATES, NO_LIMITS, media, ai, miscounted, trial, trialsStayCounted, used }
