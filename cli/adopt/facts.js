'use strict'

/**
 * Describes a function as a list of small facts: `.insert(credit)`, `eq(credit.userId,userId)`,
 * `set.status:…`. The names of its variables and its style do not matter; each literal, operator and column
 * does.
 */

const { bare, nameOf } = require('./literals')
const { FUNCTIONS } = require('./model-functions')
const { declares } = require('./names')

/** Nodes that are described only by their children. */
const TRANSPARENT = [
  ...['Block', 'ExpressionStatement', 'ReturnStatement', 'VariableStatement', 'VariableDeclarationList'],
  ...['ParenthesizedExpression', 'AwaitExpression', 'AsExpression', 'NonNullExpression', 'ThrowStatement'],
  ...[
    'SatisfiesExpression',
    'TypeAssertionExpression',
    'EmptyStatement',
    'ArrowFunction',
    'FunctionExpression',
    'FunctionDeclaration',
    'IfStatement',
  ],
  ...['ObjectBindingPattern', 'ArrayBindingPattern', 'ObjectLiteralExpression', 'TemplateSpan', 'NewKeyword'],
]
const LOGS = /^console\.(?:log|info|debug|warn|error)$/
/** Names that must be Drizzle's functions, not others of the same name. */
const OF_DRIZZLE = [
  'and',
  'asc',
  'count',
  'desc',
  'eq',
  'gt',
  'gte',
  'inArray',
  'isNull',
  'lt',
  'or',
  'sql',
  'sum',
]
/** Arguments that any helper of the file may get: none, the user, the row. */
const PLAIN = ['()', '($0)', '(userId)']
/** A call on the value of an expression or a variable. */
const OF_A_VALUE = /^(?:_|\$\d|@)$/

class Facts {
  /** `parts` are the function, and the helpers of its file that it uses. */
  constructor({ file, name, made, parts, variables }) {
    Object.assign(this, { ts: file.ts, tree: file.tree, file, spec: FUNCTIONS[name], made, parts, variables })
    this.found = []
    this.own = new Map()
    for (const part of parts) this.#declare(part)
    this.#parameters()
  }

  /** All facts as `{ text, node, name? }`, in the order of the text; `name` if the fact has a single name. */
  all() {
    for (const part of this.parts) this.#visit(part)
    return this.found
  }

  #declare(node) {
    // The name of an import counts as the import everywhere.
    const isOwn = this.ts.isIdentifier(node) && declares(this.ts, node) && !this.file.imports.has(node.text)
    if (isOwn) this.own.set(node.text, '_')
    this.ts.forEachChild(node, (child) => this.#declare(child))
    // A helper of the file keeps its name.
    for (const part of this.parts) if (part.name?.text) this.own.delete(part.name.text)
  }

