'use strict'

const { connected, sayIfUnknown, withDatabase } = require('../command')
const { count, oneLine, plural, time } = require('../output')

const HELP = `
With --json: one document, { userId, credits, held, grants, nextExpiry }, as getBalance gives it.

Examples:
  $ npx media-credits balance user_42
  $ npx media-credits balance user_42 --json | jq .credits`

module.exports = (program) =>
  withDatabase(program.command('balance'))
    .summary('show what a user can spend, and from which grants')
    .description('Shows what a user can spend now, and from which grants, in draw order.')
    .argument('<user>', "the user's id")
    .addHelpText('after', HELP)
    .action(balance)

const COLUMNS = [
  { title: 'left', right: true },
  { title: 'granted', right: true },
  { title: 'expires (UTC)' },
  { title: 'grant' },
  { title: 'transaction no' },
]

const balance = connected(async (context, userId) => {
  const { credits, output } = context
  const { grants, nextExpiry, ...found } = await credits.getBalance(userId)
  await output.document({ userId, ...found, grants, nextExpiry })
  await output.text(`${oneLine(userId)} can spend ${plural(found.credits, 'credit')}.`)
  if (found.held > 0)
    await output.text(`${plural(found.held, 'more credit')} ${found.held === 1 ? 'is' : 'are'} held.`)
  if (nextExpiry) {
    await output.text(
      `Next, ${count(nextExpiry.credits)} of them expire at ${time(nextExpiry.expiresAt)} UTC.`,
    )
  }
  if (grants.length === 0) return sayIfUnknown(context, userId)
  await output.text()
  await output.table(
    COLUMNS,
    grants.map((grant) => [
      count(grant.remaining),
      count(grant.granted),
      time(grant.expiresAt),
      oneLine(grant.creditId),
      oneLine(grant.transactionNo),
    ]),
  )
})
