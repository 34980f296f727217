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
    .summary('say what a user can spend, and of which grants')
    .description(
      'Says what a user can spend now, and of which grants, in the order in which they are drawn on.',
    )
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
  if (found.held > 0) await output.text(`Holds have taken ${plural(found.held, 'credit')} besides.`)
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