  /** A parameter is described by its index, a field of an object by its name. */
  #parameters() {
    const { ts } = this
    for (const [at, { name }] of this.made.parameters.entries()) {
      if (ts.isIdentifier(name)) this.own.set(name.text, `$${at}`)
      if (!ts.isObjectBindingPattern(name)) continue
      for (const element of name.elements) {
        if (ts.isIdentifier(element.name))
          this.own.set(element.name.text, (element.propertyName ?? element.name).text)
      }
    }
  }

  #add(node, text, name) {
    this.found.push({ node, text, name })
  }

  // ---- The text of a fact ----

  /** A name, a literal or a member in full; `@` for anything composed of others. */
  #leaf(written) {
    const { ts } = this
    let node = bare(ts, written)
    while (ts.isAwaitExpression(node)) node = bare(ts, node.expression)
    if (ts.isIdentifier(node)) return this.#named(node)
    if (ts.isStringLiteralLike(node)) return JSON.stringify(node.text)
    if (ts.isPropertyAccessExpression(node)) return this.#member(node)
    if (ts.isSpreadElement(node)) return `...${this.#leaf(node.expression)}`
    const isWord = ['TrueKeyword', 'FalseKeyword', 'NullKeyword'].includes(ts.SyntaxKind[node.kind])
    return isWord || ts.isNumericLiteral(node) || ts.isBigIntLiteral(node) ? node.getText(this.tree) : '@'
  }

  #named({ text }) {
    const own = this.own.get(text)
    if (own) return own
    const from = this.file.imports.get(text)
    if (from && ['default', '*'].includes(from.imported)) return `${from.imported} of ${from.module}`
    const name = from?.imported ?? text
    if (from && OF_DRIZZLE.includes(name) && !from.module.startsWith('drizzle-orm'))
      return `${name} of ${from.module}`
    return this.variables[name] ?? name
  }

  /** `schema.credit` counts as the table. */
  #member(node) {
    const owner = bare(this.ts, node.expression)
    const member = node.name.text
    if (this.ts.isIdentifier(owner) && this.file.imports.get(owner.text)?.imported === '*') {
      if (Object.hasOwn(this.variables, member)) return this.variables[member]
      if (Object.hasOwn(FUNCTIONS, member)) return member
    }
    const left = this.#leaf(owner)
    return left === '$0' && this.spec.fields ? member : `${left}.${member}`
  }

  /** The arguments; several composed ones count as one. */
  #list(nodes) {
    const texts = nodes.map((node) => this.#leaf(node))
    return texts.filter((text, at) => text !== '@' || texts[at - 1] !== '@').join(',')
  }

  // ---- Node by node ----

  #visit(node) {
    const { ts } = this
    const isType = ts.isTypeNode(node) || ts.isTypeParameterDeclaration(node)
    if (isType || ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) return
    const kind = ts.SyntaxKind[node.kind]
    const how = HOW[kind] ?? Object.entries(HOW).find(([name]) => ts.SyntaxKind[name] === node.kind)?.[1]
    if (how) return how(this, node)
    if (TRANSPARENT.some((name) => ts.SyntaxKind[name] === node.kind)) return this.inside(node)
    // Keywords and punctuation.
    if (node.kind > ts.SyntaxKind.LastToken || ts.isPrivateIdentifier?.(node)) this.#add(node, kind)
    this.inside(node)
  }

  inside(node) {
    this.ts.forEachChild(node, (child) => this.#visit(child))
  }

  visit(node) {
    if (node) this.#visit(node)
  }

  say(node, text, name) {
    this.#add(node, text, name)
  }

  leaf(node) {
    return this.#leaf(node)
  }

  list(nodes) {
    return this.#list(nodes)
  }

  isHelper(name) {
    return this.parts.some((part) => part.name?.text === name) && !Object.hasOwn(FUNCTIONS, name)
  }

  isTable(node) {
    return Object.values(this.variables).includes(this.#leaf(node))
  }

  /** Whether an identifier refers to a value: it is not a key, and not declared in the function. */
  isUse(node) {
    const { parent } = node
    const isKey =
      [parent.name, parent.propertyName].includes(node) && !this.ts.isShorthandPropertyAssignment(parent)
    return !isKey && !declares(this.ts, node)
  }
}

/** The method that takes an object; `undefined` if there is none. */
function purpose(facts, literal) {
  const { ts } = facts
  const call = literal.parent
  if (!ts.isCallExpression(call)) return ''
  const callee = bare(ts, call.expression)
  return ts.isPropertyAccessExpression(callee) ? callee.name.text : facts.leaf(callee)
}

function property(facts, node) {
  const name = nameOf(facts.ts, node) ?? '[…]'
  const value = node.initializer ?? node.name
  facts.say(node, `${purpose(facts, node.parent)}{${name}:${facts.leaf(value)}`)
  facts.visit(value)
}

function spread(facts, node) {
  const to = facts.ts.isSpreadAssignment(node) ? `${purpose(facts, node.parent)}{` : '['
  facts.say(node, `${to}...${facts.leaf(node.expression)}`)
  facts.visit(node.expression)
}

function call(facts, node) {
  const { ts } = facts
  const callee = bare(ts, node.expression)
  if (LOGS.test(callee.getText(facts.tree))) {
    for (const each of node.arguments) if (facts.leaf(each) === '@') facts.visit(each)
    return
  }
  const words = `(${facts.list(node.arguments)})`
  if (ts.isPropertyAccessExpression(callee)) {
    const member = facts.leaf(callee)
    const owner = facts.leaf(callee.expression)
    const isOfValue = OF_A_VALUE.test(owner) || facts.own.has(callee.expression.getText(facts.tree))
    const text = isOfValue ? `.${callee.name.text}` : member
    const written = node
      .getText(facts.tree)
      .slice(callee.name.getStart(facts.tree) - node.getStart(facts.tree))
    facts.say(callee.name, text + words, isOfValue ? `.${written}` : node.getText(facts.tree))
    if (isOfValue || member.includes('.')) facts.visit(callee.expression)
  } else if (ts.isIdentifier(callee) && facts.isHelper(callee.text)) {
    if (!PLAIN.includes(words)) facts.say(node, `helper${words}`, node.getText(facts.tree))
  } else {
    facts.say(
      node,
      (ts.isIdentifier(callee) ? facts.leaf(callee) : callee.getText(facts.tree)) + words,
      node.getText(facts.tree),
    )
    if (!ts.isIdentifier(callee)) facts.visit(callee)
  }
  for (const each of node.arguments) facts.visit(each)
}

/** A template's texts and expressions. */
function template(facts, node) {
  const made = node.template ?? node
  const spans = made.templateSpans ?? []
  const head = made.head?.text ?? made.text
  const text = spans.reduce(
    (all, { expression, literal }) => `${all}\${${facts.leaf(expression)}}${literal.text}`,
    head,
  )
  const tag = node.tag ? facts.leaf(node.tag) : ''
  facts.say(node, `${tag}\`${text.replace(/\s+/g, ' ').trim()}\``)
  for (const { expression } of spans) facts.visit(expression)
}

function withDefault(facts, node) {
  const { ts } = facts
  if (node.initializer) {
    const value = facts.leaf(node.initializer)
    const name = ts.isIdentifier(node.name) ? facts.leaf(node.name) : '_'
    if (value !== '@' && value !== '_') facts.say(node, `${name}=${value}`)
    facts.visit(node.initializer)
  }
  if (node.dotDotDotToken) facts.say(node, '...')
  if (!ts.isIdentifier(node.name)) facts.visit(node.name)
}

const operands = (facts, node, text) => {
  facts.say(node, text)
  facts.inside(node)
}

/**
 * How each kind of node is described. Kinds that are neither here nor transparent are described by their
 * names.
 */
const HOW = {
  CallExpression: call,
  NewExpression(facts, node) {
    facts.say(node, `new ${facts.leaf(node.expression)}(${facts.list(node.arguments ?? [])})`)
    for (const each of node.arguments ?? []) facts.visit(each)
  },
  TaggedTemplateExpression: template,
  TemplateExpression: template,
  NoSubstitutionTemplateLiteral: template,
  PropertyAssignment: property,
  ShorthandPropertyAssignment: property,
  SpreadAssignment: spread,
  SpreadElement: spread,
  Parameter: withDefault,
  BindingElement: withDefault,
  VariableDeclaration: withDefault,
  BinaryExpression(facts, node) {
    operands(
      facts,
      node,
      `${facts.leaf(node.left)} ${node.operatorToken.getText(facts.tree)} ${facts.leaf(node.right)}`,
    )
  },
  PrefixUnaryExpression(facts, node) {
    operands(facts, node, node.getText(facts.tree)[0] + facts.leaf(node.operand))
  },
  PostfixUnaryExpression(facts, node) {
    operands(facts, node, facts.leaf(node.operand) + node.getText(facts.tree).slice(-2))
  },
  ConditionalExpression(facts, node) {
    const [a, b, c] = [node.condition, node.whenTrue, node.whenFalse].map((each) => facts.leaf(each))
    operands(facts, node, `${a} ? ${b} : ${c}`)
  },
  ArrayLiteralExpression(facts, node) {
    operands(facts, node, `[${facts.list(node.elements)}]`)
  },
  ElementAccessExpression(facts, node) {
    operands(facts, node, `${facts.leaf(node.expression)}[${facts.leaf(node.argumentExpression)}]`)
  },
  PropertyAccessExpression(facts, node) {
    // A column is described together with what is done with it.
    if (!facts.isTable(node.expression)) facts.say(node, facts.leaf(node))
    if (!facts.ts.isIdentifier(bare(facts.ts, node.expression))) facts.visit(node.expression)
  },
  IfStatement(facts, node) {
    const condition = facts.leaf(node.expression)
    if (condition !== '@') facts.say(node.expression, `if ${condition}`)
    facts.inside(node)
  },
  ReturnStatement(facts, node) {
    const value = node.expression ? facts.leaf(node.expression) : 'nothing'
    if (!['@', '_'].includes(value)) facts.say(node, `return ${value}`)
    facts.inside(node)
  },
  EnumDeclaration: (facts, node) => facts.inside(node),
  /** `ACTIVE = 'active'` has the expected value. */
  EnumMember(facts, { name, initializer }) {
    const value = initializer && facts.leaf(initializer)
    if (value !== JSON.stringify(name.getText(facts.tree).toLowerCase()))
      facts.say(name, `${name.getText(facts.tree)}=${value}`, name.getText(facts.tree))
  },
  Identifier(facts, node) {
    if (!facts.isUse(node) || facts.own.has(node.text) || facts.isHelper(node.text)) return
    facts.say(node, facts.leaf(node), node.text)
  },
}

module.exports = { Facts }
