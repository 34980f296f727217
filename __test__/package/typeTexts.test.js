'use strict'

/** The text of a function in an editor: the same for a connection and for the module. */

const fs = require('node:fs')
const path = require('node:path')
const ts = require('typescript')

const ENTRY = path.join(__dirname, '../../index.d.ts')

/** On a connection these are about that connection. */
const OF_A_CONNECTION = ['close']

function textsOf() {
  const options = { strict: true, types: [], module: ts.ModuleKind.NodeNext, skipLibCheck: true }
  const program = ts.createProgram([ENTRY], options)
  const checker = program.getTypeChecker()
  const textOf = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker))
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(ENTRY)))
  const ofModule = new Map(exported.map((symbol) => [symbol.name, textOf(resolved(checker, symbol))]))
  const connection = exported.find(({ name }) => name === 'MediaCredits')
  const members = checker.getDeclaredTypeOfSymbol(resolved(checker, connection)).getProperties()
  return { ofModule, ofConnection: members.map((symbol) => [symbol.name, textOf(symbol)]) }
}

const resolved = (checker, symbol) =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol

const { ofModule, ofConnection } = textsOf()

test('a connection has the functions of the module', () => {
  const { connect } = require('../..')
  const functions = Object.keys(connect({ url: ':memory:' }))
  expect(ofConnection.map(([name]) => name).sort()).toEqual(functions.sort())
})

test.each(ofConnection.filter(([name]) => !OF_A_CONNECTION.includes(name)))(
  '%s of a connection has the text of the module',
  (name, text) => {
    expect(text).not.toBe('')
    expect(text).toBe(ofModule.get(name))
  },
)

describe('links in comments', () => {
  const folder = path.join(__dirname, '../../types')

  test.each(fs.readdirSync(folder))('%s declares or imports what they name', (name) => {
    const text = fs.readFileSync(path.join(folder, name), 'utf8')
    const code = text.replace(/\/\*\*[\s\S]*?\*\//g, '')
    const linked = Array.from(text.matchAll(/\{@link (\w+)/g), ([, name]) => name)
    expect(linked.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([])
  })
})
