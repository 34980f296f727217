'use strict'

const { Option } = require('commander')
const { MOST_CREDITS, duration, wholeNumber } = require('../arguments')
const { connected, withDatabase } = require('../command')
const { count, oneLine, plural, time } = require('../output')

const DAY_MS = 86_400_000

const HELP = `
With --json: one document, { users }, each as listExpiring gives it: { userId, credits, grants, expiresAt }.

Examples:
  $ npx media-credits expiring
  $ npx media-credits expiring --within 3d --at-least 10 --json | jq -r '.users[].userId'`

module.exports = (program) =>
  withDatabase(program.command('expiring'))
    .summary('list users whose credits expire soon')
    .description(
      'Lists each user whose credits expire soon, with their number and the time when the first of them expire.',
    )
    .addOption(
      new Option('--within <time>', 'credits that expire within this time from now')
        .argParser(duration)
        .default(7 * DAY_MS, '7d'),
    )
    .option(
      '--at-least <number>',
      'only users with at least this many such credits',
      wholeNumber(MOST_CREDITS),
      1,
    )
    .option('--limit <number>', 'maximum number of users', wholeNumber(1_000_000), 1000)
    .addHelpText('after', HELP)
    .action(expiring)

const COLUMNS = [
  { title: 'user' },
  { title: 'credits', right: true },
  { title: 'grants', right: true },
  { title: 'first expiry (UTC)' },
]

const expiring = connected(async ({ credits, output, options: { within, atLeast, limit } }) => {
  const users = []
  for (let cursor; cursor !== null && users.length < limit;) {
    const most = Math.min(1000, limit - users.length)
    const page = await credits.listExpiring({ within, atLeast, limit: most, cursor })
    users.push(...page.users)
    cursor = page.cursor
  }
  await output.document({ users })
  await output.table(
    COLUMNS,
    users.map((user) => [
      oneLine(user.userId),
      count(user.credits),
      count(user.grants),
      time(user.expiresAt),
    ]),
  )
  if (users.length > 0) await output.text()
  const atMost = users.length === limit ? ' or more' : ''
  const total = users.reduce((sum, user) => sum + user.credits, 0)
  await output.text(`${plural(users.length, 'user')}${atMost}, ${plural(total, 'credit')}.`)
})
