'use strict'

/**
 * The proof that this package is safe beside another copy of SQLite in the same process: both write
 * to one file, with more processes writing too; at the end everything that anybody was told is
 * committed must be there, SQLite's integrity check must pass, and the ledger must be whole.
 *
 * npm run torture                       every scenario, 10 s each, 3 rounds
 * npm run torture -- --seconds 2 --rounds 1
 * npm run torture -- --without-locking  the same without the cure: shows that it is needed
 */

const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { connect } = require('..')

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'without-locking': { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)

/** The first process has two copies of SQLite; the others write as well. */
function scenarios() {
  const all = []
  for (const client of ['libsql', 'better-sqlite3']) {
    for (const journal of ['wal', 'delete']) {
      for (const reopen of [false, true]) {
        const title = `addon and ${client} in one process, ${journal}${reopen ? ', opening and closing' : ''}`
        all.push({ title, journal, processes: [{ clients: ['addon', client], reopen }] })
      }
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

function write(file, journal, name, { clients, reopen }) {
  const journalMode = journal === 'wal' ? 'wal' : 'keep'
  const options = JSON.stringify({ file, name, clients, reopen, seconds, journalMode })
  const env = { ...process.env }
  if (values['without-locking']) env.MEDIA_CREDITS_TEST_WITHOUT_LOCKING = '1'
  const child = spawn(process.execPath, [path.join(__dirname, 'writer.js'), options], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let told = ''
  child.stdout.on('data', (chunk) => (told += chunk))
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      if (code !== 0) told += `error process ${name} ended by ${signal ?? `code ${code}`}\n`
      resolve(told)
    })
  })
}

/** Runs a scenario once. Returns how many commits were told, and what is wrong. */
async function run({ journal, processes }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'media-credits-torture-'))
  try {
    const file = await prepare(folder, journal)
    const told = (
      await Promise.all(processes.map((writer, at) => write(file, journal, `p${at}`, writer)))
    ).join('')
    const toldFile = path.join(folder, 'told')
    fs.writeFileSync(toldFile, told)
    const findings = execFileSync(process.execPath, [path.join(__dirname, 'inspect.js'), file, toldFile])
    const count = (what) => told.split('\n').filter((line) => line.startsWith(what)).length
    return {
      addon: count('task ') + count('failed '),
      other: count('grant '),
      findings: JSON.parse(findings),
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function main() {
  let bad = 0
  let commits = 0
  for (const scenario of scenarios()) {
    for (let round = 1; round <= Number(values.rounds); round++) {
      const { addon, other, findings } = await run(scenario)
      commits += addon + other
      // A side that wrote nothing proves nothing.
      if (!addon || !other)
        findings.push(`the addon committed ${addon} times, the other client ${other} times`)
      if (findings.length) bad += 1
      console.log(`${findings.length ? 'BAD' : 'ok '} ${scenario.title}: ${addon} + ${other} commits`)
      for (const finding of findings.slice(0, 3)) console.log(`      ${finding}`)
    }
  }
  console.log(`${commits} commits, ${bad} bad runs`)
  process.exitCode = bad ? 1 : 0
}

main()
