'use strict'

/** Finds code of the app that moves credits or ends tasks without the package, outside its transactions. */

const { bare, nameOf } = require('./literals')
const { importsOf } = require('./names')

const WORDS = /\bcredit|\bai_?task|\bmedia_?task/i
const BALANCE = ['remainingCredits', 'remaining_credits']
const TASKS = ['ai_task', 'media_tasks']
/**
 * A table's name, perhaps with a schema, quoted as in PostgreSQL and SQLite or as in MySQL; in a template
 * after `\`.
 */
const QUOTE = '\\\\?["`]?'
const tableNamed = (names) => `(?:${QUOTE}\\w+${QUOTE}\\.)?${QUOTE}(?:${names})`
const RAW = new RegExp(
  `\\bupdate\\s+${tableNamed('credit|ai_task|media_tasks')}${QUOTE}\\s+set\\b|` +
    `\\binsert\\s+(?:ignore\\s+)?into\\s+${tableNamed('credit')}(?:${QUOTE})[\\s(]`,
  'i',
)

/** Places in the app that write the ledger's rows, except those that are about to be removed. */
function chargesAround(app, variables) {
  return app.sourcesWith(WORDS).flatMap((source) => {
    const about = { source, ts: app.ts, variables, imports: importsOf(app.ts, source.tree) }
    const gone = source.edits.filter(({ start, end }) => end > start)
    const found = []
    const visit = (node) => {
      if (gone.some(({ start, end }) => node.getStart(source.tree) >= start && node.getEnd() <= end)) return
      const message = whatIsWrong(about, node)
      if (message) found.push({ ...source.placeOf(node), message })
      app.ts.forEachChild(node, visit)
    }
    visit(source.tree)
    return found
  })
}

function whatIsWrong(about, node) {
  const { ts } = about
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
    return RAW.test(node.getText(about.source.tree)) ? 'SQL that writes the rows of the ledger' : undefined
  }
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined
  const { name, expression } = node.expression
  if (name.text === 'set') return wrongUpdate(about, tableOf(about, expression, 'update'), node.arguments[0])
  if (name.text === 'values' && tableOf(about, expression, 'insert') === 'credit')
    return wrongInsert(about, node)
  return undefined
}

/** The table of the `….update(table)` on which `.set` is called. */
function tableOf({ ts, imports, variables }, node, method) {
  const call = bare(ts, node)
  if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression)) return undefined
  if (call.expression.name.text !== method) return undefined
  const [table] = call.arguments
  if (!table) return undefined
  if (ts.isPropertyAccessExpression(table)) return variables[table.name.text]
  if (!ts.isIdentifier(table)) return undefined
  return variables[imports.get(table.text)?.imported ?? table.text]
}

function wrongUpdate({ ts }, table, patch) {
  const values = patch && bare(ts, patch)
  const keys =
    values && ts.isObjectLiteralExpression(values)
      ? values.properties.map((key) => nameOf(ts, key))
      : undefined
  if (table === 'credit') {
    if (keys?.some((key) => BALANCE.includes(key))) return 'changes the remaining credits of a grant'
    if (!keys || keys.includes('status')) return 'changes rows of the ledger'
  }
  if (TASKS.includes(table)) {
    if (!keys || keys.includes('status')) return `changes the status of a task: a failure refunds no credits`
    if (keys.includes('creditId')) return 'changes the charge of a task'
  }
  return undefined
}

/** Whether a charge is inserted. Inserting grants is allowed. */
function wrongInsert({ ts, source }, call) {
  const [row] = call.arguments
  const text = row && (ts.isIdentifier(row) ? declarationText(ts, row, source) : row.getText(source.tree))
  return /\bCONSUME\b|['"]consume['"]/.test(text ?? '') ? 'inserts a charge' : undefined
}

/** The declaration of the nearest variable with this name, as text. */
function declarationText(ts, name, source) {
  for (let scope = name.parent; scope; scope = scope.parent) {
    for (const statement of scope.statements ?? []) {
      if (!ts.isVariableStatement(statement)) continue
      const found = statement.declarationList.declarations.find(
        (each) => each.name.getText(source.tree) === name.text,
      )
      if (found) return found.getText(source.tree)
    }
  }
  return undefined
}

module.exports = { chargesAround }
