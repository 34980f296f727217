'use strict'

/** What the commands share: the options for a database, and a connection while they run. */

const { findDatabase, placeOf } = require('./database')
const { Output, coloursOf } = require('./output')

/** Adds the options of a command that opens a database. */
function withDatabase(command) {
  return command
    .option('--url <url>', 'the database, instead of DATABASE_URL')
    .option('--env <file>', 'a file with DATABASE_URL, before the environment')
    .option('--json', 'write JSON, for machines')
}

/**
 * The action of a command: `work` gets a context, and then the command's own arguments. The file's journal
 * mode is not changed, because it belongs to the app.
 *
 * @param {(context: { credits, output: Output, options: object }, ...args: unknown[]) => Promise<void>} work
 * @param {object} how `writes`: whether the command writes, given its options; `connect`: options of
 * `connect`
 */
function connected(work, { writes = () => false, connect = { journalMode: 'keep' } } = {}) {
  return async (...args) => {
    const [options] = args.splice(-2)
    const database = findDatabase(options)
    const head = options.json ? undefined : sayWhere(database, writes(options))
    const credits = require('..').connect({ ...connect, ...database.options })
    try {
      await work({ credits, output: new Output({ ...options, head }), options }, ...args)
    } finally {
      await credits.close()
    }
  }
}

/**
 * Shows the database: always on a terminal, so that an operator notices a wrong one. In the output for
 * scripts it is the first line if the command writes and the database was found in a file. Not on stderr,
 * which cron sends as mail.
 */
function sayWhere({ url, source, isFound }, writes) {
  const where = `${placeOf(url)} (${source})`
  if (!process.stderr.isTTY) return writes && isFound ? where : undefined
  process.stderr.write(`${coloursOf(process.stderr).dim(where)}\n`)
  return undefined
}

/** On a terminal: reports an unknown user, which is not the same as a balance of 0. */
async function sayIfUnknown({ credits, output }, userId) {
  if (output.json || (await credits.getCreditsCount({ userId })) > 0) return
  await output.text('This user has no grants and no charges: is the id right?')
}

/** For `connected`: a command that always writes. */
const WRITES = { writes: () => true }

module.exports = { WRITES, connected, sayIfUnknown, withDatabase }
