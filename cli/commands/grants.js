'use strict'

const { MOST_CREDITS, duration, end, wholeNumber } = require('../arguments')
const { connected, sayIfUnknown, withDatabase } = require('../command')
const { FOUND } = require('../exit-codes')
const { extend } = require('../grants/extend')
const { renew } = require('../grants/renew')
const { TARGETS, restore, revoke } = require('../grants/revoke')
const { isSpendable, isUnconfirmed, readGrants, stateOf, sum } = require('../grants/rows')
const { count, oneLine, plural, time } = require('../output')

const DEFAULT_LIMIT = 50

const HELP = `
The list has the newest grants first. With one of --revoke, --restore, --extend and --renew it says what that would do, and
writes nothing; with --apply it does it, in one transaction. Grants of other users are refused.

--revoke withdraws the credits of a payment that was refunded or charged back: --total is how many are withdrawn in all,
earlier calls included (default: all of them). --renew grants a subscription's next period; give its end as a day or a
time, so that the command can be repeated. With the same --transaction-no each of them is done once.

With --json: one document. A list is { userId, grants, totals }. What would be done is { action, userId, applied, writes,
result }, where result is what the function would resolve to, as far as it is known, or null; with --apply it is what it
has resolved to.
Exit code 1: without --apply there is something to write.

Examples:
  $ npx media-credits grants user_42
  $ npx media-credits grants user_42 --revoke --order order-1047 --total 30 --transaction-no refund-9
  $ npx media-credits grants user_42 --revoke --order order-1047 --transaction-no dispute-3 --recover --apply
  $ npx media-credits grants user_42 --restore dispute-3 --apply
  $ npx media-credits grants user_42 --extend 01a20848-49e2-771d-92d8-e9846a072a6e --until 2027-12-31 --apply
  $ npx media-credits grants user_42 --renew --subscription sub-1 --credits 1000 --until 2027-01-31 \\
      --transaction-no invoice-12 --rollover 500 --apply`

module.exports = (program) =>
  withDatabase(program.command('grants'))
    .summary("list a user's grants; withdraw, restore, extend or renew them")
    .description("Lists a user's grants, or shows what a change of them would do; with --apply, does it.")
    .argument('<user>', "the user's id")
    .option(
      '--limit <number>',
      `maximum number of grants in the list, newest first (default: ${DEFAULT_LIMIT})`,
      wholeNumber(1_000_000),
    )
    .option('--all', 'list all')
    .option('--revoke', 'withdraw the credits of a payment: --credit, --order or --subscription')
    .option('--restore <no>', 'end a revocation, by its transaction no: a dispute that was won')
    .option('--extend <credit>', 'change when a grant expires: --until')
    .option('--renew', "grant a subscription's next period: --subscription, --credits, --until")
    .option('--credit <id>', 'with --revoke: the grant')
    .option('--order <no>', 'with --revoke: the order')
    .option('--subscription <no>', 'with --revoke and --renew: the subscription')
    .option(
      '--total <credits>',
      'with --revoke: how many credits in all (default: all)',
      wholeNumber(MOST_CREDITS),
    )
    .option('--reason <text>', 'with --revoke: why')
    .option('--recover', "with --revoke: take what was spent from the user's other grants")
    .option('--credits <number>', 'with --renew: how many', wholeNumber(MOST_CREDITS))
    .option('--until <when>', 'with --extend (or never) and --renew: a day, a time or a duration', end)
    .option('--replaces <no>', 'with --renew: the earlier subscription that it replaces')
    .option(
      '--rollover <credits>',
      'with --renew: carry over at most this many credits of earlier periods',
      wholeNumber(MOST_CREDITS, 0),
    )
    .option(
      '--grace <time>',
      'with --rollover: include periods that ended up to this long ago (default: 3d)',
      duration,
    )
    .option('--transaction-no <no>', 'with --revoke and --renew: idempotency key, makes it safe to repeat')
    .option('--apply', 'write the change')
    .addHelpText('after', HELP)
    .action((userId, options, command) => {
      const name = actionOf(options, (text) => command.error(`error: ${text}`))
      return name ? change[name](userId, options, command) : list(userId, options, command)
    })

/** The required and the other options of each action. */
const ACTIONS = {
  revoke: {
    ...revoke,
    needs: ['transactionNo'],
    takes: [...TARGETS.map(({ option }) => option), 'total', 'reason', 'recover'],
  },
  restore: { ...restore, needs: [], takes: [] },
  extend: { ...extend, needs: ['until'], takes: [] },
  renew: {
    ...renew,
    needs: ['subscription', 'credits', 'until', 'transactionNo'],
    takes: ['replaces', 'rollover', 'grace'],
  },
}
const NAMES = Object.keys(ACTIONS)

