'use strict'

/** Callers of the models: makes the necessary changes, and lists what the author should check. */

const { Callees, isOfLedger } = require('./callees')
const { bare, lastName, propertyOf } = require('./literals')
const { FUNCTIONS } = require('./model-functions')

/** Functions that take the app's transaction as an argument. */
const TAKES_TX = ['consumeCredits', 'createCredit', 'createAITask', 'grantCreditsForUser']
const LOOKS_AT_LIMITS = /freeTrialUsed|getUserPlanLimits|checkPlanLimits|concurrentLimit/

const EDGE = "the addon does not run in the Edge runtime: export const runtime = 'nodejs'"

/** `export const runtime = 'edge'` */
const isEdge = ({ name, initializer }) =>
  name.getText() === 'runtime' && /^['"](?:experimental-)?edge['"]$/.test(initializer?.getText() ?? '')

function mendCallers(app) {
  const { ts } = app
  const callees = new Callees(app)
  return callees.sources().flatMap((source) => {
    const about = { ts, source, callees }
    const gone = source.edits.filter(({ start, end }) => end > start)
    const notes = []
    const visit = (node) => {
      if (gone.some(({ start, end }) => node.getStart(source.tree) >= start && node.getEnd() <= end)) return
      if (ts.isCallExpression(node)) notes.push(...notesOf(about, node))
      if (ts.isVariableDeclaration(node)) {
        notes.push(...mendMaybe(about, node))
        if (isEdge(node)) notes.push({ ...source.placeOf(node), message: EDGE })
      }
      ts.forEachChild(node, visit)
    }
    visit(source.tree)
    return notes
  })
}

// ---- Changes ----

/**
 * Handles `let charge = null`, then perhaps `charge = await consumeCredits(…)`, then `charge.id`, which
 * throws if nothing was charged. Gives the variable a type, so that the compiler checks it, and returns the
 * places to check.
 */
function mendMaybe(about, declaration) {
  const { ts, source } = about
  const { name, initializer } = declaration
  const isEmpty =
    !initializer || initializer.kind === ts.SyntaxKind.NullKeyword || initializer.getText() === 'undefined'
  if (!ts.isIdentifier(name) || !isEmpty) return []
  const scope = declaration.parent.parent.parent
  const uses = []
  let isCharge = false
  const visit = (node) => {
    if (isChargeOf(about, node, name.text)) isCharge = true
    const isRead =
      ts.isPropertyAccessExpression(node) &&
      !node.questionDotToken &&
      ts.isIdentifier(node.expression) &&
      node.expression.text === name.text
    if (isRead && !isGuarded(about, node, name.text)) uses.push(node)
    ts.forEachChild(node, visit)
  }
  visit(scope)
  if (!isCharge) return []
  const [written, read] = [true, false].map((is) => uses.filter((node) => isWritten(ts, node) === is))
  if (read.length > 0) {
    source.because(`${name.text} is null if nothing is charged, and its type in the package has null`)
  }
  for (const { expression } of read) source.insert(expression.getEnd(), '?')
  return written.map((node) => ({
    ...source.placeOf(node),
    message: `${node.getText(source.tree)} is assigned here, and ${name.text} is null if nothing is charged`,
  }))
}

/** Whether a member is assigned, or is part of an assignment: `?.` is not allowed there. */
function isWritten(ts, member) {
  let node = member
  for (; isPartOf(ts, node.parent, node); node = node.parent);
  const { parent } = node
  if (ts.isBinaryExpression(parent)) {
    const { kind } = parent.operatorToken
    const { FirstAssignment, LastAssignment } = ts.SyntaxKind
    return parent.left === node && kind >= FirstAssignment && kind <= LastAssignment
  }
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent)) {
    return [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(parent.operator)
  }
  if (ts.isForOfStatement(parent) || ts.isForInStatement(parent)) return parent.initializer === node
  return (ts.isNewExpression(parent) && parent.expression === node) || ts.isTaggedTemplateExpression(parent)
}

/** Whether `node` is `a` in `a.b`, `a[0]` or `a!`, or in a pattern that is assigned to, such as `[a]`. */
const isPartOf = (ts, parent, node) =>
  ((ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent)) &&
    parent.expression === node) ||
  ts.isNonNullExpression(parent) ||
  ts.isParenthesizedExpression(parent) ||
  ts.isArrayLiteralExpression(parent) ||
  ts.isObjectLiteralExpression(parent) ||
  ts.isPropertyAssignment(parent) ||
  ts.isSpreadElement(parent)

