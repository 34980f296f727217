'use strict'

const { withDatabase } = require('../command')
const { findDatabase } = require('../database')
const { FOUND } = require('../exit-codes')
const { Output, oneLine, plural } = require('../output')

const HELP = `
It only reads. Each check is ok, a warning, or a problem, with a sentence that says what to do. A missing table of
tasks is ok: the check says which functions can be used, and which can't.

With --json: one document, { ok, versions, database, diagnostics, connections, available, checks }: connections has most
and source on a server, available has mediaTasks, aiTasks and what is missing, a check has name, status and message.
Exit code 1: there is a problem. Warnings do not count.

Examples:
  $ npx media-credits doctor
  $ npx media-credits doctor --env .env.production
  $ npx media-credits doctor --json | jq '.checks[] | select(.status != "ok")'`

module.exports = (program) =>
  withDatabase(program.command('doctor'))
    .summary('check the database, its tables and the connection')
    .description('Checks the database, its tables and indexes, the locks and the versions.')
    .addHelpText('after', HELP)
    .action(doctor)

/** Which families of functions can be used, and the columns that some of their calls lack. */
function availableIn(facts) {
  const { families } = require('../doctor/tasks')
  const found = families(facts)
  if (!found) return null
  const entries = found.map(({ family, available }) => [family, available])
  return { ...Object.fromEntries(entries), missing: found.flatMap(({ missing }) => missing) }
}

const MARKS = { ok: ['green', '✓'], warning: ['yellow', '!'], problem: ['red', '✗'] }

async function doctor(options) {
  const { checks } = require('../doctor/checks')
  const { gather } = require('../doctor/facts')
  const database = findDatabase(options)
  const facts = await gather(database)
  const found = checks(facts)
  const problems = found.filter(({ status }) => status === 'problem').length
  const warnings = found.filter(({ status }) => status === 'warning').length
  process.exitCode = problems > 0 ? FOUND : undefined
  const output = new Output(options)
  await output.document({
    ok: problems === 0,
    versions: facts.versions,
    database: facts.database,
    diagnostics: facts.diagnostics ?? null,
    connections: facts.connections ?? null,
    available: availableIn(facts),
    checks: found,
  })
  const rows = found.map(({ name, status, message }) => {
    const [colour, mark] = MARKS[status]
    return [output.colours[colour](`${mark} ${status}`), name, oneLine(message)]
  })
  await output.table([{}, {}, {}], rows)
  await output.text()
  await output.text(`${plural(problems, 'problem')}, ${plural(warnings, 'warning')}.`)
}
