'use strict'

const { TestDatabase, aiTask, refusal, task } = require('../helpers/database')
const { unchanging } = require('../helpers/calls')

const withTask = unchanging(async () => {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'grant', credits: 50, orderNo: 'order' })
  await database.credits.createMediaTask(task('old', 'u'), 10)
  await database.credits.createAITask(aiTask('old', 'u', { costCredits: 5 }))
  return database
})

const CHARGES = { scenes: ['gift'], exceptScenes: ['gift'], limits: [{ credits: 5, per: 'day' }] }
const GUARDS = { ifStatus: 'pending', ifUpdatedBefore: new Date() }
const CREATES = { ...CHARGES, replay: true, maxActive: 1, charge: { description: 'x' } }
const UPDATES = { ...GUARDS, allowRefunded: true, refundPolicy: 'source' }
const REVOKES = { total: 5, reason: 'refund', recover: 'none', transactionNo: 'r' }

/** Each call, with an option of it among its columns or parameters; the table or function that the error names. */
const CALLS = {
  createMediaTask: [
    { ...CREATES, freeTrialLimit: 1 },
    'media_tasks',
    ({ createMediaTask }, option) => createMediaTask(task('t', 'u', option), 10),
  ],
  createAITask: [
    CREATES,
    'ai_task',
    ({ createAITask }, option) => createAITask(aiTask('t', 'u', { costCredits: 1, ...option })),
  ],
  'the patch of updateMediaTaskById': [
    UPDATES,
    'media_tasks',
    ({ updateMediaTaskById }, option) => updateMediaTaskById('old', { progress: 5, ...option }),
  ],
  'the patch of updateAITaskById': [
    UPDATES,
    'ai_task',
    ({ updateAITaskById }, option) => updateAITaskById('old', { status: 'processing', ...option }),
  ],
  'the charge of chargeMediaTask': [
    { ...CHARGES, ...GUARDS },
    'the charge for a step',
    ({ chargeMediaTask }, option) =>
      chargeMediaTask('old', { credits: 5, ...option }, { status: 'translating' }),
  ],
  'the patch of chargeMediaTask': [
    { ...CHARGES, ...GUARDS },
    'media_tasks',
    ({ chargeMediaTask }, option) =>
      chargeMediaTask('old', { credits: 5 }, { status: 'translating', ...option }),
  ],
  consumeCredits: [
    { ...CHARGES, replay: true },
    'consumeCredits',
    ({ consumeCredits }, option) => consumeCredits({ userId: 'u', credits: 5, ...option }),
  ],
  'an item of consumeCreditsBatch': [
    { ...CHARGES, atomic: true },
    'consumeCredits',
    async ({ consumeCreditsBatch }, option) => {
      const [{ reason }] = await consumeCreditsBatch([{ userId: 'u', credits: 5, ...option }])
      throw reason
    },
  ],
  createCredit: [
    { replay: true },
    'credit',
    ({ createCredit }, option) => createCredit({ userId: 'u', credits: 5, ...option }),
  ],
  revokeGrants: [
    REVOKES,
    'revokeGrants',
    ({ revokeGrants }, option) => revokeGrants({ orderNo: 'order', ...option }, {}),
  ],
}

test.each(Object.entries(CALLS))(
  '%s is refused with an option, and the error says where it belongs',
  async (_, [options, table, call]) => {
    for (const [option, value] of Object.entries(options)) {
      const error = await refusal(withTask(), () => call(withTask().credits, { [option]: value }))
      expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', table, field: option, retryable: false })
      const start = `unknown field "${option}": ${table} has no such column or parameter; ${option} is an option of `
      expect(error.message.slice(0, start.length)).toBe(start)
      expect(error.message).toMatch(/, in (its|their) last argument(;|$)/)
    }
  },
)
