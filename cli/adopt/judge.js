'use strict'

/** Decides whether a function of the app does the same as the package's function with its name, or more. */

const fs = require('node:fs')
const path = require('node:path')
const { Facts } = require('./facts')
const { assignedProperty, bare, nameOf } = require('./literals')
const { ACTIVE, COUNTS_ACTIVE, FUNCTIONS, TABLE_OF } = require('./model-functions')
const { namesIn } = require('./names')

/** Calls that query a database through Drizzle. */
const ASKS = /\.\s*(?:select|insert|update|delete|execute|query|selectDistinct|transaction)\b/

/** Modules that a model needs besides tables: ids, the database, users, logs. */
const HARMLESS_MODULES = /^drizzle-orm|(?:^|\/)db(?:\/index)?$|hash|uuid|nanoid|cuid|snow|crypto/i
const HARMLESS_NAMES =
  /^(?:db|log|logger|console|appendUserToResult|getUserByUserIds|getUuid|getSnowId|nanoid|uuid)$|^(?:Credit|AITask|MediaTask)\w*(?:Status|Type|Scene)$/
/** Columns that both the app's models and the package fill in. */
const OWN_COLUMNS = [
  'remainingCredits',
  'status',
  'creditId',
  'createdAt',
  'updatedAt',
  'deletedAt',
  'userEmail',
]
/** How many characters of the code are shown in a message. */
const LONGEST = 60
/** Tables that the package's functions write or read. */
const TABLES = ['user', 'credit', 'ai_task', 'media_tasks']

/**
 * Decides what to do with a declared function: `replace`; `keep`, if it is another function with this name or
 * reads something of its own; or `refuse`, if it writes something of its own.
 *
 * @param {object} about `file` (imports, statements by name, `ts`), the `name`, its function's `node`,
 * `variables` of tables
 * @returns {{ verdict: 'replace' | 'keep' | 'refuse', why?: string, isFirstToRefund?: boolean }}
 */
function judge({ file, name, node, variables }) {
  const { ts } = file
  const spec = FUNCTIONS[name]
  const made = functionOf(ts, node)
  const reach = reached(file, node)
  const text = reach.nodes.map((part) => part.getText(file.tree)).join('\n')
  const tables = tablesIn(file, reach.names, variables)
  const isModel = spec.isMadeOfOthers
    ? name === 'calculateCreditExpirationTime' || reach.names.has('createCredit')
    : ASKS.test(text) && tables.includes(TABLE_OF[spec.family])
  if (!isModel) return { verdict: 'keep' }
  const why = made
    ? moreThan({ file, spec, made, node, names: reach.names, variables, name, text })
    : 'it is no plain function'
  // If it never refunded, its callers may refund by themselves.
  const calls = [...reach.names].map((each) => importedAs(file, each))
  if (!why) return { verdict: 'replace', calls, isFirstToRefund: spec.refunds && !tables.includes('credit') }
  return { verdict: spec.writes ? 'refuse' : 'keep', why }
}

/** The facts of a declared function; `undefined` if it is not a plain function. */
function factsOf({ file, name, node, variables }) {
  const made = functionOf(file.ts, node)
  if (!made) return undefined
  return new Facts({ file, name, made, parts: reached(file, node).nodes, variables }).all()
}

/** The function in a declaration, if there is one. */
function functionOf(ts, node) {
  if (ts.isFunctionDeclaration(node)) return node.body ? node : undefined
  const value = node.initializer && bare(ts, node.initializer)
  return value && (ts.isArrowFunction(value) || ts.isFunctionExpression(value)) ? value : undefined
}

/** The names that a function uses, directly or through the file's helpers. */
function reached(file, node) {
  const [names, nodes, waiting] = [new Set(), [], [node]]
  while (waiting.length > 0) {
    const part = waiting.pop()
    nodes.push(part)
    for (const name of namesIn(file.ts, part).values) {
      if (names.has(name)) continue
      names.add(name)
      const helper = Object.hasOwn(FUNCTIONS, name) ? undefined : file.declared.get(name)
      if (helper && !nodes.includes(helper)) waiting.push(helper)
    }
  }
  return { names, nodes }
}

const importedAs = (file, name) => file.imports.get(name)?.imported ?? name

/** The tables among these names; a namespace such as `schema` may contain any. */
function tablesIn(file, names, variables) {
  return [...names].flatMap((name) => {
    if (file.imports.get(name)?.imported === '*') return TABLES
    return variables[importedAs(file, name)] ?? []
  })
}

/** What a function accepts or does that the package's function does not; `undefined` if there is nothing. */
function moreThan(about) {
  return (
    unknownParameter(about) ??
    unknownUse(about) ??
    unknownColumn(about) ??
    unknownStates(about) ??
    chargesNothing(about) ??
    unknownFact(about)
  )
}

