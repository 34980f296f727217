'use strict'

const { together } = require('../helpers/calls')
const { TestDatabase, task } = require('../helpers/database')

const TASKS = 100
const LONG = 500_000
/** The number of concurrent reads, which are repeated. */
const AT_ONCE = 8
/** Enough to take long on each machine: a call beside them has one or two short reads. */
const PAGES = 80

/** User `u` has many tasks, every tenth with a long text, and `v` has 7 credits. */
async function longTexts() {
  const database = await TestDatabase.fresh()
  await database.user('u')
  await database.user('v', 7)
  const tasks = Array.from({ length: TASKS }, (_, at) => {
    const title = at % 10 ? 'short' : String(at % 7).repeat(LONG)
    return { task: task(`t${String(at).padStart(3, '0')}`, 'u', { title }), costCredits: 0 }
  })
  const made = await database.credits.createMediaTasks(tasks)
  expect(made.every(({ status }) => status === 'fulfilled')).toBe(true)
  return database
}

describe('beside one user’s pages of long texts', () => {
  const opened = together(longTexts)

  const readers = {
    'a balance': ({ getRemainingCredits }) => getRemainingCredits('v'),
    'a task': ({ findMediaTaskById }) => findMediaTaskById('t001'),
    "another user's list": ({ getCredits }) => getCredits({ userId: 'v' }),
    "another user's statement": ({ getStatement }) => getStatement('v'),
    'a charge': ({ consumeCredits }) => consumeCredits({ userId: 'v', credits: 1 }),
  }
  test.each(Object.entries(readers))('%s is read before the last of them', async (_, ask) => {
    const { credits } = opened()
    let left = PAGES
    let isAnswered = false
    const askForPages = async () => {
      while (left-- > 0 && !isAnswered) await credits.getMediaTaskHistory('u', 1, TASKS)
    }
    const pages = Array.from({ length: AT_ONCE }, askForPages)
    // Sent after the first of them.
    const asked = ask(credits).then(() => (isAnswered = true))
    await Promise.all([...pages, asked])
    expect(left).toBeGreaterThan(0)
  })

  test('close() waits for the earlier calls', async () => {
    const database = await longTexts()
    const pages = Array.from({ length: 3 }, () => database.credits.getMediaTaskHistory('u', 1, TASKS))
    const balance = database.credits.getRemainingCredits('v')
    await database.credits.close()
    expect(await balance).toBe(7)
    for (const { list } of await Promise.all(pages)) expect(list).toHaveLength(TASKS)
  })
})

describe('a page of long texts', () => {
  const opened = together(longTexts)

  test('has its rows unchanged and in order', async () => {
    const { credits } = opened()
    const { list, total } = await credits.getMediaTaskHistory('u', 1, TASKS)
    const expected = await Promise.all(list.map(({ id }) => credits.findMediaTaskById(id)))
    expect(total).toBe(TASKS)
    expect(list.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    const times = list.map(({ createdAt }) => createdAt.getTime())
    expect(times).toEqual(times.toSorted((a, b) => b - a))
    for (const [at, { title }] of list.entries()) expect(title === expected[at].title).toBe(true)
  })

  test('does not make a read after a write return older rows', async () => {
    const { credits } = opened()
    const pages = Array.from({ length: 4 }, () => credits.getMediaTaskHistory('u', 1, TASKS))
    for (let left = 7; left > 0; left--) {
      expect(await credits.getRemainingCredits('v')).toBe(left)
      await credits.consumeCredits({ userId: 'v', credits: 1 })
    }
    await Promise.all(pages)
  })
})
