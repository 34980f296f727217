'use strict'

const fs = require('node:fs')
const { cli, cliOn } = require('../helpers/cli')
const { TestDatabase } = require('../helpers/database')
const { byStorage, sqlite } = require('../helpers/storage')

const placeOf = (database) =>
  byStorage({
    sqlite: () => fs.realpathSync(database.file),
    libsql: () => new URL(database.url).host,
    postgres: () => `${database.store.name}, schema public,`,
    mysql: () => `database ${database.store.name}`,
  })()

const namesIn = ({ tables }) => tables.map(({ name }) => name).sort()

describe('init', () => {
  test('makes the tables, and reports the database', async () => {
    const database = await TestDatabase.none()
    const { code, out } = await cli(['init', database.url])
    expect({ code, out }).toEqual({
      code: 0,
      out: `${placeOf(database)} has the tables user, credit, media_tasks and ai_task.`,
    })
    const { json } = await cliOn(database, 'init', '--json')
    expect(namesIn(json)).toEqual(['ai_task', 'credit', 'media_tasks', 'user'])
    expect((await cliOn(database, 'doctor')).code).toBe(0)
  })

  test.each([
    [['user,credit'], 'user and credit'],
    [['user,credit,ai_task'], 'user, credit and ai_task'],
    [['ai_task'], 'user, credit and ai_task'],
    [['media_tasks', 'user', 'user'], 'user, credit and media_tasks'],
  ])('makes the tables that are asked for: --tables %j', async (lists, there) => {
    const database = await TestDatabase.none()
    const args = lists.flatMap((list) => ['--tables', list])
    const { code, out } = await cliOn(database, 'init', ...args)
    expect({ code, out }).toEqual({ code: 0, out: `${placeOf(database)} has the tables ${there}.` })
    expect((await cliOn(database, 'doctor')).code).toBe(0)
  })

  test('does not change existing tables, and names them with the new ones', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 7)
    await database.sql('DROP TABLE ai_task')
    const { json } = await cliOn(database, 'init', '--tables', 'credit', '--json')
    expect(namesIn(json)).toEqual(['credit', 'media_tasks', 'user'])
    const { out } = await cliOn(database, 'init', '--tables', 'ai_task')
    expect(out).toMatch(/ has the tables user, credit, media_tasks and ai_task\.$/)
    expect(await database.credits.getRemainingCredits('u')).toBe(7)
  })

  sqlite.test.each(['', 'users', 'user,', ',user', 'user, credit', 'USER', 'user;credit', 'constructor'])(
    'refuses another name: --tables %j',
    async (list) => {
      const file = `${(await TestDatabase.none()).file}-none`
      const { code, out, errors } = await cli(['init', file, '--tables', list])
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(errors).toMatch(/^media-credits: .*Expected a list of user, credit, media_tasks and ai_task/)
      expect(fs.existsSync(file)).toBe(false)
    },
  )
})
