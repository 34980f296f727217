'use strict'

const { TestDatabase, refusal, task } = require('../helpers/database')
const { together, unchanging } = require('../helpers/calls')
const { byStorage } = require('../helpers/storage')

TestDatabase.reuse()

/** User `u` has task `t`, which cost 10 of 50 credits; user `v` has a charge of 10. */
async function open() {
  const database = await TestDatabase.fresh()
  await database.user('u', { id: 'grant of u', credits: 50 })
  await database.user('v', 50)
  const { creditId } = await database.credits.createMediaTask(task('t', 'u', { title: 'A' }), 10)
  const { id } = await database.credits.consumeCredits({ userId: 'v', credits: 10 })
  return { database, update: database.credits.updateMediaTaskById, ownCharge: creditId, foreignCharge: id }
}

describe('updateMediaTaskById refuses', () => {
  const withTask = unchanging(open)

  test.each([
    ['another id', { id: 'other' }, 'id'],
    ['the same id', { id: 't' }, 'id'],
    ['null as id', { id: null }, 'id'],
    ['another user', { userId: 'v' }, 'userId'],
    ['the same user', { userId: 'u' }, 'userId'],
  ])('a patch with %s', async (_, patch, field) => {
    const { database, update } = withTask()
    const error = await refusal(database, () => update('t', { status: 'failed', ...patch }))
    expect(error).toMatchObject({ code: 'READ_ONLY_FIELD', field })
  })

  test.each(['titel', 'video_url', '', '__proto__', 'constructor'])(
    'a patch with the unknown key %p',
    async (field) => {
      const { database, update } = withTask()
      for (const id of ['t', 'no task']) {
        const error = await refusal(database, () => update(id, { status: 'failed', [field]: 'x' }))
        expect(error).toMatchObject({ code: 'UNKNOWN_FIELD', field, table: 'media_tasks' })
      }
    },
  )

  test.each([
    ['a fraction as progress', { progress: 0.5 }, 'INVALID_VALUE'],
    ['Infinity as progress', { progress: Infinity }, 'INVALID_VALUE'],
    ['null as progress, which needs a value', { progress: null }, 'INVALID_VALUE'],
    ['null as videoUrl, which needs a value', { videoUrl: null }, 'INVALID_VALUE'],
    ['a Date as status', { status: new Date(0) }, 'INVALID_VALUE'],
    ['null as status', { status: null }, 'INVALID_VALUE'],
    // In a failing patch NUL is replaced: jsonValues.test.js.
    ['NUL in the title', { title: '\0', status: 'processing' }, 'INVALID_VALUE'],
    ['text as isFreeTrial', { isFreeTrial: 'TRUE' }, 'INVALID_VALUE'],
    ['text as publishedAt', { publishedAt: '2026-11-22' }, 'INVALID_DATE'],
    ['an invalid Date as publishedAt', { publishedAt: new Date(NaN) }, 'INVALID_DATE'],
    ['a number as deletedAt', { deletedAt: 1_795_380_509_258 }, 'INVALID_DATE'],
    ['empty text as creditId', { creditId: '' }, 'INVALID_ID'],
    ['a number as creditId', { creditId: 5 }, 'INVALID_ID'],
    ['a function as title', { title: () => 'x' }, 'INVALID_VALUE'],
  ])('a patch with %s', async (_, invalid, code) => {
    const { database, update } = withTask()
    const error = await refusal(database, () => update('t', { status: 'failed', ...invalid }))
    // The error names the key that was passed.
    expect(error).toMatchObject({ code, field: Object.keys(invalid)[0] })
  })

  test.each(['failed', 'translating', undefined])(
    "a creditId that is not a charge of the task's user, with status %p",
    async (status) => {
      const { database, update, foreignCharge } = withTask()
      for (const [creditId, code] of [
        ['nothing', 'CHARGE_NOT_FOUND'],
        ['grant of u', 'CHARGE_NOT_FOUND'],
        [foreignCharge, 'CHARGE_OWNER_MISMATCH'],
      ]) {
        const error = await refusal(database, () => update('t', { status, creditId }))
        expect(error).toMatchObject({ code, creditId })
      }
    },
  )
})

test("updateMediaTaskById refuses to refund another user's charge that the task itself names", async () => {
  const { database, update, foreignCharge } = await open()
  await database.sql('UPDATE media_tasks SET credit_id = ?', foreignCharge)
  const error = await refusal(database, () => update('t', { status: 'failed' }))
  expect(error).toMatchObject({ code: 'CHARGE_OWNER_MISMATCH', creditId: foreignCharge })
})

describe('updateMediaTaskById refuses to refund a charge whose consumed_detail is', () => {
  const opened = together(async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', { id: 'grant of u', credits: 1000 })
    return database
  })
  let tasks = 0

  const item = (credits) => `'[{"creditId":"grant of u","creditsConsumed":${credits}}]'`

  test.each([
    ['NULL', 'NULL'],
    ['empty', "''"],
    ['no JSON', "'junk'"],
    ['a half of JSON', `'[{"creditId":"grant of u","credits'`],
    ['an object', "'{}'"],
    ['null', "'null'"],
    ['a number', "'10'"],
    ['JSON within JSON', `'"[]"'`],
    ['a list of numbers', "'[10]'"],
    ['without a grant', `'[{"creditsConsumed":10}]'`],
    ['without an amount', `'[{"creditId":"grant of u"}]'`],
    ['with a grant that is null', `'[{"creditId":null,"creditsConsumed":10}]'`],
    ['with a negative draw', item(-10)],
    ['with a fraction', item(1.5)],
    ['of text', item('"10"')],
    ['of null', item('null')],
    ['with more than the largest amount', item(2_147_483_648)],
    ['with an amount of 1e300', item('1e300')],
    ...byStorage({
      sqlite: [
        ['bytes', "x'ff'"],
        ['text that is not UTF-8', "CAST(x'5bff5d' AS text)"],
      ],
      // Text is passed as JSON, which is UTF-8.
      libsql: [['bytes', "x'ff'"]],
      postgres: [],
    }),
  ])('%s', async (_, detail) => {
    const database = opened()
    const { createMediaTask, updateMediaTaskById } = database.credits
    const id = `t${tasks++}`
    const { creditId: ownCharge } = await createMediaTask(task(id, 'u'), 10)
    await database.sql(`UPDATE credit SET consumed_detail = ${detail} WHERE id = ?`, ownCharge)
    // Not everything(): SQLite's other process can't read each of these.
    const raw = byStorage({ sqlite: 'hex(consumed_detail)', postgres: 'consumed_detail' })
    const rows = () =>
      database.sql(`SELECT id, status, remaining_credits, credit.updated_at, ${raw} AS detail
                    FROM credit UNION ALL SELECT id, status, progress, updated_at, title FROM media_tasks`)
    const before = await rows()
    const failing = updateMediaTaskById(id, { status: 'failed', title: 'B' })
    await expect(failing).rejects.toMatchObject({ code: 'CHARGE_CORRUPT', creditId: ownCharge })
    expect(await rows()).toEqual(before)
  })

  test('unreadable, until the charge is detached as the message says', async () => {
    const { database, update, ownCharge } = await open()
    await database.sql("UPDATE credit SET consumed_detail = 'junk' WHERE id = ?", ownCharge)
    const error = await refusal(database, () => update('t', { status: 'failed' }))
    expect(error.message).toContain('updateMediaTaskById(id, { creditId: null })')
    await update('t', { creditId: null })
    const failed = await update('t', { status: 'failed' })
    expect(failed).toMatchObject({ status: 'failed', creditId: null, refund: { credits: 0 } })
  })
})
