'use strict'

/** Adds to object and array literals in their own style. */

/** Appends `text` as the last element of a literal. */
function append(source, literal, text) {
  const elements = literal.properties ?? literal.elements
  const last = elements.at(-1)
  if (!last) return appendToEmpty(source, literal, text)
  const closing = literal.getEnd() - 1
  const isOnLines = source.text.slice(last.getEnd(), closing).includes('\n')
  if (!isOnLines) return source.insert(last.getEnd(), `, ${text}`)
  const indent = source.indentOf(last.getStart(source.tree))
  const comma = elements.hasTrailingComma ? ',' : ''
  if (!comma) source.insert(last.getEnd(), ',')
  source.insert(source.lineEnd(last.getEnd()), `${indent}${text}${comma}${source.eol}`)
}

function appendToEmpty(source, literal, text) {
  const closing = literal.getEnd() - 1
  const start = literal.getStart(source.tree)
  const isOnLines = source.text.slice(start, closing).includes('\n')
  if (isOnLines) {
    const at = source.lineStart(closing)
    return source.insert(at, `${source.indentOf(closing)}${source.indent}${text},${source.eol}`)
  }
  const space = source.text[start] === '{' ? ' ' : ''
  source.splice(start + 1, closing, `${space}${text}${space}`)
}

/** The name of a property, if it is not computed. */
function nameOf(ts, property) {
  const { name } = property
  return name && (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) ? name.text : undefined
}

const propertyOf = (ts, literal, name) => literal.properties.find((property) => nameOf(ts, property) === name)

/** An expression without the parentheses and type assertions around it. */
function bare(ts, node) {
  while (
    node &&
    (ts.isParenthesizedExpression(node) ||
      ts.isAsExpression(node) ||
      ts.isSatisfiesExpression?.(node) ||
      ts.isTypeAssertionExpression?.(node) ||
      ts.isNonNullExpression(node))
  ) {
    node = node.expression
  }
  return node
}

/** The last name of what is called: `c` in `c()` and `a.b.c()`. */
function lastName(ts, call) {
  const callee = bare(ts, call.expression)
  if (ts.isIdentifier(callee)) return callee.text
  return ts.isPropertyAccessExpression(callee) ? callee.name.text : undefined
}

/** The left side of `object.property = value`; `undefined` for other nodes. */
function assignedProperty(ts, node) {
  const isAssigned = ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken
  return isAssigned && ts.isPropertyAccessExpression(node.left) ? node.left : undefined
}

module.exports = { append, assignedProperty, bare, lastName, nameOf, propertyOf }
