'use strict'

const { InvalidArgumentError } = require('commander')
const { WRITES, connected, withDatabase } = require('../command')
const { listed } = require('../output')

/** The tables that createTables can create. */
const TABLES = ['user', 'credit', 'media_tasks', 'ai_task']

const HELP = `
For tests, demos and fresh starts; an app's own tables come from its Drizzle schema. A table that exists is not changed.
Tables of tasks refer to user, so user and credit are created with them.

With --json: one document, as getDiagnostics gives it.

Examples:
  $ npx media-credits init
  $ npx media-credits init file:data/local.db
  $ npx media-credits init --tables user,credit,ai_task`

module.exports = (program) =>
  withDatabase(program.command('init'))
    .summary('create the missing tables')
    .description(`Creates those of the tables ${listed(TABLES)} that are missing.`)
    .argument('[url]', 'the database, as --url')
    .option('--tables <names>', 'only these tables, separated by commas (default: all four)', tableNames)
    .addHelpText('after', HELP)
    .action((url, options, command) => {
      if (url !== undefined && options.url !== undefined) command.error('error: the database is given twice')
      return init({ ...options, url: url ?? options.url }, command)
    })

/** The names in a list, after those of earlier lists: the option may be repeated. */
function tableNames(text, before = []) {
  const names = text.split(',')
  if (names.every((name) => TABLES.includes(name))) return [...new Set([...before, ...names])]
  throw new InvalidArgumentError(`Expected a list of ${listed(TABLES)}, such as user,credit,ai_task.`)
}

const PLACE = {
  sqlite: ({ path }) => path,
  libsql: ({ host }) => host,
  mysql: ({ database }) => `database ${database}`,
  postgres: ({ database, schema }) => `${database}, schema ${schema},`,
}

const init = connected(
  async ({ credits, output, options: { tables } }) => {
    await credits.createTables(tables && { tables })
    const found = await credits.getDiagnostics()
    const there = TABLES.filter((table) => found.tables.some(({ name }) => name === table))
    await output.text(`${PLACE[found.storage](found)} has the tables ${listed(there)}.`)
    await output.document(found)
  },
  { ...WRITES, connect: {} },
)
