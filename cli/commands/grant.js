'use strict'

const { MOST_CREDITS, expiry, wholeNumber } = require('../arguments')
const { WRITES, connected, withDatabase } = require('../command')
const { oneLine, plural, time } = require('../output')

const HELP = `
A day counts until its end, in UTC. With --transaction-no the same command can be repeated: the same number with the
same user and amount grants nothing again; with another user or amount it is an error.

With --json: one document, the grant as createCredit gives it; replayed says whether it was there before.

Examples:
  $ npx media-credits grant user_42 100
  $ npx media-credits grant user_42 100 --expires 30d --description 'sorry for the outage'
  $ npx media-credits grant user_42 500 --expires 2027-12-31 --transaction-no order-1047`

module.exports = (program) =>
  withDatabase(program.command('grant'))
    .summary('grant credits to a user')
    .description('Grants credits to a user, as a gift.')
    .argument('<user>', "the user's id")
    .argument('<credits>', 'how many', wholeNumber(MOST_CREDITS))
    .option('--expires <when>', 'a day, a time or a duration (default: never)', expiry)
    .option('--description <text>', 'its description in the statement')
    .option('--transaction-no <no>', 'idempotency key: makes the command safe to repeat')
    .addHelpText('after', HELP)
    .action(grant)

const grant = connected(async ({ credits, output, options }, userId, amount) => {
  const { expires, description, transactionNo } = options
  const wanted = {
    userId,
    credits: amount,
    transactionScene: 'gift',
    description,
    expiresAt: expires,
    transactionNo,
  }
  const { replayed = false, ...made } = await credits.createCredit(wanted, {
    replay: transactionNo !== undefined,
  })
  await output.document({ ...made, replayed })
  const until = made.expiresAt ? `until ${time(made.expiresAt)} UTC` : 'that never expire'
  const what = `${plural(made.credits, 'credit')} ${until}`
  await output.text(
    replayed
      ? `${oneLine(userId)} had got ${what} already: nothing was written.`
      : `${oneLine(userId)} has got ${what}.`,
  )
  await output.text(`grant ${oneLine(made.id)}, transaction no ${oneLine(made.transactionNo)}`)
}, WRITES)
