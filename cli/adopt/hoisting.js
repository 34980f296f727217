'use strict'

/**
 * What a module runs while it is loaded. There a function can be used before its declaration, but a `const`
 * can't.
 */

const { bare } = require('./literals')
const { namesIn } = require('./names')

/**
 * The first place above `first` that uses one of these names while the module loads, as `{ name, node }`; or
 * `undefined`.
 */
function usedBefore(file, first, names) {
  const { ts, tree } = file
  for (const statement of tree.statements) {
    if (statement === first) return undefined
    for (const node of runWhileLoading(ts, statement)) {
      const name = reachedFrom(file, node.text).find((each) => names.includes(each))
      if (name) return { name, node }
    }
  }
  return undefined
}

/** The names that a statement uses outside of functions. */
function runWhileLoading(ts, statement) {
  const isNothing =
    ts.isImportDeclaration(statement) ||
    ts.isExportDeclaration(statement) ||
    ts.isFunctionDeclaration(statement)
  if (isNothing) return []
  const found = []
  const visit = (node) => {
    if (ts.isTypeNode(node) || (ts.isFunctionLike(node) && !isCalledAtOnce(ts, node))) return
    if (ts.isIdentifier(node) && namesIn(ts, node.parent).values.has(node.text)) found.push(node)
    ts.forEachChild(node, visit)
  }
  visit(statement)
  return found
}

function isCalledAtOnce(ts, node) {
  let outer = node
  while (ts.isParenthesizedExpression(outer.parent)) outer = outer.parent
  return ts.isCallExpression(outer.parent) && bare(ts, outer.parent.expression) === node
}

/** A name, and the names that the file's functions use through it. */
function reachedFrom(file, name) {
  const found = [name]
  for (const each of found) {
    const node = file.declared.get(each)
    if (!node || !file.ts.isFunctionDeclaration(node)) continue
    for (const used of namesIn(file.ts, node).values) if (!found.includes(used)) found.push(used)
  }
  return found
}

module.exports = { usedBefore }