const flag = (option) => `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** The action that the options select; `undefined` for the list. */
function actionOf(options, refuse) {
  const has = (option) => options[option] !== undefined
  const [name, other] = NAMES.filter(has)
  if (other) refuse(`${flag(name)} and ${flag(other)} are two actions`)
  const its = name ? [...ACTIONS[name].needs, ...ACTIONS[name].takes, 'apply'] : ['limit', 'all']
  const needed = ACTIONS[name]?.needs.find((option) => !has(option))
  if (needed) refuse(`${flag(name)} needs ${flag(needed)}`)
  const all = [
    ...Object.values(ACTIONS).flatMap(({ needs, takes }) => [...needs, ...takes]),
    'apply',
    'limit',
    'all',
  ]
  const strange = all.find((option) => has(option) && !its.includes(option))
  if (strange) refuse(`${flag(strange)} is not for ${name ? flag(name) : 'a list of grants'}`)
  if (name === 'revoke' && TARGETS.filter(({ option }) => has(option)).length !== 1) {
    refuse(`--revoke needs one of ${TARGETS.map(({ option }) => flag(option)).join(', ')}`)
  }
  if (name === 'renew' && options.until.expiresAt === null)
    refuse('a period ends: --until is a day or a time')
  if (has('grace') && !has('rollover')) refuse('--grace needs --rollover')
  return name
}

const COLUMNS = [
  { title: 'grant', of: ({ id }) => id },
  { title: 'scene', of: ({ transactionScene }) => transactionScene },
  { title: 'order', of: ({ orderNo }) => orderNo, mayMiss: true },
  { title: 'subscription', of: ({ subscriptionNo }) => subscriptionNo, mayMiss: true },
  { title: 'credits', right: true, of: ({ credits }) => count(credits) },
  { title: 'left', right: true, of: ({ remainingCredits }) => count(remainingCredits) },
  { title: 'expires (UTC)', of: ({ expiresAt }) => time(expiresAt) },
  { title: 'status', of: stateOf },
]

const list = connected(async (context, userId) => {
  const { credits, output, options } = context
  const all = await readGrants(credits, userId)
  const now = Date.now()
  const grants = options.all ? all : all.slice(0, options.limit ?? DEFAULT_LIMIT)
  const granted = all.filter((grant) => !isUnconfirmed(grant))
  const remaining = (rows) => sum(rows, ({ remainingCredits }) => remainingCredits)
  const totals = {
    grants: granted.length,
    credits: sum(granted, (grant) => grant.credits),
    remaining: remaining(granted),
    spendable: remaining(granted.filter((grant) => isSpendable(grant, now))),
  }
  await output.document({ userId, grants, totals })
  if (all.length === 0) {
    await output.text('There are no grants.')
    return sayIfUnknown(context, userId)
  }
  const columns = COLUMNS.filter(({ of, mayMiss }) => !mayMiss || grants.some((grant) => of(grant)))
  await output.table(
    columns,
    grants.map((grant) => columns.map(({ of }) => oneLine(of(grant, now) ?? ''))),
  )
  await output.text()
  const more = all.length - grants.length
  const { spendable } = totals
  await output.text(
    `${plural(totals.grants, 'grant')}: ${plural(totals.credits, 'credit')}, ${count(totals.remaining)} left, ${count(spendable)} of these can be spent now.`,
  )
  if (more > 0) await output.text(`${plural(more, 'grant')} more: --limit or --all.`)
})

/** The command of an action: shows a preview, or runs it. */
const changing = (name, action) =>
  connected(
    async ({ credits, output, options }, userId) => {
      const { apply = false } = options
      const seen = await action.look(credits, userId, options)
      const result = apply ? await action.call(credits, userId, options) : seen.result
      const writes = apply ? seen.writes && !result.replayed : seen.writes
      process.exitCode = writes && !apply ? FOUND : undefined
      await output.document({ action: name, userId, applied: apply, writes, result })
      await action.show?.(output, seen, [apply ? ['before', 'now'] : ['now', 'then'], result])
      await output.text(apply ? action.done({ ...seen, writes }, result) : seen.sentence)
      if (writes && !apply) await output.text('Nothing is written: --apply writes it.')
    },
    { writes: ({ apply }) => apply },
  )

const change = Object.fromEntries(NAMES.map((name) => [name, changing(name, ACTIONS[name])]))
