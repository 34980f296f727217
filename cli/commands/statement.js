'use strict'

const { from, to, wholeNumber } = require('../arguments')
const { connected, sayIfUnknown, withDatabase } = require('../command')
const { count, oneLine, plural, signed, time } = require('../output')

/** Maximum number of entries in a call. */
const PAGE = 1000

const HELP = `
The newest entries, or with --all all of them, oldest first. Times are UTC. A day alone counts from its beginning (--from)
or to its end (--to); 30d is thirty days ago.

With --json: one document, { userId, openingBalance, entries, earlier }. The entries are those of getStatement, and
earlier says how many were left out before them.

Examples:
  $ npx media-credits statement user_42
  $ npx media-credits statement user_42 --from 2026-11-01 --to 2026-11-30 --all
  $ npx media-credits statement user_42 --from 30d --all --json`

module.exports = (program) =>
  withDatabase(program.command('statement'))
    .summary("list what changed a user's balance")
    .description("Lists what changed a user's balance, and what it was after each entry.")
    .argument('<user>', "the user's id")
    .option('--from <when>', 'from this day or time on', from)
    .option('--to <when>', 'to this day, or before this time', to)
    .option('--limit <number>', 'maximum number of entries, newest first', wholeNumber(1_000_000), 50)
    .option('--all', 'all entries')
    .addHelpText('after', HELP)
    .action(statement)

const COLUMNS = [
  { title: 'at (UTC)' },
  { title: 'entry' },
  { title: 'credits', right: true },
  { title: 'balance', right: true },
  { title: 'transaction no' },
  { title: 'what' },
]

const statement = connected(async (context, userId) => {
  const { credits, output, options } = context
  const found = await read(credits, userId, options)
  await output.document({ userId, ...found })
  const { openingBalance, entries, earlier } = found
  const before = `The balance before was ${count(openingBalance)}.`
  if (entries.length === 0) {
    await output.text(`No entries. ${before}`)
    return sayIfUnknown(context, userId)
  }
  const more = earlier > 0 ? ` ${plural(earlier, 'entry', 'entries')} earlier: --limit or --all.` : ''
  await output.text(`${before}${more}`)
  await output.text()
  await output.table(COLUMNS, entries.map(line))
})

/** The newest entries: `limit` of them, or all. The library lists the oldest first. */
async function read(credits, userId, { from, to, limit, all }) {
  const entries = []
  let earlier = 0
  let page
  do {
    page = await credits.getStatement(userId, { from, to, limit: PAGE, cursor: page?.cursor })
    entries.push(...page.entries)
    // Removes nothing if there are fewer.
    if (!all) earlier += entries.splice(0, entries.length - limit).length
  } while (page.cursor !== null)
  const [oldest] = entries
  const openingBalance = oldest ? oldest.balance - oldest.credits : page.openingBalance
  return { openingBalance, entries, earlier }
}

function line({ at, type, credits, balance, transactionNo, scene, description, task }) {
  const what = [description ?? scene, task && `${task.kind} task ${task.id}`].filter(Boolean).join(', ')
  return [time(at), type, signed(credits), count(balance), oneLine(transactionNo), oneLine(what)]
}
