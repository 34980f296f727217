'use strict'

/**
 * What calls do to the ledger, for those who observe them: `events.js` and `opentelemetry.js`. It is read from a
 * call as it crosses (index.js encodes it) and from what came of it; no rule of the ledger is here.
 */

const { own } = require('../fields.js')

/** Those who observe the calls of all connections: functions that take a call and may return what to do at its end. */
const observers = new Set()

/**
 * Tells `own`, a connection's own observer if it has one, and all others that a call was sent. Returns what must be
 * told of its end: its error or its value.
 */
function observe(own, call) {
  const ends = []
  for (const begin of own ? [own, ...observers] : observers) safely(() => ends.push(begin(call)))
  return (error, value) => {
    for (const end of ends) safely(() => end?.(error, value))
  }
}

/** Runs what must not harm a call. What it throws, now or later, is an unhandled rejection. */
function safely(run) {
  new Promise((resolve) => resolve(run()))
}

/** The codes with which the ledger refuses, as `docs/errors.md` lists them. All others are somebody's fault. */
const REFUSALS = new Set([
  'INSUFFICIENT_CREDITS',
  'CHARGE_OWNER_MISMATCH',
  'CHARGE_CORRUPT',
  'VALUE_UNREADABLE',
  'TOO_MANY_ACTIVE_TASKS',
  'FREE_TRIAL_USED_UP',
  'TASK_STATE_CONFLICT',
  'TASK_REFUNDED',
  'SETTLE_EXCEEDS_CHARGE',
  'SETTLE_CONFLICT',
])

// ---- What a call is about: of each of its items the task, the user and the cost, as far as it says them ----

const field = (encoded, name) => own(own(encoded, '$fields'), name)
const each = (encoded, about) => own(encoded, '$list')?.map(about) ?? []

const newTask = (kind, fields, credits) => ({
  task: { kind, id: field(fields, 'id') },
  userId: field(fields, 'userId'),
  credits,
})
const newMediaTask = (item) => newTask('media', field(item, 'task'), field(item, 'costCredits'))
const newAITask = (task) => newTask('ai', task, field(task, 'costCredits'))
const ofUser = (fields) => ({ userId: field(fields, 'userId'), credits: field(fields, 'credits') })

// `charge` is the column of the row that comes back which has the charge's id.
const ofTasks = (name, kind) => ({
  [`update${name}ById`]: {
    about: ([id, patch]) => [{ task: { kind, id }, gives: field(patch, 'status') === 'failed' }],
    charge: 'creditId',
  },
  [`charge${name}`]: {
    about: ([id, charge]) => [{ task: { kind, id }, credits: field(charge, 'credits') }],
    charge: 'creditId',
  },
  [`settle${name}`]: { about: ([id]) => [{ task: { kind, id }, gives: true }], charge: 'id' },
})

const operations = new Map(
  Object.entries({
    createMediaTask: { about: ([task, credits]) => [newTask('media', task, credits)], charge: 'creditId' },
    createMediaTasks: { about: ([items]) => each(items, newMediaTask), charge: 'creditId' },
    createAITask: { about: ([task]) => [newAITask(task)], charge: 'creditId' },
    createAITasks: { about: ([tasks]) => each(tasks, newAITask), charge: 'creditId' },
    ...ofTasks('MediaTask', 'media'),
    ...ofTasks('AITask', 'ai'),
    consumeCredits: { about: ([charge]) => [ofUser(charge)], charge: 'id' },
    consumeCreditsBatch: { about: ([charges]) => each(charges, ofUser), charge: 'id' },
    refundCredits: { about: () => [{ gives: true }], charge: 'id' },
    createCredit: { about: ([grant]) => [{ userId: field(grant, 'userId'), gives: true }] },
  }),
)

const itemsOf = ({ operation, passed }) => operations.get(operation)?.about(passed) ?? []

/** Whether a call takes credits or gives some, if it succeeds. */
function moves(call) {
  const items = itemsOf(call)
  return {
    takes: items.some((item) => own(item, 'credits') > 0),
    gives: items.some((item) => own(item, 'gives') === true),
  }
}

/** What a call that succeeded changed: `{ event, … }` for each charge, refund and grant that is new. */
function effects(call, value) {
  const { operation } = call
  const items = itemsOf(call)
  if (items.length === 0) return []
  const { charge } = operations.get(operation)
  const effectOf = (row, at) => {
    const [task, credits] = [own(items[at], 'task'), own(items[at], 'credits')]
    // No such task, or what was there before.
    if (!row || own(row, 'replayed')) return []
    const [userId, refund] = [row.userId, own(row, 'refund')]
    const common = { creditId: row[charge], ...(task && { task }), operation }
    if (operation === 'createCredit') {
      const credits = spendable(row)
      return { event: 'granted', userId, credits, spendable: credits }
    }
    if (refund?.credits > 0) {
      return { event: 'refunded', userId, credits: refund.credits, spendable: refund.spendable, ...common }
    }
    return credits > 0 ? { event: 'charged', userId, credits, ...common } : []
  }
  return [value].flat().flatMap(effectOf)
}

/** How much of a new grant can be spent now. */
function spendable({ status, expiresAt, remainingCredits }) {
  return status === 'active' && (expiresAt === null || expiresAt > Date.now()) ? remainingCredits : 0
}

/** What a call was refused, or `undefined` if its error is not the ledger's. */
function refusal(call, error) {
  const code = own(error, 'code')
  if (!REFUSALS.has(code)) return undefined
  const { operation } = call
  const [required, available] = [own(error, 'required'), own(error, 'available')]
  const item = itemsOf(call)[own(error, 'index') ?? 0]
  const [userId, task] = [own(item, 'userId'), own(item, 'task')]
  return {
    operation,
    code,
    ...(userId && { userId }),
    ...(task && { task }),
    ...(required !== undefined && { required, available }),
  }
}

module.exports = { REFUSALS, effects, moves, observe, observers, refusal, safely }
