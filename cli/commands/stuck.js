'use strict'

const { duration, wholeNumber } = require('../arguments')
const { WRITES, connected, withDatabase } = require('../command')
const { FOUND } = require('../exit-codes')
const { ago, oneLine, plural, time } = require('../output')

const DEFAULT_MS = 30 * 60_000

const HELP = `
Choose --older-than longer than the longest time between two updates of a worker. A task that is updated while this runs
is not failed, and a worker that reports later can't deliver a task that was refunded.

With --json: one document, { tasks }, with --fail what failStuckMediaTasks gives: { tasks, credits, spendable, errors }.
Exit code 1: there are stuck tasks; with --fail: some tasks could not be failed.

Examples:
  $ npx media-credits stuck
  $ npx media-credits stuck --older-than 2h --fail --message 'timed out'
  $ npx media-credits stuck --ai --older-than 1d`

module.exports = (program) =>
  withDatabase(program.command('stuck'))
    .summary('list stuck tasks, or fail and refund them')
    .description(
      'Lists tasks that no worker has updated for a while; with --fail, fails them and refunds what they cost.',
    )
    .option(
      '--older-than <time>',
      'unchanged for at least this long (default: 30m; required with --fail)',
      duration,
    )
    .option('--fail', 'fail and refund them')
    .option('--message <text>', 'with --fail: the error message of these tasks')
    .option('--ai', 'AI tasks instead of media tasks (default if there is no table media_tasks)')
    .option('--limit <number>', 'maximum number of tasks, oldest first', wholeNumber(1000), 1000)
    .addHelpText('after', HELP)
    .action((options, command) => {
      const { fail, message, ai, olderThan } = options
      if (fail && olderThan === undefined) command.error('error: --fail needs --older-than')
      if (message !== undefined && !fail) command.error('error: --message is for --fail')
      if (message !== undefined && ai) command.error('error: AI tasks have no error message')
      return fail ? failTasks(options, command) : listTasks(options, command)
    })

const COLUMNS = [
  { title: 'task' },
  { title: 'user' },
  { title: 'status' },
  { title: 'last change (UTC)' },
  { title: 'silent for', right: true },
]

const listTasks = connected(async ({ credits, output, options }) => {
  const { limit, olderThan: olderThanMs = DEFAULT_MS } = options
  const find = (await isAboutAI(credits, options)) ? credits.findStuckAITasks : credits.findStuckMediaTasks
  const tasks = await find({ olderThanMs, limit })
  process.exitCode = tasks.length > 0 ? FOUND : undefined
  await output.document({ tasks })
  const now = Date.now()
  await output.table(
    COLUMNS,
    tasks.map(({ id, userId, status, updatedAt }) => [
      oneLine(id),
      oneLine(userId),
      oneLine(status),
      time(updatedAt),
      ago(now - updatedAt.getTime()),
    ]),
  )
  if (tasks.length > 0) await output.text()
  const atLeast = tasks.length === limit ? ' or more' : ''
  await output.text(
    `${plural(tasks.length, 'stuck task')}${atLeast}, silent for more than ${ago(olderThanMs)}.`,
  )
})

const failTasks = connected(async ({ credits, output, options }) => {
  const { limit, message, olderThan: olderThanMs } = options
  const fail = (await isAboutAI(credits, options)) ? credits.failStuckAITasks : credits.failStuckMediaTasks
  const query = { olderThanMs, limit, ...(message !== undefined && { errorMessage: message }) }
  const { tasks, errors, ...sums } = await fail(query)
  process.exitCode = errors.length > 0 ? FOUND : undefined
  await output.document({ tasks, ...sums, errors: errors.map(describe) })
  await output.table(
    [{ title: 'task' }, { title: 'user' }, { title: 'refunded', right: true }],
    tasks.map(({ id, userId, refund }) => [oneLine(id), oneLine(userId), refund?.credits ?? 0]),
  )
  await output.table(
    [{ title: 'not failed' }, { title: 'user' }, { title: 'why' }],
    errors.map(({ id, userId, error }) => [oneLine(id), oneLine(userId), oneLine(error.message)]),
  )
  if (tasks.length + errors.length > 0) await output.text()
  const unspendable = sums.credits - sums.spendable
  const expired = unspendable > 0 ? `, ${unspendable} of them to grants that have expired` : ''
  await output.text(
    `${plural(tasks.length, 'task')} failed, ${plural(sums.credits, 'credit')} refunded${expired}.`,
  )
  if (tasks.length === limit) await output.text('There may be more: run it again.')
}, WRITES)

/** Uses AI tasks if the app has no media tasks. */
async function isAboutAI(credits, { ai, message }) {
  // AI tasks have no message, so with this option the command is about media tasks, and reports if they are
  // missing.
  if (ai || message !== undefined) return ai
  const { tables } = await credits.getDiagnostics()
  const has = (table) => tables.some(({ name }) => name === table)
  return has('ai_task') && !has('media_tasks')
}

/** An error's message is not enumerable, so JSON would omit it. */
const describe = ({ error, ...rest }) => ({ ...rest, error: { ...error, message: error.message } })
