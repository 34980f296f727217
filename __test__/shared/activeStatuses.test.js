'use strict'

const { connect } = require('../..')
const { TestDatabase, refusal, task } = require('../helpers/database')
const { staysSound } = require('../helpers/calls')

TestDatabase.reuse()

const STATUSES = [
  'pending',
  'downloading',
  'processing',
  'extracted',
  'translating',
  'completed',
  'failed',
  'queued',
  'Processing',
]
const APPS = ['processing', 'translating']

/** User `u` has a task in each status, named after it, and user `of <status>` has one in that status only. */
async function withTasks(options) {
  const database = await TestDatabase.fresh(options)
  await database.user('u', 10)
  for (const status of STATUSES) {
    await database.user(`of ${status}`)
    await database.credits.createMediaTask(task(status, 'u', { status }), 0)
    await database.credits.createMediaTask(task(`of ${status}`, `of ${status}`, { status }), 0)
  }
  return database
}

/** The statuses whose tasks both functions count as active. */
async function active({ getActiveMediaTasks, hasActiveMediaTask }) {
  const listed = (await getActiveMediaTasks('u')).map(({ status }) => status)
  const has = await Promise.all(STATUSES.map((status) => hasActiveMediaTask(`of ${status}`)))
  expect(listed.sort()).toEqual(STATUSES.filter((_, at) => has[at]).sort())
  return listed
}

staysSound()

describe('activeStatuses', () => {
  test.each([
    ['counts the statuses of the app by default', undefined, APPS],
    ['counts the statuses of the app if it is undefined', { activeStatuses: undefined }, APPS],
    ['can be a list of one status', { activeStatuses: ['pending'] }, ['pending']],
    ['can be one status without a list', { activeStatuses: 'pending' }, ['pending']],
    [
      'can be all statuses of unfinished tasks',
      { activeStatuses: STATUSES.slice(0, 3) },
      STATUSES.slice(0, 3),
    ],
    ['can be statuses of a fork', { activeStatuses: ['queued', 'nothing has this'] }, ['queued']],
    [
      'can be statuses of finished tasks',
      { activeStatuses: ['completed', 'failed'] },
      ['completed', 'failed'],
    ],
    ['can name a status twice', { activeStatuses: ['queued', 'queued'] }, ['queued']],
    ['compares upper and lower case', { activeStatuses: ['Processing'] }, ['Processing']],
    [
      'can be a long list',
      { activeStatuses: [...Array(500).keys()].map(String).concat('queued') },
      ['queued'],
    ],
    ['can be a frozen list', { activeStatuses: Object.freeze(['queued']) }, ['queued']],
    ['is never read as SQL', { activeStatuses: ["x') OR ('1'='1", '%'] }, []],
  ])('%s', async (_, options, expected) => {
    const database = await withTasks(options)
    expect(await active(database.credits)).toEqual([...expected].sort())
  })

  test.each([
    ['null', null],
    ['an empty list', []],
    ['empty text', ''],
    ['an empty text in a list', ['pending', '']],
    ['a number', 5],
    ['a number in a list', ['pending', 5]],
    ['null in a list', [null]],
    ['a list in a list', [['pending']]],
    ['an object', { pending: true }],
    ['true', true],
    ['text with NUL', 'pending\0'],
    ['a text with NUL in a list', ['pending\0']],
    ['a Set', new Set(['pending'])],
    ['a function', () => ['pending']],
    ['a symbol', Symbol('pending')],
    ['a Date', new Date()],
  ])('is not %s', (_, activeStatuses) => {
    const call = () => connect({ url: 'file:/nowhere/at/all.db', activeStatuses })
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'activeStatuses' }))
    expect(call).toThrow('a status, or a list of at least one')
  })

  test('can differ for each connection', async () => {
    const database = await withTasks()
    const other = connect({ url: database.url, activeStatuses: ['pending', 'downloading'] })
    const [own, others] = await Promise.all([active(database.credits), active(other)])
    await other.close()
    expect([own, others]).toEqual([APPS, ['downloading', 'pending']])
  })

  test('changes neither the tasks that maxActive counts nor the stuck ones', async () => {
    const database = await withTasks({ activeStatuses: ['completed'] })
    const { createMediaTask, findStuckMediaTasks, failStuckMediaTasks } = database.credits
    const call = () => createMediaTask(task('new', 'u'), 1, { maxActive: 4 })
    expect(await refusal(database, call)).toMatchObject({ code: 'TOO_MANY_ACTIVE_TASKS', active: 4 })
    await createMediaTask(task('new', 'u'), 1, { maxActive: 5 })
    await database.sql('UPDATE media_tasks SET updated_at = ?', new Date(Date.now() - 3_600_000))
    const found = await findStuckMediaTasks({ olderThanMs: 60_000 })
    const atRisk = ['pending', 'downloading', 'processing', 'translating']
    expect([...new Set(found.map(({ status }) => status))].sort()).toEqual([...atRisk].sort())
    expect((await failStuckMediaTasks({ olderThanMs: 60_000 })).tasks).toHaveLength(9)
  })

  test('leaves deleted tasks out', async () => {
    const database = await withTasks({ activeStatuses: ['queued'] })
    await database.sql("UPDATE media_tasks SET deleted_at = ? WHERE status = 'queued'", new Date())
    expect(await active(database.credits)).toEqual([])
  })
})
