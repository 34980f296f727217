'use strict'

/**
 * A test that this package is safe beside another copy of SQLite in the same process: both write
 * to one file, with more processes writing too; at the end each write that was acknowledged as
 * committed must be there, SQLite's integrity check must pass, and the invariants must hold.
 *
 * npm run torture                       every scenario, 10 s each, 3 rounds
 * npm run torture -- --seconds 2 --rounds 1
 * npm run torture -- --without-locking  the same without the fix: shows that it is needed
 * npm run torture -- --without-locking --expect-bad   fails if nothing goes wrong, for CI
 */

const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { connect } = require('../../..')

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'without-locking': { type: 'boolean', default: false },
    'expect-bad': { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
/** The longest time between the first commit of a process and its SIGKILL. */
const LONGEST_LIFE_MS = 400

if (values['expect-bad'] && !values['without-locking']) {
  throw new Error('--expect-bad belongs to --without-locking')
}

/**
 * The first process has two copies of SQLite; the others write as well. Those that are `killed` end by a
 * SIGKILL again and again, and start anew.
 */
function scenarios() {
  const all = []
  for (const client of ['libsql', 'better-sqlite3']) {
    for (const journal of ['wal', 'delete']) {
      for (const reopen of [false, true]) {
        const title = `addon and ${client} in one process, ${journal}${reopen ? ', opening and closing' : ''}`
        all.push({ title, journal, processes: [{ clients: ['addon', client], reopen }] })
      }
    }
    for (const journal of ['wal', 'delete']) {
      all.push({
        title: `addon and ${client} in one process, ${journal}, and in another that is killed again and again`,
        journal,
        processes: [
          { clients: ['addon', client], reopen: true },
          { clients: ['addon', client], reopen: true, killed: true },
        ],
      })
    }
    all.push({
      title: `addon and ${client} in one process, opening and closing, and in two more`,
      journal: 'wal',
      processes: [
        { clients: ['addon', client], reopen: true },
        { clients: ['addon', client], reopen: false },
        { clients: [client], reopen: true },
      ],
    })
  }
  return all.filter(({ title }) => title.includes(values.only))
}

async function prepare(folder, journal) {
  const file = path.join(folder, 'local.db')
  const credits = connect({ url: `file:${file}`, journalMode: journal === 'wal' ? 'wal' : 'keep' })
  await credits.createTables()
  await credits.close()
  const statements = [
    `PRAGMA journal_mode = ${journal}`,
    "INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@x'), ('counter', 'c', 'c@x')",
    'UPDATE user SET free_trial_used = 0',
    `INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits, remaining_credits, status)
     VALUES ('g', 'u', '1', 'grant', 1000000, 1000000, 'active')`,
  ]
  const source = `const client = require('@libsql/client').createClient({ url: 'file:' + process.argv[1] })
    ;(async () => { for (const sql of JSON.parse(process.argv[2])) await client.execute(sql) })()`
  execFileSync(process.execPath, ['-e', source, file, JSON.stringify(statements)], { cwd: __dirname })
  return file
}

/** Runs a process that writes until its time is up, or it is killed. Returns its lines, and how it ended. */
function live({ file, journal }, name, { clients, reopen, killed }, seconds) {
  const journalMode = journal === 'wal' ? 'wal' : 'keep'
  const options = JSON.stringify({ file, name, clients, reopen, killed, seconds, journalMode })
  const env = { ...process.env }
  if (values['without-locking']) env.MEDIA_CREDITS_TEST_WITHOUT_LOCKING = '1'
  const child = spawn(process.execPath, [path.join(__dirname, 'writer.js'), options], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let told = ''
  child.stdout.on('data', (chunk) => (told += chunk))
  // From its first commit on, so that it is killed while it writes.
  if (killed) {
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), Math.random() * LONGEST_LIFE_MS))
  }
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const wholeLines = told.slice(0, told.lastIndexOf('\n') + 1)
      resolve({ told: wholeLines, code, signal })
    })
  })
}

/** Runs a writer, and its successors if it is killed. Returns the lines of all of them. */
async function write(database, name, writer) {
  const deadline = Date.now() + seconds * 1000
  let all = ''
  for (let number = 0; ; number++) {
    // A writer that is killed has time left, so that a short run has a kill too.
    const rest = (deadline - Date.now()) / 1000 + (writer.killed ? 5 : 0)
    const { told, code, signal } = await live(database, `${name}.${number}`, writer, rest)
    all += told
    const ended = `process ${name}.${number} ended by ${signal ?? `code ${code}`}`
    if (writer.killed && signal === 'SIGKILL') all += `killed ${ended}\n`
    else if (code !== 0) all += `error ${ended}\n`
    if (!writer.killed || Date.now() >= deadline) return all
  }
}

/** Runs a scenario once. Returns the number of acknowledged commits and of kills, and the errors. */
async function run({ journal, processes }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-torture-'))
  try {
    const file = await prepare(folder, journal)
    const writing = processes.map((writer, at) => write({ file, journal }, `p${at}`, writer))
    const told = (await Promise.all(writing)).join('')
    const toldFile = path.join(folder, 'told')
    fs.writeFileSync(toldFile, told)
    const found = execFileSync(process.execPath, [path.join(__dirname, 'inspect.js'), file, toldFile])
    const count = (what) => told.split('\n').filter((line) => line.startsWith(what)).length
    return {
      addon: count('task ') + count('failed '),
      other: count('grant '),
      kills: count('killed '),
      findings: JSON.parse(found),
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Why a run proves nothing, if it does not. */
function idle({ processes }, { addon, other, kills }) {
  const found = []
  if (!addon || !other) found.push(`the addon committed ${addon} times, the other client ${other} times`)
  if (processes.some(({ killed }) => killed) && !kills) found.push('no process was killed')
  return found
}

async function main() {
  let bad = 0
  let broken = 0
  let commits = 0
  let kills = 0
  for (const scenario of scenarios()) {
    for (let round = 1; round <= Number(values.rounds); round++) {
      const result = await run(scenario)
      const { addon, other, findings } = result
      commits += addon + other
      kills += result.kills
      const proof = idle(scenario, result)
      const wrong = [...findings, ...proof]
      if (wrong.length) bad += 1
      if (findings.length && !proof.length) broken += 1
      const killed = result.kills ? `, ${result.kills} killed` : ''
      console.log(`${wrong.length ? 'BAD' : 'ok '} ${scenario.title}: ${addon} + ${other} commits${killed}`)
      for (const finding of wrong.slice(0, 3)) console.log(`      ${finding}`)
    }
  }
  console.log(`${commits} commits, ${kills} killed, ${bad} bad runs`)
  if (!values['expect-bad']) {
    process.exitCode = bad ? 1 : 0
  } else if (broken) {
    // A run in which a writer never wrote at all is bad too, but may have other causes.
    console.log(`${broken} runs wrote and went wrong: the test fails without the fix, as it must`)
  } else {
    console.log('No run wrote and went wrong without the fix: the test proves nothing')
    process.exitCode = 1
  }
}

main()