/** Whether `node` is `name = await consumeCredits(…)`, by any name of the function. */
function isChargeOf({ ts, source, callees }, node, name) {
  const isAssigned =
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
    node.left.getText() === name
  if (!isAssigned) return false
  if (/^(?:await\s+)?(?:\w+\.)?consumeCredits\b/.test(node.right.getText())) return true
  const right = bare(ts, node.right)
  const call = ts.isAwaitExpression(right) ? bare(ts, right.expression) : right
  return ts.isCallExpression(call) && callees.nameOf(source, call) === 'consumeCredits'
}

/**
 * Whether a condition around the node checks the variable, or it is assigned just before in the same block.
 */
function isGuarded(about, node, name) {
  const { ts } = about
  const asks = new RegExp(`(?<![\\w.])${name}\\b`)
  for (
    let [child, parent] = [node, node.parent];
    parent && !ts.isFunctionLike(parent);
    child = parent, parent = parent.parent
  ) {
    if (ts.isIfStatement(parent) && child !== parent.expression && asks.test(parent.expression.getText()))
      return true
    if (
      ts.isConditionalExpression(parent) &&
      child !== parent.condition &&
      asks.test(parent.condition.getText())
    )
      return true
    const isLogical = ts.isBinaryExpression(parent) && child === parent.right
    if (isLogical && /&&|\|\|/.test(parent.operatorToken.getText()) && asks.test(parent.left.getText()))
      return true
    const before = parent.statements?.slice(0, parent.statements.indexOf(child)) ?? []
    if (before.some((statement) => isChargeOf(about, statement.expression ?? statement, name))) return true
  }
  return false
}

// ---- Notes ----

function notesOf(about, call) {
  const { ts, source, callees } = about
  const name = callees.nameOf(source, call)
  if (!isOfLedger(name)) return []
  const written = bare(ts, call.expression).getText(source.tree)
  const label = new RegExp(`\\b${name}$`).test(written) ? written : `${written} (${name})`
  const messages = [inTransaction(ts, call, name), limits(source, call, name), step(about, call, name)]
  return messages
    .filter(Boolean)
    .map((message) => ({ ...source.placeOf(call), message: `${label}: ${message}` }))
}

/** Inside a transaction of the app, a call on another connection waits for it, on SQLite for ever. */
function inTransaction(ts, call, name) {
  if (FUNCTIONS[name].isMadeOfOthers && name !== 'grantCreditsForUser') return undefined
  const [first] = call.arguments
  if (first && ts.isObjectLiteralExpression(first) && propertyOf(ts, first, 'tx')) return undefined
  for (let node = call; node.parent; node = node.parent) {
    const outer = node.parent
    const isCallback = ts.isCallExpression(outer) && outer.arguments.includes(node)
    if (!isCallback || !/\.\s*\$?transaction$/.test(outer.expression.getText())) continue
    const tx = node.parameters?.[0]?.name.getText() ?? 'tx'
    const instead = TAKES_TX.includes(name)
      ? `${bare(ts, call.expression).getText()}({ …${tx === 'tx' ? ', tx' : `, tx: ${tx}`} })`
      : `within(${tx}).${name}(…)`
    return `runs beside the app's transaction, not in it; ${instead} runs in it (docs/transactions.md)`
  }
  return undefined
}

/** A plan's limits, checked before the task is created: concurrent calls all pass the check. */
function limits(source, call, name) {
  if (name !== 'createMediaTask' || call.arguments.length > 2 || !LOOKS_AT_LIMITS.test(source.text))
    return undefined
  return 'pass the limits of the plan here, so that they hold for concurrent submits: maxActive, freeTrialLimit (docs/migrating.md)'
}

/** A charge followed by an update of the task: after a crash in between, the user has paid for no work. */
function step({ ts, source, callees }, call, name) {
  if (name !== 'consumeCredits') return undefined
  let around = call
  while (around.parent && !ts.isFunctionLike(around)) around = around.parent
  const isUpdate = (node) =>
    ts.isCallExpression(node) &&
    (callees.nameOf(source, node) ?? lastName(ts, node)) === 'updateMediaTaskById'
  return hasNode(ts, around, isUpdate)
    ? 'chargeMediaTask charges and changes the task in one transaction (docs/migrating.md)'
    : undefined
}

/** Whether `is` holds for a node, or for one within it. */
const hasNode = (ts, node, is) =>
  is(node) || Boolean(ts.forEachChild(node, (child) => hasNode(ts, child, is)))

module.exports = { mendCallers }
