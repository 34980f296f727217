'use strict'

const { TestDatabase, refusal } = require('../helpers/database')
const { staysSound, writingNothing } = require('../helpers/calls')
const { KINDS, withTask } = require('../helpers/kinds')
const { creditRow, draws, remaining } = require('../helpers/rows')
const { except } = require('../helpers/storage')
const { REFUSALS, dropRows, refuseRows } = require('../helpers/triggers')

TestDatabase.reuse()

const FAIL = { status: 'failed' }
const NOTHING = { credits: 0, spendable: 0, skipped: [] }
const LONG_AGO = new Date(1_700_000_000_123)

describe.each(Object.entries(KINDS))('charge%s', (kind, { type, table, delivered, text }) => {
  staysSound()

  test("writes the charge in the app's form, and makes it the task's", async () => {
    const { database, step, first } = await withTask(kind)
    const before = Date.now()
    const row = await step({ credits: 5, description: 'Subtitle translation: fr' })
    const charge = await creditRow(database, row.creditId)
    expect(row.creditId).not.toBe(first.creditId)
    expect(row.creditId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    const grant = await creditRow(database, 'a')
    const item = {
      creditId: 'a',
      transactionNo: '71',
      expiresAt: new Date(grant.expires_at).toISOString(),
      creditsToConsume: 5,
      creditsConsumed: 5,
      creditsBefore: 50,
      creditsAfter: 45,
      batchSize: 1000,
      batchNo: 1,
    }
    expect(charge).toEqual({
      id: row.creditId,
      user_id: 'u',
      user_email: null,
      order_no: null,
      subscription_no: null,
      transaction_no: expect.stringMatching(/^\d{15,19}$/),
      transaction_type: 'consume',
      transaction_scene: 'payment',
      credits: -5,
      remaining_credits: 0,
      description: 'Subtitle translation: fr',
      expires_at: null,
      status: 'active',
      created_at: charge.updated_at,
      updated_at: row.updatedAt.getTime(),
      deleted_at: null,
      consumed_detail: JSON.stringify([item]),
      // As text: the keys and their order are the app's.
      metadata: `{"type":"${type}-step","taskId":"t"}`,
    })
    expect(charge.created_at).toBeGreaterThanOrEqual(before)
    expect(charge.created_at).toBeLessThanOrEqual(Date.now())
  })

  test('applies the patch, and returns the whole task', async () => {
    const { database, step, find, first, balance } = await withTask(kind)
    const patch = { status: 'processing', [text]: 'É' }
    const row = await step({ credits: 5 }, patch)
    const changed = { ...patch, creditId: expect.any(String), updatedAt: expect.any(Date) }
    expect(row).toEqual({ ...first, ...changed })
    expect(row.updatedAt.getTime()).toBeGreaterThanOrEqual(first.updatedAt.getTime())
    expect(row).not.toHaveProperty('refund')
    expect(await find()).toEqual(row)
    expect(await balance()).toBe(85)
    expect(await creditRow(database, first.creditId)).toMatchObject({ status: 'active' })
  })

  test.each([
    ['no patch', []],
    ['undefined as a patch', [undefined]],
    ['an empty patch', [{}]],
    ['a patch of undefined', [{ [text]: undefined, id: undefined, creditId: undefined }]],
  ])('with %s changes only the charge and the time', async (_, patch) => {
    const { step, first } = await withTask(kind)
    const row = await step({ credits: 5 }, ...patch)
    expect(row).toEqual({ ...first, creditId: row.creditId, updatedAt: row.updatedAt })
    expect(row.creditId).not.toBe(first.creditId)
  })

  test.each([
    ['null empties a column', { [text]: null }, { [text]: null }],
    ['a Date is written', { createdAt: LONG_AGO }, { createdAt: LONG_AGO }],
    ['a delivered status is written', { status: delivered[0] }, { status: delivered[0] }],
    ['the app may delete it', { deletedAt: LONG_AGO }, { deletedAt: LONG_AGO }],
  ])('in the patch %s', async (_, patch, expected) => {
    const { step, find } = await withTask(kind)
    await step({ credits: 5 }, patch)
    expect(await find()).toMatchObject(expected)
  })

  test.each([
    ['left out', {}, `{"type":"${type}-step","taskId":"t"}`],
    ['null', { metadata: null }, `{"type":"${type}-step","taskId":"t"}`],
    ['an empty object', { metadata: {} }, `{"type":"${type}-step","taskId":"t"}`],
    [
      'of a type of its own',
      { metadata: { type: `${type}-translation`, targetLanguage: 'fr' } },
      `{"type":"${type}-translation","targetLanguage":"fr","taskId":"t"}`,
    ],
    [
      'the text of an object',
      { metadata: ` { "type" : "${type}-translation" }` },
      `{"type":"${type}-translation","taskId":"t"}`,
    ],
    [
      "of another task's id",
      { metadata: { taskId: 'other', type: `${type}-translation` } },
      `{"taskId":"t","type":"${type}-translation"}`,
    ],
    [
      'with quotes, backslashes, emoji and depth',
      { metadata: { '"': '\\', '😀': [{ a: [null, 1.5, true, '\n'] }], type: `${type}-a"b` } },
      `{"\\"":"\\\\","😀":[{"a":[null,1.5,true,"\\n"]}],"type":"${type}-a\\"b","taskId":"t"}`,
    ],
    [
      'what toJSON makes',
      { metadata: { toJSON: () => ({ a: 1 }) } },
      `{"a":1,"type":"${type}-step","taskId":"t"}`,
    ],
  ])('writes metadata that is %s', async (_, charge, expected) => {
    const { database, step } = await withTask(kind)
    const { creditId } = await step({ credits: 5, ...charge })
    const { metadata } = await creditRow(database, creditId)
    expect(JSON.parse(metadata)).toEqual(JSON.parse(expected))
  })

  test('writes the scene, description and transactionNo of the caller', async () => {
    const { database, step } = await withTask(kind)
    const chosen = { scene: 'renewal', description: 'é "1"', transactionNo: 'mine' }
    const { creditId } = await step({ credits: 5, ...chosen })
    expect(await creditRow(database, creditId)).toMatchObject({
      transaction_scene: 'renewal',
      description: 'é "1"',
      transaction_no: 'mine',
    })
    const left = { scene: undefined, description: null, transactionNo: null, metadata: undefined }
    const again = await step({ credits: 5, ...left })
    expect(await creditRow(database, again.creditId)).toMatchObject({
      transaction_scene: 'payment',
      description: null,
      transaction_no: expect.stringMatching(/^\d{15,19}$/),
    })
  })

  test('draws on several grants down to the last credit', async () => {
    const { database, step, balance } = await withTask(kind)
    const { creditId } = await step({ credits: 90 })
    expect(await draws(database, creditId)).toEqual([
      ['a', 50],
      ['b', 40],
    ])
    expect(await balance()).toBe(0)
  })

  test('returns undefined and writes nothing for a task that does not exist', async () => {
    const { database } = await withTask(kind)
    const charge = database.credits[`charge${kind}`]
    for (const args of [[{ credits: 5 }], [{ credits: 5000 }], [{ credits: 0 }, {}, { ifStatus: 'x' }]]) {
      expect(await writingNothing(database, () => charge('no task', ...args))).toBeUndefined()
    }
    const other = Object.entries(KINDS).find(([name]) => name !== kind)[1]
    await other.create(database.credits, 'only there', 0)
    const call = () => charge('only there', { credits: 5 })
    expect(await writingNothing(database, call)).toBeUndefined()
  })

  test('changes nothing if the balance is too small, not even the fields of the patch', async () => {
    const { database, step } = await withTask(kind)
    for (const credits of [91, 2_147_483_647]) {
      const call = () => step({ credits }, { status: 'processing', [text]: 'B' })
      const error = await refusal(database, call)
      expect(error).toMatchObject({
        code: 'INSUFFICIENT_CREDITS',
        required: credits,
        available: 90,
        retryable: false,
      })
    }
  })

  test('changes nothing if the transactionNo is taken', async () => {
    const { database, step } = await withTask(kind)
    await step({ credits: 5, transactionNo: 'mine' })
    for (const transactionNo of ['mine', '71']) {
      const error = await refusal(database, () => step({ credits: 5, transactionNo }, { status: 'x' }))
      expect(error).toMatchObject({ code: 'CREDIT_EXISTS', field: 'transactionNo', value: transactionNo })
    }
  })

  test.each(REFUSALS)("writes nothing if the app's trigger refuses the charge by RAISE %s", async (how) => {
    const { database, step } = await withTask(kind)
    await refuseRows(database, {
      table: 'credit',
      condition: 'NEW.credits = -7',
      message: 'no sevens',
      refusal: how,
    })
    const error = await refusal(database, () => step({ credits: 7 }, { status: 'processing' }))
    expect(error.code).toBe('DATABASE_ERROR')
    expect(error.message).toContain('no sevens')
    expect(await step({ credits: 5 }, { status: 'processing' })).toMatchObject({ status: 'processing' })
  })

  except('mysql').test("writes nothing if the app's trigger drops the charge silently", async () => {
    const { database, step } = await withTask(kind)
    await dropRows(database, 'credit', 'NEW.credits = -7')
    const error = await refusal(database, () => step({ credits: 7 }, { status: 'processing' }))
    expect(['DATABASE_ERROR', 'INTERNAL']).toContain(error.code)
  })

  describe('before a failure', () => {
    test('has only the step refunded', async () => {
      const { database, step, update, charge, balance } = await withTask(kind)
      const { creditId } = await step({ credits: 5 }, { status: 'processing' })
      const failed = await update(FAIL)
      expect(failed).toMatchObject({ creditId, refund: { credits: 5, spendable: 5, skipped: [] } })
      expect(await creditRow(database, creditId)).toMatchObject({ status: 'deleted' })
      expect(await creditRow(database, charge)).toMatchObject({ status: 'active' })
      expect(await balance()).toBe(90)
      expect((await update(FAIL)).refund).toEqual(NOTHING)
    })

    test('has the last of several steps refunded to the grants that it drew on', async () => {
      const { database, step, update } = await withTask(kind)
      for (const credits of [20, 20, 25]) await step({ credits })
      expect(await remaining(database)).toEqual({ a: 0, b: 25 })
      expect((await update(FAIL)).refund.credits).toBe(25)
      expect(await remaining(database)).toEqual({ a: 10, b: 40 })
    })

    test.each([
      ['was charged', 10],
      ['was free', 0],
    ])('of a task whose last step was free, and whose creation %s, refunds nothing', async (_, cost) => {
      const { step, update, balance } = await withTask(kind, cost)
      expect(await step({ credits: 0 }, { status: 'processing' })).toMatchObject({ creditId: null })
      expect(await update(FAIL)).toMatchObject({ creditId: null, refund: NOTHING })
      expect(await balance()).toBe(100 - cost)
    })

    test('can revive the failed task with a new step, which can fail again', async () => {
      const { step, update, balance } = await withTask(kind)
      for (let time = 0; time < 3; time++) {
        expect((await update(FAIL)).status).toBe('failed')
        const again = await step({ credits: 8 }, { status: 'processing' })
        expect(again).toMatchObject({ status: 'processing', creditId: expect.any(String) })
        expect(await balance()).toBe(92)
      }
      expect((await update(FAIL)).refund.credits).toBe(8)
      expect(await balance()).toBe(100)
    })
  })

  test('charges a failed task only with a new status', async () => {
    const { database, step, update } = await withTask(kind)
    await update(FAIL)
    for (const patch of [undefined, {}, { [text]: 'B' }, { status: undefined }]) {
      const error = await refusal(database, () => step({ credits: 5 }, patch))
      expect(error.code).toBe('READ_ONLY_FIELD')
    }
    expect(await step({ credits: 5 }, { status: 'pending' })).toMatchObject({ status: 'pending' })
  })

  test('writes no charge for a free step with any other parameters', async () => {
    const { database, step, balance, charges } = await withTask(kind)
    const before = await charges()
    const chosen = { description: 'free', metadata: { type: `${type}-free` }, transactionNo: '71' }
    const row = await step({ credits: 0, ...chosen }, { [text]: 'B' })
    expect(row).toMatchObject({ creditId: null, [text]: 'B' })
    expect(await balance()).toBe(90)
    expect(await charges()).toEqual(before)
    const [stored] = await database.sql(`SELECT credit_id FROM ${table}`)
    expect(stored).toEqual({ credit_id: null })
  })
})
