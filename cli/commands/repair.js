'use strict'

const { connected, withDatabase } = require('../command')
const { FOUND } = require('../exit-codes')
const { oneLine, plural } = require('../output')

const HELP = `
It repairs what has only one right value: credits that were refunded twice, failed tasks that were not refunded, times in
the wrong unit. An operator decides about all other findings; media-credits audit still lists them.

With --apply the changes are computed again and written in one transaction; each row records them. Without it nothing is
written.

With --json: one document, { applied, changes }, as repairLedger gives it.
Exit code 1: without --apply there is something to change.

Examples:
  $ npx media-credits repair
  $ npx media-credits repair --user user_42 --apply`

module.exports = (program) =>
  withDatabase(program.command('repair'))
    .summary('show what can be repaired, or repair it')
    .description('Shows which findings of an audit can be repaired; with --apply, repairs them.')
    .option('--user <id>', 'one user alone')
    .option('--apply', 'write the changes')
    .addHelpText('after', HELP)
    .action(repair)

const COLUMNS = [
  { title: 'user' },
  { title: 'row' },
  { title: 'column' },
  { title: 'before', right: true },
  { title: 'after', right: true },
  { title: 'why' },
]

const repair = connected(
  async ({ credits, output, options: { user, apply = false } }) => {
    const found = await credits.repairLedger({ ...(user !== undefined && { userId: user }), apply })
    const { applied, changes } = found
    process.exitCode = changes.length > 0 && !applied ? FOUND : undefined
    await output.document(found)
    await output.table(
      COLUMNS,
      changes.map(({ userId, table, id, column, before, after, message }) => [
        oneLine(userId),
        `${table} ${oneLine(id)}`,
        column,
        value(before),
        value(after),
        oneLine(message),
      ]),
    )
    if (changes.length === 0) return output.text('There is nothing to repair.')
    await output.text()
    await output.text(
      applied
        ? `${plural(changes.length, 'change')} written.`
        : `${plural(changes.length, 'change')}, not written: --apply writes them.`,
    )
  },
  { writes: ({ apply }) => apply },
)

const LONGEST = 40

/** A column's value, shortened: a charge's detail is long. */
function value(value) {
  const text = oneLine(
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : value,
  )
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text
}
