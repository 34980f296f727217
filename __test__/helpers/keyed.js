'use strict'

/** The four calls with an idempotency key, each as a list of arguments: by default key `k`, user `u` and 10 credits. */

const { task } = require('./database')

/** An AI task like that of the app's generate route. */
function aiTask(id, userId, more) {
  return {
    id,
    userId,
    mediaType: 'image',
    provider: 'p',
    model: 'm',
    prompt: 'a cat',
    status: 'pending',
    scene: 'text-to-image',
    ...more,
  }
}

const said = (request) => ({ key: 'k', userId: 'u', credits: 10, more: {}, ...request })

const asTask = (request) => {
  const { key, userId, credits, more } = said(request)
  return [task(key, userId, more), credits]
}

const asAITask = (request) => {
  const { key, userId, credits, more } = said(request)
  return [aiTask(key, userId, { costCredits: credits, ...more })]
}

const asCredits = (request) => {
  const { key, userId, credits, more } = said(request)
  return [{ userId, credits, transactionNo: key, ...more }]
}

/** The key's name, the error of a taken key, whether the call charges; and how the call is made. */
const KEYED = {
  createMediaTask: {
    field: 'id',
    taken: { code: 'TASK_EXISTS', taskId: 'k' },
    charges: true,
    amount: 'costCredits',
    title: 'title',
    args: asTask,
  },
  createAITask: {
    field: 'id',
    taken: { code: 'TASK_EXISTS', taskId: 'k' },
    charges: true,
    amount: 'costCredits',
    title: 'prompt',
    args: asAITask,
  },
  consumeCredits: {
    field: 'transactionNo',
    taken: { code: 'CREDIT_EXISTS', field: 'transactionNo', value: 'k' },
    charges: true,
    amount: 'credits',
    title: 'description',
    args: asCredits,
  },
  createCredit: {
    field: 'transactionNo',
    taken: { code: 'CREDIT_EXISTS', field: 'transactionNo', value: 'k' },
    charges: false,
    amount: 'credits',
    title: 'description',
    args: asCredits,
  },
}

module.exports = { KEYED, aiTask }
