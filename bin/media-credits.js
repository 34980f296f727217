#!/usr/bin/env node
'use strict'

const { parseArgs } = require('node:util')

const HELP = `Usage: npx media-credits init [url]
       npx media-credits build

  init    makes the tables user, credit, media_tasks and ai_task, those that are not there yet.
          For tests, demos and fresh starts; an app's own tables come from its Drizzle schema.
  build   builds the native addon with Rust, where there is no binary for the platform.

The url is file:data/local.db, a plain path or postgres://…; DATABASE_URL if it is left out.`

/** Exit codes: 0 done, 1 the database or cargo said no, 2 the command line is off. */
async function main() {
  const options = { help: { type: 'boolean', short: 'h' } }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [command, url, ...rest] = positionals
  if (values.help) return console.log(HELP)
  if (command === 'build' && positionals.length === 1) return buildAddon()
  if (command === 'init' && rest.length === 0) return init(url)
  console.error(HELP)
  process.exitCode = 2
}

function buildAddon() {
  const { build } = require('../scripts/build.js')
  const addon = build()
  require(addon)
  console.log(`${addon} is built and loads.`)
}

async function init(url) {
  const { connect } = require('..')
  const credits = connect(url === undefined ? {} : { url })
  await credits.createTables()
  const found = await credits.getDiagnostics()
  await credits.close()
  const place = found.storage === 'sqlite' ? found.path : `${found.database}, schema ${found.schema},`
  console.log(`${place} has the tables user, credit, media_tasks and ai_task.`)
}

main().catch((error) => {
  console.error(error.message.replace(/^(?!media-credits )/, 'media-credits: '))
  process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
})
