'use strict'

/** The functions of the app's models that the package has: their tables and parameters. */

const rows = { media: 'MediaTask', credit: 'Credit', ai: 'AITask' }

/** The order of the type parameters of `connect<…>`. */
const FAMILIES = Object.keys(rows)

const PAGE = ['page', 'limit', 'getUser']
const TASKS = ['userId', 'status', 'mediaType', 'provider']
const CREDITS = ['userId', 'status', 'transactionType']

/**
 * `takes` is the number of parameters, `fields` the fields of the first one if it is an object, `row` the
 * type of a parameter that is a row. `writes`: it moves credits, so if it does more than the package's
 * function, it must not be replaced. `returnsRows`: its result has the app's row type. `isOfModule`: it is
 * not on a connection.
 */
const FUNCTIONS = {
  createMediaTask: { family: 'media', takes: 2, writes: true, charges: true, returnsRows: true },
  updateMediaTaskById: { family: 'media', takes: 2, writes: true, refunds: true, returnsRows: true },
  findMediaTaskById: { family: 'media', takes: 1, returnsRows: true },
  hasActiveMediaTask: { family: 'media', takes: 1 },
  getActiveMediaTasks: { family: 'media', takes: 1, returnsRows: true },
  getMediaTaskHistory: { family: 'media', takes: 3, returnsRows: true },
  createAITask: { family: 'ai', takes: 1, writes: true, charges: true, returnsRows: true },
  updateAITaskById: { family: 'ai', takes: 2, writes: true, refunds: true, returnsRows: true },
  findAITaskById: { family: 'ai', takes: 1, returnsRows: true },
  getAITasks: { family: 'ai', takes: 1, fields: [...TASKS, ...PAGE], returnsRows: true, getsUser: true },
  getAITasksCount: { family: 'ai', takes: 1, fields: TASKS },
  consumeCredits: {
    family: 'credit',
    takes: 1,
    fields: ['userId', 'credits', 'scene', 'description', 'metadata', 'transactionNo', 'tx'],
    writes: true,
    returnsRows: true,
  },
  createCredit: { family: 'credit', takes: 1, writes: true, returnsRows: true },
  getCredits: {
    family: 'credit',
    takes: 1,
    fields: [...CREDITS, ...PAGE],
    returnsRows: true,
    getsUser: true,
  },
  getCreditsCount: { family: 'credit', takes: 1, fields: CREDITS },
  getRemainingCredits: { family: 'credit', takes: 1 },
  grantCreditsForUser: {
    family: 'credit',
    takes: 1,
    fields: ['user', 'credits', 'validDays', 'description', 'transactionNo', 'transactionScene'],
    isMadeOfOthers: true,
    returnsRows: true,
  },
  calculateCreditExpirationTime: {
    family: 'credit',
    takes: 1,
    fields: ['creditsValidDays', 'currentPeriodEnd'],
    isMadeOfOthers: true,
    isOfModule: true,
  },
}

/** The statuses that `getActiveMediaTasks` and `hasActiveMediaTask` count. */
const ACTIVE = ['processing', 'translating']
const COUNTS_ACTIVE = ['hasActiveMediaTask', 'getActiveMediaTasks']

/** The table that a function must use to be the app's model. */
const TABLE_OF = { media: 'media_tasks', ai: 'ai_task', credit: 'credit' }

module.exports = { ACTIVE, COUNTS_ACTIVE, FAMILIES, FUNCTIONS, ROW_TYPES: rows, TABLE_OF }
