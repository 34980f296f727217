'use strict'

const { from, to, wholeNumber } = require('../arguments')
const { connected, withDatabase } = require('../command')
const { count, oneLine, signed, time } = require('../output')

/** As many as a call gives at once. */
const PAGE = 1000

const HELP = `
Times are UTC. A day alone counts from its beginning (--from) or to its end (--to); 30d is thirty days ago.

With --json: one document, { userId, openingBalance, entries, cursor }, as getStatement gives it. cursor is null unless
there are more entries.

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
    .option('--to <when>', 'to this day or time', to)
    .option('--limit <number>', 'at most so many entries', wholeNumber(PAGE), 50)
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

const statement = connected(async ({ credits, output, options }, userId) => {
  const found = await read(credits, userId, options)
  await output.document({ userId, ...found })
  const { entries, openingBalance, cursor } = found
  if (entries.length === 0) {
    await output.text(`No entries. The balance was ${count(openingBalance)}.`)
    return
  }
  await output.table(COLUMNS, entries.map(line))
  await output.text()
  await output.text(`The balance before was ${count(openingBalance)}.`)
  if (cursor !== null) await output.text('There are more entries: --limit or --all.')
})

/** A page of the statement, or all pages as one. */
async function read(credits, userId, { from, to, limit, all }) {
  const query = { ...(from && { from }), ...(to && { to }), limit: all ? PAGE : limit }
  const statement = await credits.getStatement(userId, query)
  while (all && statement.cursor !== null) {
    const page = await credits.getStatement(userId, { ...query, cursor: statement.cursor })
    statement.entries.push(...page.entries)
    statement.cursor = page.cursor
  }
  return statement
}

function line({ at, type, credits, balance, transactionNo, scene, description, task }) {
  const what = [description ?? scene, task && `${task.kind} task ${task.id}`].filter(Boolean).join(', ')
  return [time(at), type, signed(credits), count(balance), oneLine(transactionNo), oneLine(what)]
}
