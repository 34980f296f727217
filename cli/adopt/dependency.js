'use strict'

/** The dependency in package.json. */

const { version } = require('../../package.json')
const { append, propertyOf } = require('./literals')

const NAME = 'media-credits'

/** `wanted` is its version in package.json, by default this one. */
function addDependency(app, wanted = `^${version}`) {
  const { ts, manifest } = app
  if (manifest.dependencies?.[NAME]) return
  const source = app.source('package.json')
  source.because(`the app depends on ${NAME}`)
  const root = source.tree.statements[0].expression
  const entry = `${JSON.stringify(NAME)}: ${JSON.stringify(wanted)}`
  takeOut(source, propertyOf(ts, root, 'devDependencies')?.initializer)
  const dependencies = propertyOf(ts, root, 'dependencies')?.initializer
  if (!dependencies) return append(source, root, `"dependencies": { ${entry} }`)
  const after = dependencies.properties.find(({ name }) => name.text > NAME)
  if (!after || !isSorted(dependencies)) return append(source, dependencies, entry)
  source.insert(after.getStart(source.tree), `${entry},${separatorOf(source, after)}`)
}

/** Removes it from the development dependencies, which are not installed in production. */
function takeOut(source, literal) {
  const at = literal?.properties.findIndex(({ name }) => name.text === NAME) ?? -1
  if (at < 0) return
  const [before, entry, after] = [
    literal.properties[at - 1],
    literal.properties[at],
    literal.properties[at + 1],
  ]
  if (after) source.splice(entry.getStart(source.tree), after.getStart(source.tree), '')
  else source.splice(before?.getEnd() ?? literal.getStart(source.tree) + 1, entry.getEnd(), '')
}

function isSorted(literal) {
  const names = literal.properties.map(({ name }) => name.text)
  return names.every((name, at) => at === 0 || names[at - 1] <= name)
}

/** The text between two entries: a line break with indentation, or a space. */
function separatorOf(source, property) {
  const start = property.getStart(source.tree)
  const isFirstOfLine = source.text.slice(source.lineStart(start), start).trim() === ''
  return isFirstOfLine ? source.eol + source.indentOf(start) : ' '
}

module.exports = { NAME, addDependency }
