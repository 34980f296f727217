'use strict'

const { connected, withDatabase } = require('../command')
const { FOUND } = require('../exit-codes')
const { oneLine, plural } = require('../output')

const HELP = `
Without --apply nothing is written. With it, all changes are written in one transaction, or none. What can't be
mended without a decision of yours is left as it is: media-credits audit goes on finding it.

With --json: one document, { applied, changes }, as repairLedger gives it.
Exit code 1: without --apply there is something to change.

Examples:
  $ npx media-credits repair
  $ npx media-credits repair --user user_42 --apply`

module.exports = (program) =>
  withDatabase(program.command('repair'))
    .summary('show what would mend the ledger, or mend it')
    .description('Shows what would mend the findings of an audit; with --apply, does it.')
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

const repair = connected(async ({ credits, output, options: { user, apply = false } }) => {
  const found = await credits.repairLedger({ userId: user, apply })
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
  if (changes.length === 0) return output.text('There is nothing to mend.')
  await output.text()
  await output.text(
    applied
      ? `${plural(changes.length, 'change')} written.`
      : `${plural(changes.length, 'change')}, not written: --apply writes them.`,
  )
})

const LONGEST = 40

/** A value of a column, short: a charge's detail is long. */
function value(value) {
  const text = oneLine(
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : value,
  )
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text
}
