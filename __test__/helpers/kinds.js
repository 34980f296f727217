'use strict'

/** The two kinds of task, so that one test covers both. */

const { TestDatabase, task } = require('./database')
const { aiTask } = require('./keyed')

/** How a task is created (`more` are other fields), the beginning of its charges' `type`, and its table. */
const KINDS = {
  MediaTask: {
    create: ({ createMediaTask }, id, cost, more) => createMediaTask(task(id, 'u', more), cost),
    type: 'media-task',
    table: 'media_tasks',
    delivered: ['extracted', 'completed'],
    others: ['pending', 'downloading', 'processing', 'translating', 'paused', 'Completed'],
    text: 'title',
  },
  AITask: {
    create: ({ createAITask }, id, costCredits, more) =>
      createAITask(aiTask(id, 'u', { costCredits, ...more })),
    type: 'ai-task',
    table: 'ai_task',
    delivered: ['success'],
    others: ['pending', 'processing', 'canceled', 'completed', 'SUCCESS'],
    text: 'taskInfo',
  },
}

/** Functions on the task `t` of a kind, which cost user `u` 10 of 100 credits by default. */
async function withTask(kind, cost = 10) {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'a', credits: 60, transactionNo: '71' }, { id: 'b', credits: 40 })
  const { credits } = database
  const first = await KINDS[kind].create(credits, 't', cost, { [KINDS[kind].text]: 'A' })
  return {
    database,
    first,
    charge: first.creditId,
    balance: () => credits.getRemainingCredits('u'),
    find: () => credits[`find${kind}ById`]('t'),
    update: (patch, options) => credits[`update${kind}ById`]('t', patch, options),
    step: (...args) => credits[`charge${kind}`]('t', ...args),
    settle: (finalCredits) => credits[`settle${kind}`]('t', finalCredits),
    charges: (id = 't') => credits[`get${kind}Charges`](id),
  }
}

module.exports = { KINDS, withTask }
