'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')
const { EVERY, made } = require('../helpers/every')

// Arguments are read before a call knows its storage: `arguments/` tests all invalid ones. Here each
// function is called on this storage too, once for each error code of its arguments.

/** Invalid arguments by error code: a place, and the value there. */
const id = { INVALID_ID: [0, ''] }
const query = { INVALID_ARGUMENT: [0, 'x'], UNKNOWN_FIELD: ['0.color', 'red'] }
const options = (at) => ({ INVALID_ARGUMENT: [at, 'x'], UNKNOWN_FIELD: [`${at}.color`, 'red'] })
const row = (at = '0') => ({
  INVALID_ID: [`${at}.userId`, 5],
  UNKNOWN_FIELD: [`${at}.color`, 'red'],
  TRANSACTION_NOT_SUPPORTED: [`${at}.tx`, {}],
})
const newTask = (at = '0') => ({
  ...row(at),
  INVALID_DATE: [`${at}.createdAt`, 'now'],
  READ_ONLY_FIELD: [`${at}.creditId`, 'c'],
})
const patch = (at) => ({
  INVALID_DATE: [`${at}.createdAt`, 'now'],
  INVALID_VALUE: [`${at}.status`, null],
  READ_ONLY_FIELD: [`${at}.userId`, 'v'],
})

const WRONG = {
  createMediaTask: {
    ...newTask(),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: [1, -1],
    MISSING_FIELD: ['0.platform', undefined],
    INVALID_VALUE: ['0.platform', null],
  },
  createMediaTasks: {
    ...newTask('0.0.task'),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.0.costCredits', -1],
    MISSING_FIELD: ['0.0.task.platform', undefined],
    INVALID_VALUE: ['0.0.task.platform', null],
  },
  createAITask: {
    ...newTask(),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.costCredits', -1],
    MISSING_FIELD: ['0.prompt', undefined],
    INVALID_VALUE: ['0.prompt', null],
  },
  createAITasks: {
    ...newTask('0.0'),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.0.costCredits', -1],
    MISSING_FIELD: ['0.0.prompt', undefined],
    INVALID_VALUE: ['0.0.prompt', null],
  },
  updateMediaTaskById: { ...id, ...options(2), ...patch('1') },
  updateAITaskById: { ...id, ...options(2), ...patch('1') },
  chargeMediaTask: { ...id, ...options(3), ...patch('2'), INVALID_AMOUNT: ['1.credits', -1] },
  chargeAITask: { ...id, ...options(3), ...patch('2'), INVALID_AMOUNT: ['1.credits', -1] },
  settleMediaTask: { ...id, ...options(2), INVALID_AMOUNT: [1, -1] },
  settleAITask: { ...id, ...options(2), INVALID_AMOUNT: [1, -1] },
  keepCharge: id,
  claimTopUp: {
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_ID: ['0.userId', null],
    INVALID_AMOUNT: ['0.credits', 0],
    UNKNOWN_FIELD: ['0.more', 1],
  },
  confirmTopUp: id,
  abandonTopUp: id,
  listTopUps: query,
  listExpiring: { UNKNOWN_FIELD: ['0.color', 'red'], INVALID_ARGUMENT: [0, 'x'] },
  releaseHolds: query,
  settleCredits: { ...id, ...options(2), INVALID_AMOUNT: [1, -1], INVALID_ARGUMENT: ['2.over', 'all'] },
  refundCredits: { ...id, ...options(2), INVALID_AMOUNT: [1, 0] },
  renewGrants: {
    ...row(),
    INVALID_AMOUNT: ['0.credits', 0],
    INVALID_ARGUMENT: ['0.rollover', 5],
    INVALID_DATE: ['0.periodEnd', 'now'],
  },
  extendGrant: { ...id, INVALID_DATE: [1, 'now'] },
  revokeGrants: {
    ...{ INVALID_ID: ['0.creditId', 5], INVALID_ARGUMENT: [0, {}], UNKNOWN_FIELD: ['1.color', 'red'] },
    INVALID_AMOUNT: ['1.total', -1],
  },
  restoreGrants: { ...id, INVALID_ARGUMENT: [1, 'x'], UNKNOWN_FIELD: ['1.color', 'red'] },
  consumeCredits: {
    ...row(),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.credits', 0],
    INVALID_VALUE: ['0.description', new Date(0)],
  },
  consumeCreditsBatch: {
    ...row('0.0'),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.0.credits', 0],
    INVALID_VALUE: ['0.0.description', new Date(0)],
  },
  createCredit: {
    ...row(),
    INVALID_ARGUMENT: [0, 'x'],
    INVALID_AMOUNT: ['0.credits', 0],
    INVALID_DATE: ['0.expiresAt', 'now'],
    INVALID_VALUE: ['0.status', 'paid'],
  },
  grantCreditsForUser: {
    ...row(),
    INVALID_ID: ['0.user', 'u'],
    INVALID_ARGUMENT: ['0.validDays', '3'],
    INVALID_AMOUNT: ['0.credits', '5'],
    INVALID_VALUE: ['0.transactionType', 'consume'],
  },
  findMediaTaskById: id,
  findAITaskById: id,
  getMediaTaskCharges: id,
  getAITaskCharges: id,
  hasActiveMediaTask: id,
  getActiveMediaTasks: id,
  getRemainingCredits: id,
  getBalance: id,
  getMediaTaskHistory: { ...id, INVALID_ARGUMENT: [1, 0] },
  getStatement: { ...id, ...options(1), INVALID_DATE: ['1.from', 'now'] },
  quoteCredits: { ...id, INVALID_AMOUNT: [1, 0] },
  getCredits: { ...query, INVALID_ID: ['0.userId', null] },
  getCreditsCount: { ...query, INVALID_ID: ['0.userId', null] },
  getAITasks: { ...query, INVALID_ID: ['0.userId', null] },
  getAITasksCount: { ...query, INVALID_ID: ['0.userId', null] },
  auditLedger: { ...query, INVALID_ID: ['0.userId', null] },
  repairLedger: { ...query, INVALID_ID: ['0.userId', null] },
  findStuckMediaTasks: query,
  findStuckAITasks: query,
  failStuckMediaTasks: query,
  failStuckAITasks: query,
  createTables: query,
}

/** User `u` has credits, a task `t`, an AI task `a` and a charge. */
const opened = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', 100)
  await database.credits.createMediaTask(task('t', 'u'), 10)
  await database.credits.createAITask(aiTask('a', 'u', { costCredits: 10 }))
  return database
})

/** Valid arguments of a function, with another value at a place such as `0.credits`. */
function argumentsWith(name, place, value) {
  const args = EVERY[name]()
  const keys = String(place).split('.')
  const last = keys.pop()
  let inner = args
  for (const key of keys) inner = inner[key]
  inner[last] = value
  return args
}

test('each function is tested here', () => {
  expect(Object.keys(WRONG).sort()).toEqual(Object.keys(EVERY).sort())
})

const rows = Object.entries(WRONG).flatMap(([name, codes]) =>
  Object.entries(codes).map(([code, [place, value]]) => [name, code, place, value]),
)

test.each(rows)('%s refuses arguments with %s on PostgreSQL too', async (name, code, place, value) => {
  const database = opened()
  const call = () => made(database.credits, name, argumentsWith(name, place, value))
  expect(await refusal(database, call)).toMatchObject({ code, retryable: false })
})
