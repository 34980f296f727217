'use strict'

/** The calls of an app for one user, step by step, for tests of the resulting entries. */

const { exactEntries } = require('./books')
const { until } = require('./callers')
const { TestDatabase, aiTask, task } = require('./database')

const HOUR_AGO = new Date(Date.now() - 3_600_000)
const FAIL = { status: 'failed' }
const REGRANT = { refundPolicy: { regrantDays: 30 } }

/** Waits for the next millisecond, so that the next row has a later time. */
async function later() {
  const before = Date.now()
  await until(() => Date.now() > before)
}

/** User `u` has a grant `g` of 100, and these steps run one after the other. */
async function afterLife(...steps) {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'g', credits: 100, transactionNo: 'no g', description: 'welcome' })
  for (const step of steps) {
    await later()
    await step(database.credits, database)
  }
  return { database, entries: await exactEntries(database.credits, 'u') }
}

const create =
  (cost, id = 't') =>
  ({ createMediaTask }) =>
    createMediaTask(task(id, 'u'), cost)
const fail =
  (options) =>
  ({ updateMediaTaskById }) =>
    updateMediaTaskById('t', FAIL, options)
const settle =
  (credits) =>
  ({ settleMediaTask }) =>
    settleMediaTask('t', credits)
const step =
  (credits) =>
  ({ chargeMediaTask }) =>
    chargeMediaTask('t', { credits })
const consume =
  (credits) =>
  ({ consumeCredits }) =>
    consumeCredits({ userId: 'u', credits, transactionNo: 'c' })
const refund =
  (credits) =>
  async ({ refundCredits, getCredits }) => {
    const [{ id }] = await getCredits({ userId: 'u', transactionType: 'consume' })
    return refundCredits(id, credits)
  }
const createAI = ({ createAITask }) => createAITask(aiTask('a', 'u', { costCredits: 8 }))
const failAI = ({ updateAITaskById }) => updateAITaskById('a', FAIL)
const add =
  (credits, more) =>
  ({ createCredit }) =>
    createCredit({ userId: 'u', credits, ...more })
const expire = (_, database) => database.sql("UPDATE credit SET expires_at = ? WHERE id = 'g'", new Date())
const withdraw = (_, database) =>
  database.sql(
    "UPDATE credit SET status = 'deleted', updated_at = ?, deleted_at = ? WHERE id = 'g'",
    new Date(),
    new Date(),
  )
const close = (_, database) =>
  database.sql("UPDATE credit SET status = 'expired', updated_at = ? WHERE id = 'g'", new Date())
const mint = (_, database) =>
  database.sql(
    "UPDATE credit SET remaining_credits = remaining_credits + 5, updated_at = ? WHERE id = 'g'",
    new Date(),
  )

/** Entries in the form `charge -10`. */
const inWords = (entries) => entries.map(({ type, credits }) => `${type} ${credits}`)

module.exports = {
  FAIL,
  HOUR_AGO,
  REGRANT,
  add,
  afterLife,
  close,
  consume,
  create,
  createAI,
  expire,
  fail,
  failAI,
  inWords,
  later,
  mint,
  refund,
  settle,
  step,
  withdraw,
}
