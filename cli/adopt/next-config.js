'use strict'

/**
 * `serverExternalPackages` in the Next.js configuration, so that Node loads the native addon and it is not
 * bundled.
 */

const { append, assignedProperty, bare, nameOf, propertyOf } = require('./literals')
const { NAME } = require('./dependency')
const { AdoptError } = require('./refusal')

const KEY = 'serverExternalPackages'
const FILES = ['ts', 'mts', 'mjs', 'js', 'cjs'].map((ending) => `next.config.${ending}`)
const OLDEST_NEXT = 15
const BY_HAND = `add ${KEY}: ['${NAME}'] to it by hand`

/** Keys that distinguish a Next.js configuration from the options of a plugin. */
const KEYS_OF_NEXT =
  /^(?:output|reactStrictMode|images|experimental|turbopack|webpack|redirects|rewrites|headers|pageExtensions|env|i18n|basePath|trailingSlash|transpilePackages|typescript|eslint|compiler|reactCompiler|poweredByHeader|distDir|serverExternalPackages|outputFileTracingRoot|assetPrefix|logging|devIndicators|allowedDevOrigins|cacheComponents)$/

function addServerExternalPackage(app) {
  requireNext(app)
  const file = FILES.find((name) => app.has(name)) ?? 'next.config.mjs'
  const source = app.source(file)
  const reason = `Next.js loads a native addon from node_modules instead of bundling it: ${KEY}`
  if (source.isNew) {
    source.because(reason)
    return source.insert(0, `const nextConfig = { ${KEY}: ['${NAME}'] }\n\nexport default nextConfig\n`)
  }
  const config = new Config(source)
  try {
    for (const literal of config.literals()) {
      if (config.add(literal)) source.because(reason)
    }
  } catch (error) {
    if (!(error instanceof AdoptError) || !isDoneByHand(app)) throw error
  }
}

/** Whether the option names the package already, in code whose way to Next.js can't be followed. */
const isDoneByHand = (app) =>
  app.sourcesWith(new RegExp(KEY)).some(({ text }) => new RegExp(`['"]${NAME}['"]`).test(text))

function requireNext(app) {
  const { dependencies, devDependencies } = app.manifest
  const wanted = dependencies?.next ?? devDependencies?.next
  if (!wanted) throw new AdoptError('this is not a Next.js app: docs/migrating.md has the steps by hand')
  const version = app.installed('next') ?? wanted
  const major = Number(/\d+/.exec(version)?.[0] ?? OLDEST_NEXT)
  if (major < OLDEST_NEXT)
    throw new AdoptError(`Next.js ${version} is older than ${OLDEST_NEXT}: update it first`)
}

/** Finds the object that Next.js gets. */
class Config {
  constructor(source) {
    this.source = source
    this.ts = source.ts
  }

  /** The literals of the configuration: one for each way through a function. */
  literals() {
    const exported = this.#exported()
    if (!exported) this.#refuse(this.source.tree, 'its export is missing or unclear')
    const found = this.#resolve(exported, false)
    if (found.length === 0) this.#refuse(exported, 'the configuration object was not found')
    return [...new Set(found)]
  }

