'use strict'

/** The parser: the app's own TypeScript, so that this package does not have to install one. */

const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { AdoptError } = require('./refusal')

/** TypeScript with a parser in JavaScript: the app's, or one that is installed `beside` this package. */
function parserFor(root, beside = __filename) {
  const found = [path.join(root, 'package.json'), beside].map(typescriptFrom)
  const parser = found.find((typescript) => typeof typescript?.createSourceFile === 'function')
  if (parser) return parser
  const version = found.find(Boolean)?.version
  const why = version
    ? `TypeScript ${version} has no parser that JavaScript can call`
    : "the app's TypeScript is not installed; install the app's packages first"
  throw new AdoptError(
    `${why}. Or run: npx --package typescript@5 --package media-credits media-credits adopt`,
  )
}

function typescriptFrom(place) {
  try {
    return createRequire(place)('typescript')
  } catch {
    return undefined
  }
}

/** The file of the app's own `tsc`, of any version. */
function compilerOf(root) {
  try {
    const manifest = createRequire(path.join(root, 'package.json')).resolve('typescript/package.json')
    const { bin } = JSON.parse(fs.readFileSync(manifest, 'utf8'))
    return path.join(path.dirname(manifest), bin.tsc)
  } catch {
    return undefined
  }
}

module.exports = { compilerOf, parserFor }
