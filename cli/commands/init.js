'use strict'

const { connected, withDatabase } = require('../command')

const HELP = `
For tests, demos and fresh starts; an app's own tables come from its Drizzle schema.

Examples:
  $ npx media-credits init
  $ npx media-credits init file:data/local.db`

module.exports = (program) =>
  withDatabase(program.command('init'))
    .summary('make the tables that are not there')
    .description('Makes the tables user, credit, media_tasks and ai_task, those that are not there yet.')
    .argument('[url]', 'the database, as --url')
    .addHelpText('after', HELP)
    .action((url, options, command) => {
      if (url !== undefined && options.url !== undefined) command.error('error: the database is named twice')
      return init({ ...options, url: url ?? options.url }, command)
    })

const init = connected(async ({ credits, output }) => {
  await credits.createTables()
  const found = await credits.getDiagnostics()
  const place = found.storage === 'sqlite' ? found.path : `${found.database}, schema ${found.schema},`
  await output.text(`${place} has the tables user, credit, media_tasks and ai_task.`)
  await output.document(found)
}, {})
