'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { writingNothing } = require('../helpers/calls')
const { violations } = require('../helpers/invariants')
const { aiTask } = require('../helpers/keyed')
const { remaining } = require('../helpers/rows')

const REPLAY = { replay: true }

describe("replay returns what the app's own client wrote:", () => {
  test('each task of a real app, for its cost and for no other', async () => {
    const database = await TestDatabase.fixture()
    const { createMediaTask } = database.credits
    const before = await violations(database)
    const { media_tasks: tasks, credit } = await database.everything()
    const created = credit.map((row) => JSON.parse(row.metadata)).map((said) => said?.type === 'media-task')
    const costs = new Map()
    for (const [at, row] of credit.entries()) {
      if (created[at]) costs.set(JSON.parse(row.metadata).taskId, -row.credits)
    }
    expect(tasks.length).toBeGreaterThan(70)
    expect(new Set(costs.values()).size).toBeGreaterThan(1)
    const replays = (cost) => async () =>
      Promise.allSettled(tasks.map((row) => createMediaTask(task(row.id, row.user_id), cost(row), REPLAY)))
    const costOf = ({ id }) => costs.get(id) ?? 0
    const same = await writingNothing(database, replays(costOf))
    expect(same.map(({ value }) => value?.id)).toEqual(tasks.map(({ id }) => id))
    expect(same.map(({ value }) => value?.status)).toEqual(tasks.map(({ status }) => status))
    expect(new Set(same.map(({ value }) => value?.replayed))).toEqual(new Set([true]))
    const other = await writingNothing(
      database,
      replays((row) => costOf(row) + 1),
    )
    expect(new Set(other.map(({ reason }) => reason?.code))).toEqual(new Set(['IDEMPOTENCY_CONFLICT']))
    expect(await violations(database)).toEqual(before)
  })

  test('its grants and charges, by their transactionNo', async () => {
    const database = await TestDatabase.fixture()
    const { createCredit, consumeCredits } = database.credits
    const { credit } = await database.everything()
    const again = ({ user_id: userId, transaction_no: transactionNo, transaction_type: type, credits }) =>
      type === 'grant'
        ? createCredit({ userId, credits, transactionNo }, REPLAY)
        : consumeCredits({ userId, credits: -credits, transactionNo }, REPLAY)
    const rows = await writingNothing(database, async () => Promise.all(credit.map(again)))
    expect(rows.map(({ id, replayed }) => [id, replayed])).toEqual(credit.map(({ id }) => [id, true]))
  })

  test('an AI task, whose cost is that of its charge', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'grant of u', credits: 50, transactionNo: '71' })
    const { createAITask } = database.credits
    const draws = [{ creditId: 'grant of u', transactionNo: '71', creditsConsumed: 8 }]
    await database.run(
      "UPDATE credit SET remaining_credits = 42 WHERE id = 'grant of u'",
      [
        `INSERT INTO credit (id, user_id, transaction_no, transaction_type, transaction_scene, credits,
            remaining_credits, description, status, created_at, updated_at, consumed_detail, metadata)
          VALUES ('c', 'u', '500', 'consume', 'text-to-image', -8, 0, 'generate image', 'active', ?, ?, ?, ?)`,
        new Date(),
        new Date(),
        JSON.stringify(draws),
        '{"type":"ai-task","mediaType":"image","taskId":"t"}',
      ],
      [
        `INSERT INTO ai_task (id, user_id, media_type, provider, model, prompt, status, cost_credits, scene,
            credit_id, created_at, updated_at)
          VALUES ('t', 'u', 'image', 'p', 'm', 'a cat', 'pending', 8, 'text-to-image', 'c', ?, ?)`,
        new Date(),
        new Date(),
      ],
    )
    const create = (costCredits) => createAITask(aiTask('t', 'u', { costCredits }), REPLAY)
    expect(await writingNothing(database, () => create(8))).toMatchObject({ creditId: 'c', replayed: true })
    expect(await refusal(database, () => create(9))).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
    expect(await remaining(database)).toEqual({ 'grant of u': 42 })
    expect(await violations(database)).toEqual([])
  })
})
