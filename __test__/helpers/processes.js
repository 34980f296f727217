'use strict'

const { spawn } = require('node:child_process')
const path = require('node:path')
const readline = require('node:readline')

/** Runs a script of this folder in a separate process; its lines are passed to `onLine`. */
function start(script, args, onLine = () => {}, options = {}) {
  const child = spawn(process.execPath, [path.join(__dirname, script), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  })
  const lines = []
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    onLine(line, child)
  })
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, lines }))
  })
  return { child, ended }
}

/** Runs JavaScript in a separate process, with this package as `credits`. */
function evaluate(source, env = {}) {
  const script = `const credits = require(${JSON.stringify(path.join(__dirname, '../..'))});${source}`
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => (out += chunk))
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, out: out.trim() })),
  )
}

/** The acknowledged calls of `submitter.js` that are not in the database: none may be missing. */
async function missing(database, lines) {
  const rows = await database.sql(
    'SELECT id, status, credit_id FROM media_tasks UNION ALL SELECT id, status, credit_id FROM ai_task',
  )
  const tasks = new Map(rows.map((row) => [row.id, row]))
  const credits = await database.sql('SELECT id, transaction_no, credits, status FROM credit')
  const charges = new Map(credits.map((row) => [row.id, row]))
  const numbers = new Map(credits.map((row) => [row.transaction_no, row]))
  return lines.filter((line) => {
    const [what, id] = line.split(' ')
    if (what === 'created') return !tasks.get(id)?.credit_id
    if (what === 'failed') return tasks.get(id)?.status !== 'failed'
    if (what === 'charged') return !['translating', 'failed'].includes(tasks.get(id)?.status)
    if (what === 'settled') return charges.get(tasks.get(id)?.credit_id)?.credits !== -2
    if (what === 'refunded') return numbers.get(id)?.status !== 'deleted'
    return true
  })
}

module.exports = { evaluate, missing, start }
