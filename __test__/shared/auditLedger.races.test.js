'use strict'

const { connect } = require('../..')
const { exactEntries, findings } = require('../helpers/books')
const { TestDatabase, aiTask, task, DAY_MS } = require('../helpers/database')
const { violations } = require('../helpers/invariants')

TestDatabase.reuse()

const USERS = 12
const CALLERS = 12
const ROUNDS = 20
const FAIL = { status: 'failed' }
const REGRANT = { refundPolicy: { regrantDays: 5 } }
/** The error codes that concurrent callers may get. */
const REFUSALS = [
  'INSUFFICIENT_CREDITS',
  'CHARGE_NOT_FOUND',
  'READ_ONLY_FIELD',
  'SETTLE_CONFLICT',
  'SETTLE_EXCEEDS_CHARGE',
]

const users = Array.from({ length: USERS }, (_, at) => `u${at}`)

async function withUsers() {
  const database = await TestDatabase.fresh()
  const expiresAt = new Date(Date.now() + DAY_MS)
  for (const user of users)
    await database.user(user, 40, { credits: 30, expiresAt }, { credits: 9, expiresAt: null })
  return database
}

/** All calls of an app, on the caller's own tasks and on those of others. */
const ACTS = [
  ({ createMediaTask }, id, userId) => createMediaTask(task(id, userId), 3),
  ({ createAITask }, id, userId) => createAITask(aiTask(id, userId, { costCredits: 2 })),
  ({ updateMediaTaskById }, _, __, other) => updateMediaTaskById(other, FAIL),
  ({ updateMediaTaskById }, _, __, other) => updateMediaTaskById(other, FAIL, REGRANT),
  ({ updateAITaskById }, _, __, other) => updateAITaskById(other, FAIL),
  ({ chargeMediaTask }, _, __, other) => chargeMediaTask(other, { credits: 2 }),
  ({ settleMediaTask }, _, __, other) => settleMediaTask(other, 1),
  ({ settleAITask }, _, __, other) => settleAITask(other, 0),
  ({ createCredit }, id, userId) => createCredit({ userId, credits: 4, transactionNo: `n${id}` }),
  async ({ consumeCredits, refundCredits }, id, userId) => {
    const charge = await consumeCredits({ userId, credits: 5, transactionNo: `n${id}` })
    if (charge.id > '5') await refundCredits(charge.id, 2)
    await refundCredits(charge.id).catch(() => {})
  },
]

/** Concurrent callers, each in another order. Returns the codes that no caller should have got. */
async function load(connections) {
  const told = []
  const caller = async (number) => {
    for (let at = 0; at < ROUNDS; at++) {
      const turn = number * 7 + at * 3
      // Each task is made by one caller, and changed by others.
      const [id, other] = [
        `t${number}-${at}`,
        `t${(number + 1) % CALLERS}-${Math.max(0, at - 1 - (turn % 2))}`,
      ]
      const credits = connections[(number + at) % connections.length]
      for (const act of [ACTS[turn % 2], ACTS[2 + (turn % (ACTS.length - 2))]]) {
        await act(credits, id, users[turn % USERS], other).catch((error) => told.push(error))
      }
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)))
  return told.filter(({ code }) => !REFUSALS.includes(code))
}

/** Audits while `goesOn()`. Returns the number of audits, and their findings. */
async function auditMeanwhile(credits, goesOn) {
  const found = []
  let audits = 0
  do {
    found.push(...(await findings(credits)))
    audits++
  } while (goesOn())
  return { audits, found }
}

test('audits find nothing while all users charge and refund, and the final statements are exact', async () => {
  const database = await withUsers()
  const [second, third] = [connect({ url: database.url }), connect({ url: database.url })]
  let isOver = false
  const auditing = auditMeanwhile(third, () => !isOver)
  const refused = await load([database.credits, second])
  isOver = true
  const { audits, found } = await auditing
  expect(refused).toEqual([])
  expect(found).toEqual([])
  expect(audits).toBeGreaterThan(2)
  expect(await violations(database)).toEqual([])
  const types = new Set()
  for (const user of users) {
    for (const { type } of await exactEntries(database.credits, user)) types.add(type)
  }
  expect([...types].sort()).toEqual(['charge', 'grant', 'refund', 'settlement'])
  await Promise.all([second.close(), third.close()])
})

test('a statement that is read while its user charges and refunds adds up', async () => {
  const database = await withUsers()
  let isOver = false
  const reading = (async () => {
    const sums = []
    for (let at = 0; !isOver; at++) {
      const { entries } = await database.credits.getStatement(users[at % USERS], { limit: 1000 })
      const sum = entries.reduce((total, { credits }) => total + credits, 0)
      sums.push([sum, entries.at(-1).balance, entries.filter(({ type }) => type === 'adjustment').length])
    }
    return sums
  })()
  const refused = await load([database.credits])
  isOver = true
  const sums = await reading
  expect(refused).toEqual([])
  expect(sums.length).toBeGreaterThan(USERS)
  for (const [sum, balance, adjustments] of sums) {
    expect(balance).toBe(sum)
    expect(adjustments).toBe(0)
  }
})
