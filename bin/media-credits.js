#!/usr/bin/env node
'use strict'

const { parseArgs } = require('node:util')

const HELP = `Usage: npx media-credits init [url]

  init   makes the tables user, credit, media_tasks and ai_task, those that are not there yet.
         For tests, demos and fresh starts; an app's own tables come from its Drizzle schema.

The url is file:data/local.db, a plain path or postgres://…; DATABASE_URL if it is left out.`

/** Exit codes: 0 done, 1 the database said no, 2 the command line is off. */
async function main() {
  const options = { help: { type: 'boolean', short: 'h' } }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [command, url, ...rest] = positionals
  if (values.help) return console.log(HELP)
  if (command !== 'init' || rest.length) {
    console.error(HELP)
    process.exitCode = 2
    return
  }
  const { connect } = require('..')
  const credits = connect(url === undefined ? {} : { url })
  await credits.createTables()
  const found = await credits.getDiagnostics()
  await credits.close()
  const place = found.storage === 'sqlite' ? found.path : `${found.database}, schema ${found.schema},`
  console.log(`${place} has the tables user, credit, media_tasks and ai_task.`)
}

main().catch((error) => {
  console.error(`media-credits: ${error.message}`)
  process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
})