  #refuse(node, why) {
    const { path, line } = this.source.placeOf(node)
    throw new AdoptError(`${path}:${line}: ${why}; ${BY_HAND}`)
  }

  #exported() {
    const { ts } = this
    for (const statement of this.source.tree.statements) {
      if (ts.isExportAssignment(statement)) return statement.expression
      const modifiers = statement.modifiers?.map(({ kind }) => kind) ?? []
      if (modifiers.includes(ts.SyntaxKind.DefaultKeyword)) return statement
      if (ts.isExpressionStatement(statement) && ts.isBinaryExpression(statement.expression)) {
        const { left, right } = statement.expression
        if (/^(?:module\.exports|exports\.default)$/.test(left.getText())) return right
      }
      const named = statement.exportClause?.elements?.find(({ name }) => name.text === 'default')
      if (named?.propertyName) return named.propertyName
    }
    return undefined
  }

  /**
   * The object literals that an expression comes from. Among a plugin's arguments, one must look like a
   * configuration.
   */
  #resolve(node, isArgument) {
    const { ts } = this
    const expression = bare(ts, node)
    if (ts.isObjectLiteralExpression(expression)) {
      return !isArgument || this.#looksLikeConfig(node, expression) ? [expression] : []
    }
    if (ts.isAwaitExpression(expression)) return this.#resolve(expression.expression, isArgument)
    if (ts.isConditionalExpression(expression)) {
      return [expression.whenTrue, expression.whenFalse].flatMap((way) => this.#resolve(way, isArgument))
    }
    if (ts.isIdentifier(expression)) return this.#resolveName(expression, isArgument)
    if (ts.isFunctionLike(expression)) return this.#returned(expression)
    if (ts.isCallExpression(expression)) return this.#resolveCall(expression)
    return []
  }

  #resolveName(name, isArgument) {
    const { ts } = this
    const declared = declarationOf(ts, name)
    if (!declared) return []
    if (ts.isFunctionDeclaration(declared)) return this.#returned(declared)
    const { initializer, type } = declared
    if (!initializer) return []
    const literal = bare(ts, initializer)
    if (!ts.isObjectLiteralExpression(literal)) return this.#resolve(initializer, isArgument)
    const isNamed = /config/i.test(name.text) || /NextConfig/.test(type?.getText() ?? '')
    const isConfig = !isArgument || isNamed || this.#looksLikeConfig(initializer, literal)
    return isConfig ? [literal] : []
  }

  #looksLikeConfig(node, literal) {
    const text = node.getFullText(this.source.tree)
    if (/(?:satisfies|as)\s+NextConfig|import\(['"]next['"]\)\.NextConfig/.test(text)) return true
    return literal.properties.some((property) => KEYS_OF_NEXT.test(nameOf(this.ts, property) ?? ''))
  }

  /**
   * Resolves `withPlugin(config)`, `withPlugin(config, options)`, `plugin(options)(config)`,
   * `compose(plugins, config)`.
   */
  #resolveCall(call) {
    const found = call.arguments
      .map((argument) => ({ argument, literals: this.#resolve(argument, true) }))
      .filter(({ literals }) => literals.length > 0)
    if (found.length > 1) this.#refuse(call, 'more than one argument looks like the configuration')
    if (found.length === 1) return found[0].literals
    const { ts } = this
    const callee = bare(ts, call.expression)
    const declared = ts.isIdentifier(callee) && declarationOf(ts, callee)
    // A function of this file that returns the configuration.
    if (declared && call.arguments.length === 0) return this.#resolveName(callee, false)
    return []
  }

  /** The results of each `return` of a function. Fails if one can't be followed. */
  #returned(made) {
    const { ts } = this
    if (!made.body) return []
    if (!ts.isBlock(made.body)) return this.#mustResolve(made.body)
    const found = []
    const visit = (node) => {
      if (ts.isFunctionLike(node)) return
      if (ts.isReturnStatement(node) && node.expression) found.push(...this.#mustResolve(node.expression))
      ts.forEachChild(node, visit)
    }
    ts.forEachChild(made.body, visit)
    return found
  }

  #mustResolve(expression) {
    const found = this.#resolve(expression, false)
    if (found.length === 0) this.#refuse(expression, 'the configuration object was not found')
    return found
  }

  // ---- Adding the option ----

  /** Adds the package to a configuration. Returns whether it was missing. */
  add(literal) {
    const { ts, source } = this
    const list = this.#assignedLater() ?? propertyOf(ts, literal, KEY)
    const element = source.quoted(NAME)
    if (list) return this.#addToList(list, element)
    const spread = literal.properties.filter((property) => ts.isSpreadAssignment(property))
    for (const { expression } of spread) {
      const base = ts.isIdentifier(expression) && declarationOf(ts, expression)?.initializer
      const object = base && bare(ts, base)
      // A separate key would replace the list that the spread contains.
      if (object && ts.isObjectLiteralExpression(object) && propertyOf(ts, object, KEY))
        return this.add(object)
    }
    const unseen = spread
      .map(({ expression }) => expression)
      .filter((expression) => ts.isIdentifier(expression) && !declarationOf(ts, expression))
    const kept = unseen.map((name) => `...(${name.text}.${KEY} ?? []), `).join('')
    append(source, literal, `${KEY}: [${kept}${element}]`)
    return true
  }

  /** Whether the file has `nextConfig.serverExternalPackages = […]`. */
  #assignedLater() {
    const { ts } = this
    let found
    const visit = (node) => {
      if (assignedProperty(ts, node)?.name.text === KEY) found = node
      ts.forEachChild(node, visit)
    }
    visit(this.source.tree)
    return found
  }

  #addToList(place, element) {
    const { ts, source } = this
    let list = bare(ts, place.initializer ?? place.right ?? place.name)
    if (ts.isIdentifier(list)) list = bare(ts, declarationOf(ts, list)?.initializer) ?? list
    if (!ts.isArrayLiteralExpression(list)) this.#refuse(place, `${KEY} is not an array literal`)
    if (list.elements.some((item) => ts.isStringLiteralLike(item) && item.text === NAME)) return false
    append(source, list, element)
    return true
  }
}

/** The declaration of a name with a value, in the nearest block that has one. */
function declarationOf(ts, name) {
  for (let scope = name.parent; scope; scope = scope.parent) {
    const statements = scope.statements ?? []
    for (const statement of statements) {
      if (ts.isFunctionDeclaration(statement) && statement.name?.text === name.text) return statement
      if (!ts.isVariableStatement(statement)) continue
      const found = statement.declarationList.declarations.find(
        (declaration) => ts.isIdentifier(declaration.name) && declaration.name.text === name.text,
      )
      if (found) return found
    }
  }
  return undefined
}

module.exports = { addServerExternalPackage }
