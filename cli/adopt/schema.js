'use strict'

/**
 * The Drizzle schema: which variable is which table, and the column `credit_id`, which is added if it is
 * missing.
 */

const { append, bare, nameOf } = require('./literals')
const { importsOf } = require('./names')
const { AdoptError } = require('./refusal')

/** The ledger's tables, with their usual variable names for apps without a schema file. */
const USUAL = { user: 'user', credit: 'credit', ai_task: 'aiTask', media_tasks: 'mediaTasks' }
const CHARGED = ['ai_task', 'media_tasks']
const COLUMN = 'credit_id'
/** Apps often have a schema for each database; the package does not support this one. */
const UNSUPPORTED = /singlestore/
const MYSQL = /mysql/
const MYSQL_CORE = 'drizzle-orm/mysql-core'
/** The length of ids on MySQL, so that they fit in an index. */
const LENGTH = 191

/** Each `…Table('media_tasks', { … })` of the app: its file, its variable and its columns. */
function tablesOf(app) {
  const { ts } = app
  return app.sourcesWith(/drizzle-orm/).flatMap((source) => {
    const found = []
    const visit = (node) => {
      const table = tableOf(ts, source, node)
      if (table) found.push(table)
      ts.forEachChild(node, visit)
    }
    visit(source.tree)
    return found
  })
}

function tableOf(ts, source, node) {
  if (!ts.isVariableDeclaration(node) || !node.initializer || !ts.isIdentifier(node.name)) return undefined
  const call = bare(ts, node.initializer)
  if (!ts.isCallExpression(call) || call.arguments.length < 2) return undefined
  const [title, columns] = call.arguments
  if (!ts.isStringLiteralLike(title) || !Object.hasOwn(USUAL, title.text)) return undefined
  return { source, call, table: title.text, variable: node.name.text, columns }
}

/** The tables' names by variable: `{ mediaTasks: 'media_tasks' }`. */
function variablesOf(tables) {
  const usual = Object.entries(USUAL).map(([table, variable]) => [variable, table])
  return Object.fromEntries([...usual, ...tables.map(({ table, variable }) => [variable, table])])
}

/**
 * Adds `credit_id` to tables of tasks that lack it.
 *
 * @returns {{ isChanged: boolean, notes: object[] }} whether a table lacked it; tables whose columns could
 * not be read
 */
function addCreditIds(app, tables) {
  const found = { isChanged: false, notes: [] }
  const imported = new Set()
  for (const table of tables.filter((each) => CHARGED.includes(each.table))) {
    const literal = literalOf(app.ts, table.columns)
    if (!literal) {
      const message = `the columns of ${table.table} are not an object literal: check that it has creditId: text('${COLUMN}')`
      found.notes.push({ ...table.source.placeOf(table.call), message })
    } else if (
      lacks(app.ts, literal) &&
      !UNSUPPORTED.test(table.call.expression.getText(table.source.tree))
    ) {
      addColumn(app.ts, table, { literal, imported })
      found.isChanged = true
    }
  }
  return found
}

/** The object with the columns, which a function may return. */
function literalOf(ts, columns) {
  const node = bare(ts, columns)
  const object = ts.isArrowFunction(node) ? bare(ts, node.body) : node
  return ts.isObjectLiteralExpression(object) ? object : undefined
}

const lacks = (ts, literal) => !literal.properties.some((property) => columnOf(ts, property) === COLUMN)

/**
 * The column's SQL name: the first text in its definition, or Drizzle's conversion of the property's name.
 */
function columnOf(ts, property) {
  const builder = builderOf(ts, property)
  const [title] = builder?.arguments ?? []
  if (title && ts.isStringLiteralLike(title)) return title.text
  return nameOf(ts, property)?.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** `text('x')` in `text('x').notNull().default('')`. */
function builderOf(ts, property) {
  let node = property.initializer && bare(ts, property.initializer)
  while (node && ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const inner = bare(ts, node.expression.expression)
    if (!ts.isCallExpression(inner)) break
    node = inner
  }
  return node && ts.isCallExpression(node) ? node : undefined
}

function addColumn(ts, table, { literal, imported }) {
  const { source } = table
  const isMysql = MYSQL.test(table.call.expression.getText(source.tree))
  const builder = isMysql ? varcharBuilder(ts, table, imported) : textBuilder(ts, literal)
  if (!builder) {
    const { path, line } = source.placeOf(literal)
    const kind = isMysql ? `nothing imported from ${MYSQL_CORE}` : 'no column that text() defines'
    throw new AdoptError(`${path}:${line}: ${table.table} has ${kind}; add ${COLUMN} by hand`)
  }
  // Without explicit names, Drizzle derives them from the properties' names.
  const isNamed = literal.properties.some((property) => {
    const [title] = builderOf(ts, property)?.arguments ?? []
    return title && ts.isStringLiteralLike(title)
  })
  const words = [...(isNamed ? [source.quoted(COLUMN)] : []), ...(isMysql ? [`{ length: ${LENGTH} }`] : [])]
  append(source, literal, `creditId: ${builder}(${words.join(', ')})`)
  source.because(
    `${table.table}.${COLUMN} holds the id of a task's charge, which is refunded if the task fails`,
  )
}

/** How this table creates a text column: `text`, or `t.text`. */
function textBuilder(ts, literal) {
  const made = literal.properties.map((property) => builderOf(ts, property)?.expression.getText())
  return made.find((name) => /(?:^|\.)text$/.test(name ?? ''))
}

/** How a MySQL table creates a column of limited length. Adds the import if it is missing. */
function varcharBuilder(ts, { source, columns }, imported) {
  const made = bare(ts, columns)
  if (ts.isArrowFunction(made) && made.parameters.length > 0) {
    const [{ name }] = made.parameters
    return ts.isIdentifier(name) ? `${name.text}.varchar` : undefined
  }
  const imports = importsOf(ts, source.tree)
  const own = [...imports].filter(([, { module }]) => module === MYSQL_CORE)
  const [local] = own.find(([, about]) => about.imported === 'varchar') ?? []
  if (local) return local
  const [namespace] = own.find(([, about]) => about.imported === '*') ?? []
  if (namespace) return `${namespace}.varchar`
  const clause = own.map(([, { statement }]) => statement.importClause).find(({ isTypeOnly }) => !isTypeOnly)
  if (!clause || imports.has('varchar')) return undefined
  if (!imported.has(source)) append(source, clause.namedBindings, 'varchar')
  imported.add(source)
  return 'varchar'
}

module.exports = { addCreditIds, tablesOf, variablesOf }
