'use strict'

/**
 * A file with models of the app: functions that the package has are replaced by imports; everything else
 * stays.
 */

const { NAME } = require('./dependency')
const { usedBefore } = require('./hoisting')
const { judge } = require('./judge')
const { bare } = require('./literals')
const { FAMILIES, FUNCTIONS, ROW_TYPES } = require('./model-functions')
const { declaredBy, hasModifier, importsOf, namesIn } = require('./names')
const { AdoptError } = require('./refusal')

class ModelFile {
  constructor(source) {
    this.source = source
    this.ts = source.ts
    this.tree = source.tree
    this.imports = importsOf(this.ts, this.tree)
    /** What the file declares: for a variable its declaration, otherwise the statement. */
    this.declared = new Map()
    for (const statement of this.tree.statements) this.#declare(statement)
  }

  #declare(statement) {
    const { ts } = this
    if (!ts.isVariableStatement(statement)) {
      for (const name of declaredBy(ts, statement)) this.declared.set(name, statement)
      return
    }
    for (const declaration of statement.declarationList.declarations) {
      if (ts.isIdentifier(declaration.name)) this.declared.set(declaration.name.text, declaration)
    }
  }

  /** The functions of the ledger that the file declares itself, and the decision about each. */
  judged(variables) {
    const names = Object.keys(FUNCTIONS).filter((name) => this.declared.has(name))
    return names.map((name) => {
      const node = this.declared.get(name)
      return { name, node, ...judge({ file: this, name, node, variables }) }
    })
  }

  /** Replaces the functions with these names by the package's, and removes what only they used. */
  replace(names) {
    this.#requireModule()
    const gone = this.#statementsOf(names)
    const needed = this.#typesFor(names)
    const orphans = this.#orphansOf(gone, needed.used)
    const [first] = gone
    const early = usedBefore(this, first, names)
    if (early) {
      const why = `${early.name} is used here while the module loads, before its declaration, which a const does not allow: move the use below it`
      this.refuse(early.node, why)
    }
    const kept = this.tree.statements.filter((node) => !gone.has(node) && !orphans.has(node))
    for (const node of [...gone, ...orphans]) {
      if (node !== first) this.source.remove(this.source.spanOf(node))
    }
    this.source.remove(this.source.spanOf(first), this.#declarations(names, needed.text))
    const used = new Set(
      kept.filter((node) => !this.ts.isImportDeclaration(node)).flatMap((node) => this.#all(node)),
    )
    const ofModule = names.filter((name) => FUNCTIONS[name].isOfModule)
    const isConnected = ofModule.length < names.length
    const lost = this.#trimImports(used, needed.used)
    this.#import([...ofModule, ...(isConnected ? ['connect'] : []), ...needed.imports], lost)
  }

  #all(node) {
    return [...namesIn(this.ts, node).all]
  }

  #requireModule() {
    const [first] = this.tree.statements
    const directive = first && this.ts.isExpressionStatement(first) && first.expression
    if (directive && this.ts.isStringLiteral(directive) && directive.text === 'use server') {
      this.refuse(
        first,
        "a file with 'use server' can export only its own functions: move the models to a file without it",
      )
    }
    if (!this.ts.isExternalModule(this.tree)) this.refuse(first, 'it is no ES module')
  }

  refuse(node, why) {
    const { path, line } = this.source.placeOf(node)
    throw new AdoptError(`${path}:${line}: ${why}`)
  }

  /** The statements that declare these functions, including overloads. */
  #statementsOf(names) {
    const found = new Set()
    for (const statement of this.tree.statements) {
      const declared = declaredBy(this.ts, statement)
      if (!declared.some((name) => names.includes(name))) continue
      const other = declared.find((name) => !names.includes(name))
      if (other)
        this.refuse(
          statement,
          `${other} is declared in one statement with functions of the ledger: declare it separately`,
        )
      found.add(statement)
    }
    return found
  }

  /** Statements without an export that are no longer used, except those with a name in `needed`. */
  #orphansOf(gone, needed) {
    const { ts } = this
    const orphans = new Set()
    const isExported = (node) => hasModifier(node, ts.SyntaxKind.ExportKeyword)
    for (;;) {
      const leaving = [...gone, ...orphans]
      const staying = this.tree.statements.filter((node) => !leaving.includes(node))
      const usedBy = (nodes) => new Set(nodes.flatMap((node) => this.#all(node)))
      const wasUsed = usedBy(leaving)
      const found = staying.filter((node) => {
        const names = declaredBy(ts, node)
        const others = usedBy(staying.filter((other) => other !== node && !ts.isImportDeclaration(other)))
        const isUsed = names.some((name) => others.has(name) || needed.includes(name))
        return names.some((name) => wasUsed.has(name)) && !isUsed && !isExported(node)
      })
      if (found.length === 0) return orphans
      for (const node of found) orphans.add(node)
    }
  }

  // ---- What replaces them ----

  /** The type arguments of `connect`: the app's row types, if this file has them. */
  #typesFor(names) {
    const nothing = { text: '', imports: [], used: [] }
    if (!this.source.isTyped) return nothing
    const specs = names.map((name) => FUNCTIONS[name])
    const families = FAMILIES.map((family) => {
      if (!specs.some((spec) => spec.family === family && spec.returnsRows)) return { type: 'object' }
      const type = ROW_TYPES[family]
      if (this.#hasType(type, names)) return { type, isOwn: true }
      return this.#isTaken(type)
        ? { type: `Ledger${type}`, import: `type ${type} as Ledger${type}` }
        : { type, import: `type ${type}` }
    })
    const user = specs.some(({ getsUser }) => getsUser) && this.#hasType('User', names)
    if (!user && !families.some(({ isOwn }) => isOwn)) return nothing
    const last = families.findLastIndex(({ type }) => type !== 'object')
    const needed = user ? [...families, { type: 'User', isOwn: true }] : families.slice(0, last + 1)
    return {
      text: `<${needed.map(({ type }) => type).join(', ')}>`,
      imports: needed.flatMap((each) => each.import ?? []),
      used: needed.filter(({ isOwn }) => isOwn).map(({ type }) => type),
    }
  }

  /** Whether the file has a type with this name that does not depend on a removed function. */
  #hasType(type, names) {
    const { ts } = this
    if (this.imports.has(type)) return true
    const node = this.declared.get(type)
    if (!node || !(ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node))) return false
    return !this.#all(node).some((name) => names.includes(name))
  }

  #isTaken(name) {
    return this.declared.has(name) || this.imports.has(name)
  }

  /**
   * `export const { … } = connect<…>()`, and one without `export` for functions that were not exported where
   * they are declared.
   */
  #declarations(names, types) {
    const { source, ts } = this
    const called = `${this.#connectName}${types}()`
    const inOrder = [...this.declared.keys()].filter((name) => names.includes(name))
    const is = (name, kind) => hasModifier(this.#statement(name), ts.SyntaxKind[kind])
    const isDefault = (name) => is(name, 'DefaultKeyword')
    const isNamed = (name) => is(name, 'ExportKeyword') && !isDefault(name)
    const connected = inOrder.filter((name) => !FUNCTIONS[name].isOfModule)
    const imported = inOrder.filter((name) => FUNCTIONS[name].isOfModule && isNamed(name))
    const statements = [
      this.#listed('export const {', connected.filter(isNamed), `} = ${called}`),
      this.#listed(
        'const {',
        connected.filter((name) => !isNamed(name)),
        `} = ${called}`,
      ),
      this.#listed('export {', imported, '}'),
      ...inOrder.filter(isDefault).map((name) => `export default ${name}${source.semicolon}`),
    ]
    return statements.map((statement) => statement && statement + source.eol).join('')
  }

  #statement(name) {
    const node = this.declared.get(name)
    return this.ts.isVariableDeclaration(node) ? node.parent.parent : node
  }

  /** `head a, b tail` on one line, or on a line each. */
  #listed(head, names, tail) {
    const { eol, indent, semicolon } = this.source
    if (names.length === 0) return ''
    const short = `${head} ${names.join(', ')} ${tail}${semicolon}`
    if (short.length <= 80) return short
    return `${head}${eol}${names.map((name) => `${indent}${name},${eol}`).join('')}${tail}${semicolon}`
  }

  // ---- Imports ----

  get #connectName() {
    const own = this.imports.get('connect')
    const isOwn = own?.module === NAME && own.imported === 'connect'
    return !isOwn && this.#isTaken('connect') ? 'connectLedger' : 'connect'
  }

  /**
   * Removes imported names that are no longer used. Returns the imports to remove completely, including names
   * that were never used.
   */
  #trimImports(used, needed) {
    const { ts } = this
    const isUsed = (name) => used.has(name) || needed.includes(name)
    const rest = this.tree.statements.filter((node) => !ts.isImportDeclaration(node))
    const before = new Set(rest.flatMap((node) => this.#all(node)))
    const whole = []
    for (const statement of this.tree.statements) {
      const names = [...this.imports].filter(([, about]) => about.statement === statement)
      const lost = names.filter(([name]) => before.has(name) && !isUsed(name))
      if (lost.length === 0) continue
      if (names.some(([name]) => isUsed(name))) {
        this.#trim(
          statement,
          lost.map(([, { node }]) => node),
        )
      } else whole.push(statement)
    }
    return whole
  }

  /** Removes some names from an import. */
  #trim(statement, nodes) {
    const { source, tree } = this
    const elements = statement.importClause.namedBindings?.elements ?? []
    const kept = elements.filter((element) => !nodes.includes(element))
    const { name, namedBindings } = statement.importClause
    if (name && nodes.includes(name))
      return source.splice(name.getStart(tree), namedBindings.getStart(tree), '')
    // Only the default import stays.
    if (kept.length === 0) return source.splice(name.getEnd(), namedBindings.getEnd(), '')
    for (const node of elements) {
      if (!nodes.includes(node)) continue
      const next = elements[elements.indexOf(node) + 1]
      const hasLaterKept = elements.slice(elements.indexOf(node)).some((element) => kept.includes(element))
      if (hasLaterKept) source.splice(node.getStart(tree), next.getStart(tree), '')
      else source.splice(elements[elements.indexOf(node) - 1].getEnd(), node.getEnd(), '')
    }
  }

  /**
   * Imports names from the package: after other packages' imports, before the app's own. The imports in
   * `lost` are removed.
   */
  #import(names, lost) {
    const { source, ts } = this
    const imports = this.tree.statements.filter((node) => ts.isImportDeclaration(node))
    const above = imports.findLast((node) => !/^(?:[.~#]|@\/)/.test(node.moduleSpecifier.text))
    const text = this.#importText(names)
    const place = above ?? imports[0]
    const isReplaced = text !== '' && lost.includes(place)
    const others = lost.filter((node) => !isReplaced || node !== place)
    for (const span of joined(others.map((node) => source.linesOf(node)))) source.remove(span)
    if (isReplaced) return source.remove(source.linesOf(place), text)
    if (text === '') return
    if (above) return source.insert(source.lineEnd(above.getEnd()), text)
    const first = imports[0] ?? this.tree.statements.find((node) => !isDirective(ts, node))
    source.insert(imports[0] ? source.linesOf(first).start : source.spanOf(first).start, text)
  }

  #importText(names) {
    const { source } = this
    const local = this.#connectName
    const wanted = names.map((name) => (name === 'connect' && local !== name ? `connect as ${local}` : name))
    const missing = wanted.filter(
      (name) => !this.imports.has(name.replace(/^type /, '')) || name.includes(' as '),
    )
    if (missing.length === 0) return ''
    return `import { ${missing.join(', ')} } from ${source.quoted(NAME)}${source.semicolon}${source.eol}`
  }
}

/** Spans that touch, as one, so that the blank lines around them become one blank line. */
const joined = (spans) =>
  spans.reduce((all, span) => {
    const last = all.at(-1)
    return last?.end === span.start
      ? [...all.slice(0, -1), { start: last.start, end: span.end }]
      : [...all, span]
  }, [])

const isDirective = (ts, node) =>
  ts.isExpressionStatement(node) && ts.isStringLiteral(bare(ts, node.expression))

module.exports = { ModelFile }
