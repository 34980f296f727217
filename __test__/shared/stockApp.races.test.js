'use strict'

const { aiTask } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { counted, remaining } = require('../helpers/rows')
const { stock, taskOf } = require('../helpers/stock')

const times = (count, call) => Promise.allSettled(Array.from({ length: count }, (_, at) => call(at)))

describe('without media tasks, of concurrent calls', () => {
  test('creating ten AI tasks with a balance for five, five are charged', async () => {
    const { database, createAITask, createCredit, getAITasksCount, getRemainingCredits, dee } = await stock()
    await createCredit({ userId: dee, credits: 52 })
    const settled = await times(10, (at) => createAITask(aiTask(`t${at}`, dee, { costCredits: 10 })))
    expect(counted(settled)).toEqual({ accepted: 5, INSUFFICIENT_CREDITS: 5 })
    expect(await getAITasksCount({ userId: dee })).toBe(5)
    expect(await getRemainingCredits(dee)).toBe(2)
    expect(await violations(database)).toEqual([])
  })

  test('making ten charges with a balance for five, five are accepted', async () => {
    const { database, consumeCredits, getRemainingCredits, eve } = await stock()
    const settled = await times(10, () => consumeCredits({ userId: eve, credits: 1 }))
    expect(counted(settled)).toEqual({ accepted: 5, INSUFFICIENT_CREDITS: 5 })
    expect(await getRemainingCredits(eve)).toBe(0)
    expect(await violations(database)).toEqual([])
  })

  test.each(['ada', 'ben'])('failing a task four times, one refunds (%s)', async (name) => {
    const { database, updateAITaskById, ...made } = await stock()
    const { id, charge, cost_credits: cost } = await taskOf(database, made[name], 'pending')
    const before = await made.getRemainingCredits(made[name])
    const settled = await times(4, () => updateAITaskById(id, { status: 'failed', creditId: charge }))
    expect(counted(settled)).toEqual({ accepted: 4 })
    const refunded = settled.map(({ value }) => value.refund.credits)
    expect(refunded.sort((one, other) => one - other)).toEqual([0, 0, 0, cost])
    expect(await made.getRemainingCredits(made[name])).toBe(before + cost)
    expect(await violations(database)).toEqual([])
  })

  test('failing tasks of all users, each grant holds what was granted minus its active draws', async () => {
    const { database, failStuckAITasks, refundCredits, ben } = await stock()
    const { charge } = await taskOf(database, ben, 'pending')
    const failing = times(4, () => failStuckAITasks({ olderThanMs: 1000 }))
    const settled = await Promise.all([failing, times(4, () => refundCredits(charge))])
    expect(settled.map(counted)).toEqual([{ accepted: 4 }, { accepted: 4 }])
    const left = Object.values(await remaining(database))
    // Ada's 20 - 1 and 15 - 4, Ben's 30 - 3 and 12 - 2; Chi's and Eve's do not change.
    expect(left.sort((one, other) => one - other)).toEqual([5, 10, 11, 19, 27, 40, 42])
    expect(await violations(database)).toEqual([])
  })
})
