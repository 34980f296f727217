'use strict'

/** The work: the tasks that are created, and the ledger's rules for contestants that have none. */

const { randomInt, randomUUID } = require('node:crypto')

const COST = 10

const userId = (number) => `user-${number}`

/** A task, as the app's submit route passes it. Consecutive tasks have different users. */
function newTask(number, users) {
  const STRIDE = 7919 // a prime, so that it meets every user
  const id = randomUUID()
  return {
    id,
    userId: userId((number * STRIDE) % users),
    platform: 'youtube',
    videoUrl: `https://www.youtube.com/watch?v=${id.slice(0, 11)}`,
    title: 'How a ledger stays right — part 1',
    targetLang: 'fr',
    status: 'pending',
    progress: 0,
    outputType: 'subtitle',
    isFreeTrial: false,
  }
}

/** The draws from `grants` in order, as items of `consumed_detail`. */
function planDraws(grants, cost) {
  const draws = []
  let left = cost
  for (const grant of grants) {
    if (left === 0) break
    const creditsConsumed = Math.min(grant.remaining, left)
    draws.push({
      creditId: grant.id,
      transactionNo: grant.transactionNo,
      expiresAt: grant.expiresAt === null ? null : new Date(grant.expiresAt).toISOString(),
      creditsToConsume: left,
      creditsConsumed,
      creditsBefore: grant.remaining,
      creditsAfter: grant.remaining - creditsConsumed,
      batchSize: 1000,
      batchNo: draws.length + 1,
    })
    left -= creditsConsumed
  }
  if (left > 0) throw new Error(`Insufficient credits, ${cost - left} < ${cost}`)
  return draws
}

/** A charge's description of its task. */
const ofTask = ({ id: taskId, outputType }) => ({
  description: `Media extraction: ${outputType}`,
  metadata: JSON.stringify({ type: 'media-task', taskId, outputType }),
})

/** A charge's description of its order. */
const ofOrder = ({ id: orderId }) => ({
  description: 'Order',
  metadata: JSON.stringify({ type: 'order', orderId }),
})

/** The charge's own columns, with a random id as in apps. */
function chargeFor(described, draws) {
  return {
    id: randomUUID(),
    transactionNo: nextTransactionNo(),
    consumedDetail: JSON.stringify(draws),
    ...described,
  }
}

let sequence = 0

/** Digits that grow with time, like the app's snowflake numbers, with two random digits. */
function nextTransactionNo() {
  const EPOCH_MS = 1_577_836_800_000
  sequence = (sequence + 1) % 10_000
  const digits = String(sequence).padStart(4, '0') + String(randomInt(100)).padStart(2, '0')
  return `${Date.now() - EPOCH_MS}${digits}`
}

module.exports = { COST, chargeFor, newTask, ofOrder, ofTask, planDraws, userId }
