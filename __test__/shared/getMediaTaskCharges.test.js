'use strict'

const { connect } = require('../..')
const { appCharge } = require('../helpers/app')
const { TestDatabase, task } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')
const { KINDS, withTask } = require('../helpers/kinds')
const { aiTask } = require('../helpers/keyed')
const { sqlite } = require('../helpers/storage')

TestDatabase.reuse()

/** The credits and status of charges, in their order. */
const taken = (charges) => charges.map(({ credits, status }) => [-credits, status])

describe.each(Object.entries(KINDS))('get%sCharges', (kind, { create, type }) => {
  staysSound()

  const OTHER = kind === 'AITask' ? 'media-task' : 'ai-task'

  test('lists the creation and every step, oldest first, as rows of credit', async () => {
    const { database, step, charges, charge } = await withTask(kind)
    const ids = [charge]
    for (const credits of [5, 1, 9, 2, 7]) ids.push((await step({ credits })).creditId)
    const listed = await charges()
    expect(listed.map(({ id }) => id)).toEqual(ids)
    expect(taken(listed).map(([credits]) => credits)).toEqual([10, 5, 1, 9, 2, 7])
    const rows = await database.credits.getCredits({ userId: 'u', transactionType: 'consume' })
    expect(listed).toEqual(ids.map((id) => rows.find((row) => row.id === id)))
    expect(Object.getPrototypeOf(listed[0])).toBe(Object.prototype)
  })

  test('lists refunded and settled charges as they are now', async () => {
    const { step, charges, update, settle } = await withTask(kind)
    await update({ status: 'failed' })
    await step({ credits: 5 }, { status: 'processing' })
    await settle(2)
    await step({ credits: 9 })
    await settle(0)
    await step({ credits: 0 })
    await step({ credits: 3 })
    expect(taken(await charges())).toEqual([
      [10, 'deleted'],
      [2, 'active'],
      [9, 'deleted'],
      [3, 'active'],
    ])
  })

  test("lists charges of the app's own models: a charge that names the task, and then its creditId", async () => {
    const { database, charges, update, charge } = await withTask(kind)
    const metadata = { type: `${type}-translation`, taskId: 't', targetLanguage: 'fr' }
    const translation = await database.credits.consumeCredits({ userId: 'u', credits: 5, metadata })
    expect((await charges()).map(({ id }) => id)).toEqual([charge, translation.id])
    await update({ creditId: translation.id })
    expect((await charges()).map(({ id }) => id)).toEqual([charge, translation.id])
    await update({ status: 'failed' })
    expect(taken(await charges())).toEqual([
      [10, 'active'],
      [5, 'deleted'],
    ])
  })

  test("lists charges of the app's own client", async () => {
    const { database, charges, charge } = await withTask(kind)
    const id = await appCharge(database, 'u', 5, JSON.stringify({ type: `${type}-translation`, taskId: 't' }))
    expect((await charges()).map((row) => row.id)).toEqual([charge, id])
  })

  test('lists the charge that the task names, whatever its metadata says', async () => {
    const { database, charges, update, charge } = await withTask(kind)
    for (const metadata of [undefined, 'plain text', '[1]', '{"taskId":"other"}', { taskId: 't' }]) {
      const { id } = await database.credits.consumeCredits({ userId: 'u', credits: 1, metadata })
      expect((await charges()).map((row) => row.id)).toEqual([charge])
      await update({ creditId: id })
      expect((await charges()).map((row) => row.id)).toEqual([charge, id])
      await update({ creditId: charge })
    }
  })

  test('lists no charge that only seems to belong to the task', async () => {
    const { database, charges, charge } = await withTask(kind)
    await database.user('v', 50)
    const { consumeCredits, createCredit } = database.credits
    const ours = { type: `${type}-step`, taskId: 't' }
    for (const metadata of [
      { type: `${type}-step`, taskId: 'other' },
      { type: `${type}-step`, taskId: ['t'] },
      { type: `${type}-step`, taskId: { taskId: 't' } },
      { type: `${type}-step`, nested: ours },
      { type: `${type}-step`, taskid: 't' },
      { type: `my-${type}`, taskId: 't' },
      { type: `${OTHER}-step`, taskId: 't' },
      { taskId: 't' },
      JSON.stringify(JSON.stringify(ours)),
      JSON.stringify([ours]),
      't',
      `{"type":"${type}-step","taskId":"t"`,
    ]) {
      await consumeCredits({ userId: 'u', credits: 1, metadata })
    }
    await consumeCredits({ userId: 'v', credits: 1, metadata: ours })
    await createCredit({ userId: 'u', credits: 1, metadata: ours })
    expect((await charges()).map(({ id }) => id)).toEqual([charge])
  })

  test.each([
    ['a quote', `a"b'c`],
    ['a quote at its end', 'a"'],
    ['nothing but a quote', '"'],
    ['backslashes', 'a\\b\\\\"\\'],
    ['a backslash at its end', 'a\\'],
    ['wildcards', '50%_*?'],
    ['nothing but a wildcard', '%'],
    ['slashes and dots', '../a/b//.'],
    ['letters of many languages', 'éß漢字ไทย'],
    ['emoji', '👩‍👩‍👧😀'],
    ['what looks like another letter', 'e\u0301'],
    ['a soft hyphen', 'a\u00adb'],
    ['line ends and control characters', 'a\n\r\t\u0001\u007f\u2028b'],
    ['what looks like an escape', '\\u0041\\n'],
    ['what looks like JSON', '{"taskId":"t"}'],
    ['what looks like SQL', "'; DELETE FROM credit; --"],
    ['spaces', ' a '],
    ['255 characters', 'x'.repeat(255)],
  ])('knows an id with %s from others like it', async (_, id) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    const { credits } = database
    const letters = [...id]
    const parts = [letters.slice(1), letters.slice(0, -1)].map((some) => some.join(''))
    const likes = [...parts, `${id}x`, `x${id}`, id.toUpperCase(), id.normalize('NFC')]
    const moreLikes = [
      JSON.stringify(id),
      id.replace(/[\\"]/g, ''),
      id.replace(/[%_*?]/g, 'x'),
      'A',
      't',
      'aa',
    ]
    const others = new Set([...likes, ...moreLikes].filter((other) => other && other.length < 256))
    others.delete(id)
    const expected = new Map()
    for (const [at, one] of [id, ...others].entries()) {
      const { creditId } = await create(credits, one, at + 1)
      const step = await credits[`charge${kind}`](one, { credits: 1, description: id })
      const metadata = { type: `${type}-translation`, taskId: one, title: id }
      const { id: third } = await credits.consumeCredits({ userId: 'u', credits: 1, metadata })
      expected.set(one, [creditId, step.creditId, third])
    }
    for (const [one, ids] of expected) {
      const listed = await credits[`get${kind}Charges`](one)
      expect(listed.map((row) => row.id)).toEqual(ids)
    }
  })

  test('lists nothing for a free task, and for a task that does not exist', async () => {
    const { charges } = await withTask(kind, 0)
    expect(await charges()).toEqual([])
    expect(await charges('no task')).toEqual([])
  })
})

describe('charges', () => {
  staysSound()

  test('of a media task and an AI task with the same id are listed separately', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 100)
    const { createMediaTask, createAITask, chargeMediaTask, chargeAITask, ...credits } = database.credits
    await createMediaTask(task('t', 'u'), 1)
    await createAITask(aiTask('t', 'u', { costCredits: 2 }))
    await chargeMediaTask('t', { credits: 3 })
    await chargeAITask('t', { credits: 4 })
    expect(taken(await credits.getMediaTaskCharges('t')).map(([cost]) => cost)).toEqual([1, 3])
    expect(taken(await credits.getAITaskCharges('t')).map(([cost]) => cost)).toEqual([2, 4])
  })

  sqlite.test('of one second are listed oldest first if times are seconds', async () => {
    const database = await TestDatabase.fresh({ timestampUnit: 's' })
    await database.user('u', 100)
    const credits = connect({ url: database.url, timestampUnit: 's' })
    const ids = [(await credits.createMediaTask(task('t', 'u'), 1)).creditId]
    for (let at = 0; at < 20; at++) ids.push((await credits.chargeMediaTask('t', { credits: 1 })).creditId)
    expect((await credits.getMediaTaskCharges('t')).map(({ id }) => id)).toEqual(ids)
    await credits.close()
  })
})

test('getMediaTaskCharges lists both charges of each translated task of a real app', async () => {
  const database = await TestDatabase.fixture()
  const { credit, media_tasks: tasks } = await database.everything()
  const expected = new Map(tasks.map(({ id }) => [id, []]))
  const oldestFirst = credit.sort((one, other) => one.created_at - other.created_at)
  for (const row of oldestFirst.filter(({ transaction_type: type }) => type === 'consume')) {
    expected.get(JSON.parse(row.metadata).taskId).push(row.id)
  }
  expect([...expected.values()].filter((ids) => ids.length === 2).length).toBeGreaterThan(5)
  for (const [id, ids] of expected) {
    const charges = await database.credits.getMediaTaskCharges(id)
    expect(charges.map((charge) => charge.id)).toEqual(ids)
  }
})
