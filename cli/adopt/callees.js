'use strict'

/** Finds the functions of the ledger under the names that an app's imports and exports give them. */

const path = require('node:path')
const { bare } = require('./literals')
const { FUNCTIONS } = require('./model-functions')
const { hasModifier, importsOf } = require('./names')

const isOfLedger = (name) => Object.hasOwn(FUNCTIONS, name)

class Callees {
  #app
  #imports = new Map()
  #filesByStem
  #aliased = new Map()

  constructor(app) {
    this.#app = app
    this.#filesByStem = new Map(app.files.map((file) => [stemOf(file), file]))
  }

  /** The files that may call a function of the ledger, by its own name or that of a renamed export. */
  sources() {
    const names = new Set(Object.keys(FUNCTIONS))
    for (let known = 0; known < names.size;) {
      known = names.size
      for (const source of this.#app.sourcesWith(wordsOf(names))) {
        for (const name of this.#exportsOf(source)) {
          if (isOfLedger(this.#exported(source.path, name))) names.add(name)
        }
      }
    }
    return this.#app.sourcesWith(wordsOf(names))
  }

  /** The name under which the called function is declared; `undefined` if its owner is not imported. */
  nameOf(source, call) {
    const { ts } = this.#app
    const callee = bare(ts, call.expression)
    if (ts.isIdentifier(callee)) return this.#local(source, callee.text)
    const owner = ts.isPropertyAccessExpression(callee) && bare(ts, callee.expression)
    const from = owner && ts.isIdentifier(owner) && this.#importsOf(source).get(owner.text)
    if (!from) return undefined
    const member = callee.name.text
    return from.imported === '*' ? this.#exported(this.#fileOf(source.path, from.module), member) : member
  }

  #importsOf(source) {
    if (!this.#imports.has(source)) this.#imports.set(source, importsOf(this.#app.ts, source.tree))
    return this.#imports.get(source)
  }

  /** What a name of a file stands for. */
  #local(source, name, seen) {
    const from = this.#importsOf(source).get(name)
    return from ? this.#exported(this.#fileOf(source.path, from.module), from.imported, seen) : name
  }

  /** What a file exports by a name. It is the name itself if no export renames it. */
  #exported(file, name, seen = new Set()) {
    if (!file || seen.has(file)) return name
    seen.add(file)
    const { ts } = this.#app
    const source = this.#app.source(file)
    for (const statement of source.tree.statements) {
      if (name === 'default') {
        const exported = defaultOf(ts, statement)
        if (exported) return this.#local(source, exported, seen)
      }
      const specifier = specifiersOf(ts, statement).find((each) => each.name.text === name)
      if (!specifier) continue
      const original = (specifier.propertyName ?? specifier.name).text
      const module = statement.moduleSpecifier?.text
      if (module === undefined) return this.#local(source, original, seen)
      return this.#exported(this.#fileOf(file, module), original, seen)
    }
    const all = source.tree.statements.filter((node) => ts.isExportDeclaration(node) && !node.exportClause)
    const found = all.map((node) => this.#exported(this.#fileOf(file, node.moduleSpecifier.text), name, seen))
    return found.find((each) => each !== name) ?? name
  }

  /** The names in the lists of exports of a file, and its default export. */
  #exportsOf({ tree }) {
    const { ts } = this.#app
    return tree.statements.flatMap((statement) =>
      defaultOf(ts, statement) ? ['default'] : specifiersOf(ts, statement).map(({ name }) => name.text),
    )
  }

  /**
   * The file of a module: by its path, or for an alias such as `@/models` the one with the shortest path that
   * ends so. `undefined` for a package.
   */
  #fileOf(from, module) {
    const isRelative = module.startsWith('.')
    const wanted = stemOf(
      isRelative ? path.posix.join(path.posix.dirname(from), module) : module.replace(/^[@~#$]\w*\//, ''),
    )
    if (isRelative) return this.#filesByStem.get(wanted)
    if (!this.#aliased.has(wanted)) {
      const stems = [...this.#filesByStem.keys()].filter((stem) => `/${stem}`.endsWith(`/${wanted}`))
      const shortest = stems.sort((a, b) => a.length - b.length)[0]
      this.#aliased.set(wanted, this.#filesByStem.get(shortest))
    }
    return this.#aliased.get(wanted)
  }
}

/** A path without its extension and `/index`. */
const stemOf = (file) => file.replace(/\.[cm]?[jt]sx?$/, '').replace(/(?:^|\/)(?:index)?$/, '')

/** A default import may have any name, so that each file with imports counts. */
const wordsOf = (names) =>
  names.has('default')
    ? /\bimport\b/
    : new RegExp(`\\b(?:${[...names].map((name) => name.replaceAll('$', '\\$')).join('|')})\\b`)

/** The specifiers of `export { a as b }`, with or without a module. */
function specifiersOf(ts, statement) {
  const list = ts.isExportDeclaration(statement) && statement.exportClause
  return list && ts.isNamedExports(list) ? list.elements : []
}

/** The name of the function in `export default name` or `export default function name`. */
function defaultOf(ts, statement) {
  if (ts.isExportAssignment(statement)) {
    const value = bare(ts, statement.expression)
    return ts.isIdentifier(value) ? value.text : undefined
  }
  const isDefault =
    ts.isFunctionDeclaration(statement) && hasModifier(statement, ts.SyntaxKind.DefaultKeyword)
  return isDefault ? statement.name?.text : undefined
}

module.exports = { Callees, isOfLedger }
