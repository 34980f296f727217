'use strict'

/** How a block of each language is run. A block in another language fails, unless it is marked as shown only. */

const fs = require('node:fs')
const path = require('node:path')
const { ROOT, together } = require('./blocks')
const { failureAt, runModule } = require('./run')
const { commandsIn, isRun, problemWith, runCommand } = require('./shell')
const { STORAGE } = require('../helpers/storage')

/** TypeScript or JavaScript, as one module with the code before and after it. */
async function runCode({ page, ...block }, app) {
  await runModule(page, sourceOf(block), app.scope, app.require)
  // The columns of a Drizzle schema in the docs are those of the app's tables.
  for (const [table, columns] of app.declared) {
    await app.database.sql(`SELECT ${columns.join(', ')} FROM ${table}`)
  }
}

/** Runs each of `parts` (`{ line, text }`); a failure points at its line. */
async function runParts({ page, first, then }, app, parts, run) {
  await runModule(page, first, app.scope, app.require)
  for (const { line, text } of parts) {
    await run(text).catch((error) => {
      throw failureAt(page, line, error)
    })
  }
  await runModule(page, then, app.scope, app.require)
}

const runSql = (block, app) => runParts(block, app, statementsIn(block.code), (sql) => app.database.sql(sql))

/** Statements end with a semicolon at the end of a line. */
function statementsIn(code) {
  let before = ''
  return code.split(/(?<=;)[ \t]*$/m).flatMap((text) => {
    const lines = (before + text.match(/^\s*/)[0]).split('\n')
    before += text
    return text.trim() === '' ? [] : [{ line: lines.length, text }]
  })
}

/** Checks each command, and runs those that can run. */
function runShell(block, app) {
  return runParts(block, app, commandsIn(block.code), async (command) => {
    const problem = problemWith(command, block.page)
    if (problem) throw new Error(`${command}: ${problem}`)
    // A server in an example does not exist, and on PostgreSQL its file does not either.
    const elsewhere = STORAGE === 'sqlite' ? /postgres:/ : /postgres:|file:/
    if (isRun(command) && !elsewhere.test(command)) await runCommand(command, await app.openFolder())
  })
}

async function runJson({ page, line, code }) {
  try {
    JSON.parse(code)
  } catch (error) {
    throw failureAt(page, line, error)
  }
}

/** A state diagram has exactly the statuses of a media task. */
async function runMermaid({ page, line, code }) {
  try {
    const [head, ...lines] = code.trim().split('\n')
    expect(head).toBe('stateDiagram-v2')
    const states = lines.flatMap((text) => /^ *(\S+) --> (\S+)( : [^:;]+)?$/.exec(text).slice(1, 3))
    expect([...new Set(states)].sort()).toEqual(['[*]', ...statusesOfMediaTasks()].sort())
  } catch (error) {
    throw failureAt(page, line, error)
  }
}

function statusesOfMediaTasks() {
  const types = fs.readFileSync(path.join(ROOT, 'types/words.d.ts'), 'utf8')
  const [, union] = types.match(/type MediaTaskStatus =(.*?)\n(\n|$)/s)
  return Array.from(union.matchAll(/'(\w+)'/g), ([, status]) => status)
}

const languages = { js: runCode, json: runJson, mermaid: runMermaid, sh: runShell, sql: runSql, ts: runCode }

/** The TypeScript of a block, with the code around it. */
function sourceOf({ language, first, code, then }) {
  return together(first, ['ts', 'js'].includes(language) ? code : '', then)
}

module.exports = { languages, sourceOf }
