'use strict'

/**
 * A valid call of each function of a connection, for tests of what must hold for all of them: user `u` has credits,
 * a task `t` and an AI task `a`. Each is a list of arguments; those that write make their own rows.
 */

const { aiTask, task } = require('./database')

const OLDER = { olderThanMs: 1000, statuses: ['pending'], limit: 5 }

const EVERY = {
  createMediaTask: () => [task('new', 'u'), 1, { replay: false, maxActive: 100, freeTrialLimit: 1 }],
  createMediaTasks: () => [[{ task: task('new', 'u'), costCredits: 1 }], { atomic: true, replay: false }],
  updateMediaTaskById: () => [
    't',
    { title: 'A', status: 'processing', publishedAt: new Date(5000), views: 5 },
    { ifStatus: ['pending'], ifUpdatedBefore: new Date(9e12), refundPolicy: 'source', allowRefunded: false },
  ],
  chargeMediaTask: () => [
    't',
    { credits: 1, metadata: { a: [1] }, transactionNo: '9', description: 'd', scene: 's' },
    { title: 'A' },
    { ifStatus: 'pending' },
  ],
  settleMediaTask: () => ['t', 1, { over: 'refuse', refundPolicy: { regrantDays: 3 } }],
  findMediaTaskById: () => ['t'],
  getMediaTaskCharges: () => ['t'],
  hasActiveMediaTask: () => ['u'],
  getActiveMediaTasks: () => ['u'],
  getMediaTaskHistory: () => ['u', 1, 10],
  findStuckMediaTasks: () => [OLDER],
  failStuckMediaTasks: () => [{ ...OLDER, refundPolicy: 'source', errorMessage: 'gone' }],
  createAITask: () => [aiTask('new', 'u', { costCredits: 1 }), { replay: false, maxActive: 100 }],
  createAITasks: () => [[aiTask('new', 'u', { costCredits: 1 })], { atomic: true }],
  updateAITaskById: () => ['a', { status: 'processing', taskInfo: '{}' }, { ifStatus: 'pending' }],
  chargeAITask: () => ['a', { credits: 1 }, { taskInfo: '{}' }, { ifStatus: 'pending' }],
  settleAITask: () => ['a', 1, { refundPolicy: 'source' }],
  findAITaskById: () => ['a'],
  getAITaskCharges: () => ['a'],
  getAITasks: () => [{ userId: 'u', status: 'pending', page: 1, limit: 5, getUser: true }],
  getAITasksCount: () => [{ userId: 'u', mediaType: 'image', provider: 'p' }],
  findStuckAITasks: () => [OLDER],
  failStuckAITasks: () => [{ ...OLDER, refundPolicy: 'source' }],
  consumeCredits: () => [
    { userId: 'u', credits: 1, metadata: { a: 1 }, transactionNo: '8', holdUntil: new Date(9e12) },
    { replay: true },
  ],
  consumeCreditsBatch: () => [[{ userId: 'u', credits: 1 }], { atomic: true }],
  claimTopUp: () => [
    {
      userId: 'u',
      below: 1000,
      credits: 5,
      transactionNo: '6',
      cooldownMs: 5,
      atMost: { credits: 9, per: 'day' },
    },
  ],
  confirmTopUp: () => ['6'],
  abandonTopUp: () => ['6'],
  listTopUps: () => [{ olderThanMs: 5, limit: 5 }],
  keepCharge: () => ['charge'],
  releaseHolds: () => [{ limit: 5, refundPolicy: 'source' }],
  settleCredits: () => ['charge', 1, { over: 'available', refundPolicy: 'source' }],
  refundCredits: () => ['charge', 1, { refundPolicy: 'source' }],
  createCredit: () => [{ userId: 'u', credits: 5, expiresAt: null, transactionNo: '7' }, { replay: true }],
  grantCreditsForUser: () => [{ user: { id: 'u', email: 'e' }, credits: 5, validDays: 3 }, { replay: false }],
  renewGrants: () => [
    {
      ...{ userId: 'u', subscriptionNo: 's', replaces: 'r', credits: 5, transactionNo: '5' },
      ...{ periodEnd: new Date(9e12), rollover: { atMost: 5, graceMs: 1 } },
    },
  ],
  extendGrant: () => ['g', new Date(8e12)],
  revokeGrants: () => [
    { creditId: 'g' },
    { total: 1, reason: 'r', transactionNo: '6', recover: 'available' },
  ],
  restoreGrants: () => ['6', { creditId: 'g' }],
  getRemainingCredits: () => ['u'],
  getBalance: () => ['u'],
  getStatement: () => ['u', { from: new Date(0), to: new Date(9e12), limit: 5 }],
  quoteCredits: () => ['u', 5],
  listExpiring: () => [{ within: 1e9, atLeast: 5, limit: 5 }],
  getCredits: () => [{ userId: 'u', status: 'active', transactionType: 'grant', page: 1, limit: 5 }],
  getCreditsCount: () => [{ userId: 'u', status: 'active' }],
  auditLedger: () => [{ userId: 'u', limit: 5 }],
  repairLedger: () => [{ userId: 'u', apply: false }],
  createTables: () => [{ tables: ['credit'] }],
}

const claim = ({ claimTopUp }) => claimTopUp(...EVERY.claimTopUp())

/** The calls that some functions need before them. */
const BEFORE = { confirmTopUp: claim, abandonTopUp: claim }

/** Makes a call after the calls that it needs. */
async function madeAfter(credits, name, args) {
  await BEFORE[name]?.(credits)
  return made(credits, name, args)
}

/** Makes a call; of a list that is read in pages, returns all items. */
async function made(credits, name, args) {
  const result = credits[name](...args)
  if (result?.[Symbol.asyncIterator] === undefined) return result
  const all = []
  for await (const one of result) all.push(one)
  return all
}

/** The result of a call, without the values that differ in each run. */
const comparable = (value) =>
  JSON.parse(
    JSON.stringify(value, (key, one) =>
      /^(id|creditId|transactionNo|consumedDetail|metadata|createdAt|updatedAt|deletedAt|expiresAt|asOf|at)$/.test(
        key,
      )
        ? typeof one
        : one,
    ) ?? 'null',
  )

/** The functions that run in a transaction of the app. */
const INSIDE = Object.keys(EVERY).filter((name) => name !== 'createTables')

/**
 * The functions that a test calls with one of these kinds of client. The first kind has all of them, as each kind has
 * with `FULL=1`; without it the other kinds share them out among themselves.
 */
function functionsFor(kinds, kind) {
  const at = kinds.indexOf(kind)
  const hasAll = at === 0 || process.env.FULL !== undefined
  return INSIDE.filter((_, number) => hasAll || number % (kinds.length - 1) === at - 1)
}

module.exports = { EVERY, comparable, functionsFor, made, madeAfter }
