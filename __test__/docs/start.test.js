'use strict'

/** `docs/start.md` from its first to its last step, in an empty folder, as its reader does it. */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { memoryFolder } = require('../../scripts/memory-folder')
const { cli } = require('../helpers/cli')
const { sqlite } = require('../helpers/storage')
const { ROOT, blocksOf } = require('./blocks')

const folder = fs.mkdtempSync(path.join(memoryFolder(), 'media-credits-start-'))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** The page's blocks of a language. */
const written = (language) =>
  blocksOf('docs/start.md')
    .filter((block) => block.language === language)
    .map(({ code }) => code.trim())

/** What the page's `npm install` makes. */
function install() {
  fs.mkdirSync(path.join(folder, 'node_modules'))
  fs.symlinkSync(ROOT, path.join(folder, 'node_modules/media-credits'))
  fs.symlinkSync(path.join(ROOT, 'node_modules/@libsql'), path.join(folder, 'node_modules/@libsql'))
}

/** Times and transaction numbers are others in each run. */
const withoutNumbers = (text) =>
  text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'a time').replace(/\d{15,19}/g, 'a number')

sqlite.test('a reader who starts from nothing gets what the page shows', async () => {
  const [settings] = written('ini')
  const [script] = written('js')
  const [printed, entries] = written('text')
  const [, init, run, statement] = written('sh')
  install()
  fs.writeFileSync(path.join(folder, '.env'), settings)
  fs.writeFileSync(path.join(folder, 'start.mjs'), script)
  const command = (line) => cli(line.split(' ').slice(2), { cwd: folder })

  expect((await command(init)).out).toContain('the tables user, credit, media_tasks and ai_task')
  const { DATABASE_URL, ...env } = process.env
  const [, ...args] = run.split(' ')
  expect(execFileSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' }).trim()).toBe(printed)
  expect(withoutNumbers((await command(statement)).out)).toBe(withoutNumbers(entries))
})
