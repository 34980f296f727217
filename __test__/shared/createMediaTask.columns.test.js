'use strict'

const { randomUUID } = require('node:crypto')
const { TestDatabase, task } = require('../helpers/database')
const { violations } = require('../helpers/invariants')
const { byStorage } = require('../helpers/storage')

const SCRIPTS = [{ lang: 'fr', lines: ['Ça va ?', '"oui"'], at: 1.5, done: true, by: null }]

describe('createMediaTask does not change text:', () => {
  test.each([
    ['quotes', `'; DROP TABLE credit; -- "double" \`back\``],
    ['backslashes and line ends', 'a\\nb\\ \r\n\t\b\u2028'],
    ['emoji and other scripts', '🎬👩‍👩‍👧 日本語 العربية é'],
    ['text that looks like a tagged value', '{"$date":5}'],
    ['empty text', ''],
    ['1 MB', '"é🎬\\'.repeat(110_000)],
  ])('%s', async (_, text) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const row = await database.credits.createMediaTask(task('t', 'u', { title: text }), 10)
    expect(row.title).toBe(text)
    const [stored] = await database.sql('SELECT title FROM media_tasks')
    expect(stored.title).toBe(text)
  })

  test('half of a surrogate pair becomes U+FFFD', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const title = `${'🎬'.slice(0, 1)}a`
    const row = await database.credits.createMediaTask(task('t', 'u', { title }), 10)
    expect(row.title).toBe('\uFFFDa')
  })

  test("createMediaTask does not change an id, also in the charge's metadata", async () => {
    const id = `"quoted" 'id' 🎬 \\ ${'x'.repeat(230)}`
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const row = await database.credits.createMediaTask(task(id, 'u'), 10)
    expect(row.id).toBe(id)
    const [{ metadata }] = await database.sql('SELECT metadata FROM credit WHERE id = ?', row.creditId)
    expect(JSON.parse(metadata).taskId).toBe(id)
    expect(await violations(database)).toEqual([])
  })
})

describe("createMediaTask and an app's own column:", () => {
  test.each([
    ['an object', { a: 1, nested: SCRIPTS }],
    ['an array', SCRIPTS],
    ['text', 'plain "text"'],
    ['text that looks like a number', '12'],
    ['a number', 12.5],
    ['true', true],
    ['null', null],
    ['an object that looks like a tagged value', { $date: 5 }],
  ])('a json column takes and gives %s', async (_, rewrittenScripts) => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts json')
    const row = await database.credits.createMediaTask(task('t', 'u', { rewrittenScripts }), 10)
    expect(row.rewrittenScripts).toEqual(rewrittenScripts)
    expect(await database.credits.findMediaTaskById('t')).toEqual(row)
  })

  test('a json column takes a Date as JSON.stringify writes it', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts json')
    const rewrittenScripts = new Date(5000)
    const row = await database.credits.createMediaTask(task('t', 'u', { rewrittenScripts }), 10)
    expect(row.rewrittenScripts).toBe('1970-01-01T00:00:05.000Z')
  })

  test('a json column that existed before the database was opened is detected', async () => {
    const database = await TestDatabase.fixture()
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts json')
    await database.user('u', 50)
    const row = await database.credits.createMediaTask(task('t', 'u', { rewrittenScripts: SCRIPTS }), 10)
    expect(row.rewrittenScripts).toEqual(SCRIPTS)
  })

  test('a text column stores an object as JSON text and returns text', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts text')
    const row = await database.credits.createMediaTask(task('t', 'u', { rewrittenScripts: SCRIPTS }), 10)
    expect(row.rewrittenScripts).toBe(JSON.stringify(SCRIPTS))
  })

  test('a column that needs a value is named if it gets none', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 50)
    const timestamp = byStorage({ sqlite: 'integer', postgres: 'timestamp', mysql: 'datetime(3)' })
    const key = byStorage({ sqlite: 'text', postgres: 'text', mysql: 'varchar(191)' })
    await database.run(
      'DROP TABLE media_tasks',
      `CREATE TABLE media_tasks (id ${key} PRIMARY KEY, user_id text, status text NOT NULL, credit_id text,
         team_id text NOT NULL, created_at ${timestamp}, updated_at ${timestamp}, deleted_at ${timestamp})`,
    )
    const { createMediaTask } = database.credits
    const own = { id: 't', userId: 'u', status: 'pending' }
    await expect(createMediaTask(own, 10)).rejects.toMatchObject({ code: 'MISSING_FIELD', field: 'teamId' })
    expect(await createMediaTask({ ...own, teamId: 'team' }, 10)).toMatchObject({ teamId: 'team' })
    expect(await violations(database)).toEqual([])
  })

  test('adding and dropping a column while many tasks are created fails none of them', async () => {
    const database = await TestDatabase.fresh()
    await database.user('u', 1000)
    const submit = () => database.credits.createMediaTask(task(randomUUID(), 'u'), 10)
    const submits = Array.from({ length: 20 }, submit)
    await database.sql('ALTER TABLE media_tasks ADD COLUMN rewritten_scripts json')
    submits.push(...Array.from({ length: 20 }, submit))
    await database.sql('ALTER TABLE media_tasks DROP COLUMN rewritten_scripts')
    submits.push(...Array.from({ length: 20 }, submit))
    const rows = await Promise.all(submits)
    expect(rows.map((row) => 'rewrittenScripts' in row).slice(-20)).toEqual(Array(20).fill(false))
    expect(await database.credits.getRemainingCredits('u')).toBe(400)
    expect(await violations(database)).toEqual([])
  })
})
