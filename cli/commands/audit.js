'use strict'

const { wholeNumber } = require('../arguments')
const { connected, withDatabase } = require('../command')
const { FOUND } = require('../exit-codes')
const { count, oneLine, plural } = require('../output')
const { Progress } = require('../progress')

const HELP = `
It only reads. docs/auditing.md explains each kind of finding; media-credits repair shows what can be repaired.

With --json: JSON lines, one finding each, as auditLedger gives them. No output means no findings.
Exit code 0: no findings; 1: findings; 3: the audit could not run.

Examples:
  $ npx media-credits audit
  $ npx media-credits audit --user user_42
  $ npx media-credits audit --json | jq -r .userId | sort -u`

module.exports = (program) =>
  withDatabase(program.command('audit'))
    .summary('find rows of the ledger that contradict each other')
    .description("Reads all users' grants, charges and tasks, and lists rows that contradict each other.")
    .option('--user <id>', 'one user alone')
    .option('--limit <number>', 'stop after this many findings', wholeNumber(1_000_000))
    .addHelpText('after', HELP)
    .action(audit)

/** Usual widths: findings are written as they are found. */
const COLUMNS = [{ width: 23 }, { width: 36 }, {}]

const audit = connected(async ({ credits, output, options: { user, limit } }) => {
  const progress = new Progress('rows')
  let seen = { users: 0, rows: 0, totalRows: 0 }
  const onProgress = (now) => {
    seen = now
    progress.update(now.rows, now.totalRows)
  }
  const kinds = new Map()
  try {
    for await (const finding of credits.auditLedger({ userId: user, limit, onProgress })) {
      process.exitCode = FOUND
      kinds.set(finding.kind, (kinds.get(finding.kind) ?? 0) + 1)
      const { kind, userId, message } = finding
      await progress.above(async () => {
        await output.document(finding)
        await output.table(COLUMNS, [[kind, oneLine(userId), oneLine(message)]])
      })
    }
  } catch (error) {
    // The audit is incomplete, so a script must not take it for a result.
    process.exitCode = undefined
    throw error
  } finally {
    progress.stop()
  }
  await summarise(output, kinds, seen, limit)
})

async function summarise(output, kinds, { users, rows }, limit) {
  const total = [...kinds.values()].reduce((sum, number) => sum + number, 0)
  const looked = `${plural(users, 'user')} and ${plural(rows, 'row')} were read`
  if (total === 0) {
    await output.text(`Nothing was found; ${looked}.`)
    return
  }
  const byNumber = [...kinds].sort(([, one], [, other]) => other - one)
  await output.text()
  await output.table(
    [{ title: 'findings', right: true }, { title: 'kind' }],
    byNumber.map(([kind, number]) => [count(number), kind]),
  )
  await output.text()
  const stopped = total === limit ? ', and then it stopped (--limit)' : ''
  await output.text(`${plural(total, 'finding')}; ${looked}${stopped}.`)
}