/** The first fact that no version of the app has in a function with this name. */
function unknownFact({ file, name, node, variables }) {
  const known = knownFacts().get(name)
  const facts = factsOf({ file, name, node, variables })
  const unknown = facts.filter(({ text }) => !known.has(text))
  const isWhole = !FUNCTIONS[name].isOfModule || known.has(facts.map(({ text }) => text).join('  '))
  if (unknown.length === 0 && !isWhole) return 'it does not do all of it'
  const isStrict = name !== 'consumeCredits' || facts.some(({ text }) => text.startsWith('new Error('))
  if (unknown.length === 0 && !isStrict) return 'it charges more than the balance'
  // Prefer a fact with a name, such as a call, to its parts.
  const found = unknown.find((fact) => fact.name) ?? unknown[0]
  if (!found) return undefined
  const line = file.source.lineOf(found.node.getStart(file.tree))
  const written = (found.name ?? found.node.getText(file.tree)).replace(/\s+/g, ' ')
  const said = written.length > LONGEST ? `${written.slice(0, LONGEST)}…` : written
  return `it also has \`${said}\`, in line ${line}`
}

let known
/** The known facts, by the name of the function. */
function knownFacts() {
  if (known) return known
  known = new Map(Object.keys(FUNCTIONS).map((name) => [name, new Set()]))
  let facts
  for (const line of fs.readFileSync(path.join(__dirname, 'known.txt'), 'utf8').split(/\r?\n/)) {
    if (line.startsWith('  '))
      for (const fact of [line.trim(), ...line.trim().split(/ {2,}/)]) facts.add(fact)
    else if (known.has(line)) facts = known.get(line)
  }
  return known
}

function unknownParameter({ file: { ts, tree }, spec, made }) {
  const { parameters } = made
  if (parameters.length > spec.takes) return `it also takes ${parameters[spec.takes].name.getText(tree)}`
  const [first] = parameters
  if (!first) return undefined
  const unknown = fieldsOf(ts, first, made)?.find((field) => !spec.fields?.includes(field))
  if (spec.fields && unknown) return `it also takes ${unknown}`
  const isWider =
    spec.writes && first.type && (ts.isIntersectionTypeNode(first.type) || ts.isTypeLiteralNode(first.type))
  return isWider && !spec.fields ? 'it takes more than a row' : undefined
}

/** The fields of a function's first parameter that it reads, as far as the code shows. */
function fieldsOf(ts, { name, type }, made) {
  if (ts.isObjectBindingPattern(name)) {
    return name.elements.map((element) =>
      element.dotDotDotToken ? '…' : (element.propertyName ?? element.name).text,
    )
  }
  const declared = type && ts.isTypeLiteralNode(type) ? type.members.map((member) => member.name?.text) : []
  const read = []
  const visit = (node) => {
    const isRead = ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)
    if (isRead && node.expression.text === name.text) read.push(node.name.text)
    ts.forEachChild(node, visit)
  }
  ts.forEachChild(made, visit)
  return [...declared, ...read]
}

/** An import that a model does not need: another table, mail, another service. */
function unknownUse({ file, names, variables }) {
  const unknown = [...names].find((name) => {
    const from = file.imports.get(name)
    if (!from || HARMLESS_MODULES.test(from.module) || HARMLESS_NAMES.test(from.imported)) return false
    if (Object.hasOwn(FUNCTIONS, from.imported)) return false
    return from.imported !== '*' && !TABLES.includes(variables[from.imported])
  })
  return unknown && `it also uses ${unknown}`
}

/** A column that a function fills in besides those of its caller. */
function unknownColumn({ file: { ts }, spec, made }) {
  if (!spec.writes) return undefined
  const parameters = made.parameters.map(({ name }) => name.getText())
  let found
  const visit = (node) => {
    const assigned = assignedProperty(ts, node)
    if (assigned && parameters.includes(assigned.expression.getText())) check([assigned.name.text])
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const [values] = node.expression.name.text === 'set' ? node.arguments : []
      if (values && ts.isObjectLiteralExpression(values)) {
        check(values.properties.flatMap((property) => nameOf(ts, property) ?? []))
      }
    }
    ts.forEachChild(node, visit)
  }
  const check = (names) => (found ??= names.find((name) => !OWN_COLUMNS.includes(name)))
  visit(made)
  return found && `it also fills in ${found}`
}

function unknownStates({ name, text }) {
  if (!COUNTS_ACTIVE.includes(name)) return undefined
  const states = Array.from(
    text.matchAll(/['"](pending|downloading|processing|extracted|translating|queued)['"]/g),
  )
  const other = states.map(([, state]) => state).find((state) => !ACTIVE.includes(state))
  return other && `it counts tasks that are ${other} (connect({ activeStatuses }) sets them)`
}

/** If callers charge by themselves, a function that charges would charge twice. */
function chargesNothing({ file, spec, names, variables }) {
  const charges = names.has('consumeCredits') || tablesIn(file, names, variables).includes('credit')
  return spec.charges && !charges
    ? 'it does not charge: its callers may charge, and the package would charge again'
    : undefined
}

module.exports = { factsOf, judge }
