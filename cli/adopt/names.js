'use strict'

/** Finds the names that a part of a file uses from outside. */

/** The names in `node` that it does not declare: those of values, and those of types. */
function namesIn(ts, node) {
  const [values, types, own] = [new Set(), new Set(), new Set()]
  const visit = (child, inType) => {
    if (ts.isIdentifier(child)) {
      if (isLabel(ts, child)) return
      if (declares(ts, child)) own.add(child.text)
      else (inType ? types : values).add(child.text)
      return
    }
    // `typeof table` in a type refers to a value, so its import is kept.
    const isType = inType || ts.isTypeNode(child) || ts.isInterfaceDeclaration(child)
    ts.forEachChild(child, (grandchild) => visit(grandchild, isType))
  }
  visit(node, false)
  const foreign = (names) => new Set([...names].filter((name) => !own.has(name)))
  return { values: foreign(values), types: foreign(types), all: foreign(new Set([...values, ...types])) }
}

/** An identifier that refers to nothing, such as a property or a key. */
function isLabel(ts, identifier) {
  const { parent } = identifier
  if (ts.isPropertyAccessExpression(parent)) return parent.name === identifier
  if (ts.isQualifiedName(parent)) return parent.right === identifier
  if (ts.isBindingElement(parent)) return parent.propertyName === identifier
  if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) {
    return parent.propertyName ? parent.name === identifier : false
  }
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isEnumMember(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isJsxAttribute(parent)) &&
    parent.name === identifier
  )
}

/** An identifier that declares something: a parameter, a variable, a function. */
function declares(ts, identifier) {
  const { parent } = identifier
  return (
    (ts.isParameter(parent) ||
      ts.isVariableDeclaration(parent) ||
      ts.isBindingElement(parent) ||
      ts.isFunctionDeclaration(parent) ||
      ts.isFunctionExpression(parent) ||
      ts.isTypeParameterDeclaration(parent)) &&
    parent.name === identifier
  )
}

/** The imported names of a file: for each local name, the module, the exported name and the specifier. */
function importsOf(ts, tree) {
  const imports = new Map()
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement) || !statement.importClause) continue
    const module = statement.moduleSpecifier.text
    const { name, namedBindings } = statement.importClause
    if (name) imports.set(name.text, { module, imported: 'default', statement, node: name })
    if (!namedBindings) continue
    if (ts.isNamespaceImport(namedBindings)) {
      imports.set(namedBindings.name.text, { module, imported: '*', statement, node: namedBindings })
      continue
    }
    for (const node of namedBindings.elements) {
      imports.set(node.name.text, {
        module,
        imported: (node.propertyName ?? node.name).text,
        statement,
        node,
      })
    }
  }
  return imports
}

/** What a top-level statement declares, by name. */
function declaredBy(ts, statement) {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => bound(ts, name))
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isEnumDeclaration(statement)
  return isNamed && statement.name ? [statement.name.text] : []
}

/** The names in a pattern. */
function bound(ts, name) {
  if (ts.isIdentifier(name)) return [name.text]
  return name.elements.flatMap((element) => (element.name ? bound(ts, element.name) : []))
}

const hasModifier = (node, kind) => node.modifiers?.some((modifier) => modifier.kind === kind) ?? false

module.exports = { declaredBy, declares, hasModifier, importsOf, namesIn }
