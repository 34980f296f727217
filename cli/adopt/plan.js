'use strict'

/** All steps of the adoption. */

const { chargesAround } = require('./around')
const { mendCallers } = require('./callers')
const { addDependency } = require('./dependency')
const { replaceModels } = require('./models')
const { addServerExternalPackage } = require('./next-config')
const { AdoptError } = require('./refusal')
const { addCreditIds, tablesOf, variablesOf } = require('./schema')

/**
 * Plans all steps as edits of the app's sources. `notes` are places to check; `around` are places that still
 * write the ledger's rows without the package.
 */
function planFor(app, { dependency } = {}) {
  const tables = tablesOf(app)
  const variables = variablesOf(tables)
  const { replaced, notes } = replaceModels(app, variables)
  const around = chargesAround(app, variables)
  if (replaced.length === 0 && !usesPackage(app)) {
    throw new AdoptError(`${nothingFound(around)}; docs/migrating.md has the steps by hand`)
  }
  addDependency(app, dependency)
  addServerExternalPackage(app)
  const schema = addCreditIds(app, tables)
  const all = [...notes, ...schema.notes, ...mendCallers(app)]
  return { notes: all.sort(byPlace), around: around.sort(byPlace), isSchemaChanged: schema.isChanged }
}

const usesPackage = (app) => app.sourcesWith(/['"]media-credits['"]/).length > 0

function nothingFound(around) {
  const none =
    'no model of a ShipAny app was found, such as consumeCredits or createAITask over the table credit'
  const places = around.map(({ path, line, message }) => `\n${path}:${line}: ${message}`)
  return `${none}${places.length > 0 ? `, but these write the ledger's rows under other names:${places.join('')}\n` : ''}`
}

const byPlace = (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line)

module.exports = { planFor }
