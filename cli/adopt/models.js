'use strict'

/** The app's models: which files have them, and what happens to their functions. */

const { bare, lastName } = require('./literals')
const { FUNCTIONS } = require('./model-functions')
const { ModelFile } = require('./model-file')
const { declaredBy, importsOf } = require('./names')
const { AdoptError } = require('./refusal')

const WORDS = new RegExp(`\\b(?:${Object.keys(FUNCTIONS).join('|')})\\b`)

/** A function such as `refundCredits` or `revokeCreditConsumption`. */
const OWN_REFUND = /\b(?:refund|revoke|restore|return)\w*Credits?\w*/
const OWN_REFUND_NAME = new RegExp(`^${OWN_REFUND.source}$`)

/**
 * Replaces the functions that the package has.
 *
 * @returns {{ replaced: string[], notes: object[] }} the names of the functions; and what was kept, with its
 * place
 */
function replaceModels(app, variables) {
  const [replaced, notes, refusals, all] = [[], [], [], []]
  for (const source of app.sourcesWith(WORDS)) {
    const file = new ModelFile(source)
    const judged = file.judged(variables)
    all.push(...judged.map((each) => ({ ...each, place: source.placeOf(each.node) })))
    for (const { name, node, verdict, why } of judged) {
      if (!why) continue
      const place = source.placeOf(node)
      if (verdict === 'refuse')
        refusals.push(`${place.path}:${place.line}: ${name} is not the package's: ${why}`)
      else notes.push({ ...place, message: `${name} is not changed: ${why}` })
    }
    const names = judged.filter(({ verdict }) => verdict === 'replace').map(({ name }) => name)
    if (names.length === 0) continue
    for (const { name, node } of judged.filter(({ isFirstToRefund }) => isFirstToRefund)) {
      const place = source.placeOf(node)
      const own = ownRefund(app)
      if (own) {
        refusals.push(
          `${place.path}:${place.line}: ${name} refunds nothing, but ${own.path}:${own.line} does: with the package both would refund`,
        )
      } else notes.push({ ...place, message: `${name} refunds the credits of a failed task from now on` })
    }
    file.replace(names)
    source.because(
      names.length === 1
        ? 'the package has this function, as one transaction'
        : `the package has these ${names.length} functions, each one transaction`,
    )
    replaced.push(...names)
  }
  refusals.push(...callsOfStrangers(all))
  if (refusals.length > 0) {
    throw new AdoptError(
      `${refusals.join('\n')}\nA charge or a refund that does more must be moved by hand: docs/migrating.md`,
    )
  }
  return { replaced, notes }
}

/**
 * Rejects a model whose function would be replaced but calls a function that only has a model's name: its
 * effects would be lost.
 */
function callsOfStrangers(all) {
  const strangers = all.filter(
    ({ name, verdict, why }) => FUNCTIONS[name].writes && verdict === 'keep' && !why,
  )
  return strangers.flatMap((stranger) => {
    const caller = all.find(({ name, calls }) => name !== stranger.name && calls?.includes(stranger.name))
    if (!caller) return []
    const { path, line } = stranger.place
    return `${path}:${line}: ${stranger.name} is not the package's, and ${caller.name} calls it (${caller.place.path}:${caller.place.line})`
  })
}

/** Where the app refunds credits with a function of its own: it calls the function, or passes it on. */
function ownRefund(app) {
  const { ts } = app
  for (const source of app.sourcesWith(OWN_REFUND)) {
    const imports = importsOf(ts, source.tree)
    const functions = source.tree.statements.filter((node) => ts.isFunctionDeclaration(node))
    const known = [...imports.keys(), ...functions.flatMap((node) => declaredBy(ts, node))]
    const isRefund = (name) => OWN_REFUND_NAME.test(imports.get(name)?.imported ?? name)
    const isPassed = (node) => ts.isIdentifier(node) && known.includes(node.text) && isRefund(node.text)
    const visit = (node) => {
      const isFound =
        ts.isCallExpression(node) &&
        (isRefund(lastName(ts, node) ?? '') || node.arguments.some((each) => isPassed(bare(ts, each))))
      return isFound ? node : ts.forEachChild(node, visit)
    }
    const found = visit(source.tree)
    if (found) return source.placeOf(found)
  }
  return undefined
}

module.exports = { replaceModels }
