'use strict'

/** What the commands have in common: how to name a database, and a connection to it while they work. */

const { findDatabase, placeOf } = require('./database')
const { Output, coloursOf } = require('./output')

/** Adds the options of a command that opens a database. */
function withDatabase(command) {
  return command
    .option('--url <url>', 'the database, instead of DATABASE_URL')
    .option('--env <file>', 'a file with DATABASE_URL, instead of the environment')
    .option('--json', 'write JSON, for machines')
}

/**
 * The action of a command: `work` gets what it needs to work, and then the command's own arguments. A file's
 * journal mode is the app's affair.
 *
 * @param {(context: { credits, output: Output, options: object }, ...args: unknown[]) => Promise<void>} work
 */
function connected(work, connectOptions = { journalMode: 'keep' }) {
  return async (...args) => {
    const [options] = args.splice(-2)
    const database = findDatabase(options)
    if (!options.json) sayWhere(database)
    const credits = require('..').connect({ ...connectOptions, ...database.options })
    try {
      await work({ credits, output: new Output(options), options }, ...args)
    } finally {
      await credits.close()
    }
  }
}

/** To a person, not to a script: a command that writes must not do so where nobody expects it. */
function sayWhere({ url, source }) {
  if (!process.stderr.isTTY) return
  process.stderr.write(`${coloursOf(process.stderr).dim(`${placeOf(url)} (${source})`)}\n`)
}

/** To a person: nothing is known of this user, which is not the same as a balance of 0. */
async function sayIfUnknown({ credits, output }, userId) {
  if (output.json || (await credits.getCreditsCount({ userId })) > 0) return
  await output.text('There is no grant and no charge of this user: is the id right?')
}

module.exports = { connected, sayIfUnknown, withDatabase }
