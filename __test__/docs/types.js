'use strict'

/** Type-checks all TypeScript of the docs, as an app with `strict` would. */

const fs = require('node:fs')
const path = require('node:path')
const ts = require('typescript')
const { ROOT } = require('./blocks')

const OPTIONS = {
  target: ts.ScriptTarget.ES2022,
  // As a Next.js app has it; node's types come along.
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: ['node'],
  module: ts.ModuleKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
}

const inFolder = (name) => path.join(__dirname, name)

/** Makes every function of the package known without an import. */
function functionsOf(exported) {
  const constants = exported.map((name) => `  const ${name}: typeof import('media-credits').${name}`)
  return `export {}\ndeclare global {\n${constants.join('\n')}\n}\n`
}

/** The complaints about each of `modules` (`{ name: source }`): line and message. */
function typeErrors(modules, exported) {
  const files = new Map([[inFolder('functions.d.ts'), functionsOf(exported)]])
  // An ES module in this folder: it finds the package by its name, through "exports" in package.json.
  const fileOf = (name) => inFolder(`${name.replace(/\W/g, '_')}.mts`)
  for (const [name, source] of Object.entries(modules)) files.set(fileOf(name), source)

  const host = ts.createCompilerHost(OPTIONS)
  const { fileExists, readFile } = host
  host.fileExists = (file) => files.has(file) || fileExists(file)
  host.readFile = (file) => files.get(file) ?? readFile(file)
  const declarations = fs.readdirSync(__dirname).filter((name) => name.endsWith('.d.ts'))
  const roots = [...declarations.map(inFolder), ...files.keys()]
  const program = ts.createProgram(
    roots,
    { ...OPTIONS, typeRoots: [path.join(ROOT, 'node_modules/@types')] },
    host,
  )
  const told = ({ file, start, messageText }) => [
    file.getLineAndCharacterOfPosition(start).line + 1,
    ts.flattenDiagnosticMessageText(messageText, '\n'),
  ]
  const errorsIn = (file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(told)
  return Object.fromEntries(Object.keys(modules).map((name) => [name, errorsIn(fileOf(name))]))
}

module.exports = { typeErrors }
